"""The core inside the package serves C and C++ programs that never see Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "cpp" / "examples"


CMAKE = shutil.which("cmake", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("examples")
    package = run(sys.executable, "-m", "sophon", "--cmake-dir").strip()
    run(str(CMAKE), "-S", EXAMPLES, "-B", build, f"-Dsophon_DIR={package}")
    run(str(CMAKE), "--build", build)
    return build


def test_a_cpp_program_finds_the_package_and_searches(programs: Path, tmp_path: Path) -> None:
    assert run(programs / "search_cpp", tmp_path / "index").splitlines() == [
        "best: key 9, score 0.8",
        "in the group: key -1",
        "from the file: key 9",
    ]


def test_a_c_program_searches_through_the_stable_interface(programs: Path, tmp_path: Path) -> None:
    assert run(programs / "search_c", tmp_path / "index").splitlines() == [
        "best: key 9, score 0.8, then key -1",
        "refused: vector 0 has norm 2.000000, not 1; normalise it first",
        "removed 1, loaded 2",
    ]


def test_the_include_directory_has_the_headers() -> None:
    include = Path(run(sys.executable, "-m", "sophon", "--include-dir").strip())
    assert (include / "sophon" / "sophon.h").is_file()

"""The wheel: what `pip install` gives to someone without a compiler or a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, path: str = "/nonexistent") -> str:
    """Output of a command that finds no compiler and no checkout: it runs outside of both."""
    return subprocess.run(
        [str(word) for word in command], check=True, cwd="/", env={"PATH": path, "HOME": "/nonexistent"},
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", f"-Cbuild-dir={folder}/build", "-w", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", *options, str(REPOSITORY)],
        check=True,
    )
    return next(folder.glob("*.whl"))


def test_carries_the_core_its_types_and_the_licence_and_no_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert any(name.startswith("sophon/_core.") and name.endswith(".so") for name in names)
    assert {"sophon/_core.pyi", "sophon/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/")) or name.endswith(".cpp")]


def test_metadata_is_complete(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"server", "bench", "test", "models"} <= set(metadata.get_all("Provides-Extra", []))
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_works_in_an_empty_environment_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    # given an environment that holds the wheel and its dependencies, all of them binary
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--only-binary", ":all:", wheel], check=True)

    # when it is used from outside of any checkout
    said = run(python, "-c", "import sophon, sophon._core as core; print(sophon.__file__, core.chosen_isa())")

    # then it is the installed one that answers, and its command line works
    assert said.startswith(str(tmp_path))
    assert "doctor" in run(tmp_path / "venv" / "bin" / "sophon", "--help")

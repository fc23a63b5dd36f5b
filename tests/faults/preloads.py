"""Libraries that are preloaded into a process to change what its machine does to it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


def build(name: str, folder: Path) -> Path:
    """Compile one of them."""
    library = folder / f"{name}.so"
    compiler = os.environ.get("CXX", "g++")
    subprocess.run(
        [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", str(SOURCES / f"{name}.cpp"), "-o", str(library)],
        check=True,
    )
    return library


class ForgetfulDisk:
    """A disk under one folder of a process that forgets, at a power cut, what was not synced.

    ``live`` is the folder as the process sees it; `cut`, once the process is killed, makes it what the disk kept.
    """

    def __init__(self, live: Path, library: Path) -> None:
        self._live = live
        self._disk = live.with_name(f"{live.name}-disk")
        self._disk.mkdir()
        self.environment = {
            "LD_PRELOAD": str(library),
            "POWER_CUT_LIVE": str(live),
            "POWER_CUT_DISK": str(self._disk),
        }

    def cut(self) -> bool:
        """Lose what was not synced; whether that was anything of a database."""
        lost = any(
            not (self._disk / file.name).exists()
            or (self._disk / file.name).read_bytes() != file.read_bytes()
            for pattern in ("*.db", "*.db-wal")
            for file in self._live.glob(pattern)
        )
        shutil.rmtree(self._live)
        shutil.copytree(self._disk, self._live)
        self._live.chmod(0o700)
        return lost


class WrongClock:
    """The wall clock of a process, wrong by so many seconds."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock-wrong-by"
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_WRONG_BY": str(self._file)}
        self.set_wrong_by(0.0)

    def set_wrong_by(self, seconds: float) -> None:
        """Set the clock, while the process runs."""
        self._file.touch()
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", int(seconds)))

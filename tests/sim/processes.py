"""What runs on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def processes_that_name(folder: Path) -> list[str]:
    """Command lines of processes that have the folder in their environment."""
    names = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in environment:
                names.append((process / "cmdline").read_text())
    return names

"""Putting files into a folder so that each is there whole, or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"
STAGING_PREFIX = ".staging-"


@contextlib.contextmanager
def exclusive_staging(folder: Path) -> Iterator[Path]:
    """Make the folder, wait until nobody else works in it, and yield a scratch folder in it.

    The scratch folder is on the folder's own file system, where renaming is atomic. What a killed run left is removed;
    the kernel frees the lock of one that died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in folder.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING_PREFIX) as staging:
            yield Path(staging)


def put(data: bytes, target: Path, staging: Path) -> None:
    """Write a file by way of the staging folder; once it bears its name it is whole and on disk."""
    staged = staging / target.name
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def is_intact(path: Path, sha256: str) -> bool:
    """Say whether the file is there and has this sha256."""
    return path.is_file() and sha256_of(path) == sha256


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file of any size, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

"""What this installation is made of, and what is wrong with it."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sophon import _core
from sophon.errors import SophonError
from sophon.models import ModelPack
from sophon.models.install import verify
from sophon.models.pack import default_directory

LIBRARIES = ("numpy", "onnxruntime", "opencv-python", "orjson", "pydantic")
SERVER_LIBRARIES = ("pika", "httpx", "fastapi", "uvicorn", "psutil", "structlog")
LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis; ``problem`` names what is wrong and the remedy, None where nothing is."""

    topic: str
    subject: str
    value: str
    problem: str | None = None


def diagnose(data_dir: Path) -> Iterator[Finding]:
    """Look at the core, the libraries, the models, RabbitMQ and the disk of this machine; changes nothing."""
    yield from _core_and_kernels()
    yield from _libraries()
    yield from _models()
    yield _broker()
    yield from _disk(data_dir)


def _core_and_kernels() -> Iterator[Finding]:
    yield Finding("core", "version", _core.version())
    usable = ", ".join(_core.usable_isas())
    try:
        yield Finding("core", "kernels", f"{_core.chosen_isa()} (this machine can run: {usable})")
    except ValueError as error:
        yield Finding("core", "kernels", f"this machine can run: {usable}", str(error))


def _libraries() -> Iterator[Finding]:
    installed = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    for name in LIBRARIES:
        problem = None if name in installed else "not installed: run `pip install sophon` again"
        yield Finding("library", name, installed.get(name, ""), problem)
    for name in SERVER_LIBRARIES:
        without = "not installed; to run a box: pip install 'sophon[server]'"
        yield Finding("library", name, installed.get(name, without))
    yield Finding("library", "SQLite", sqlite3.sqlite_version)
    yield _opencv()


def _opencv() -> Finding:
    """OpenCV's wheel needs libraries of the system, which only importing it shows."""
    if importlib.util.find_spec("cv2") is None:
        return Finding("library", "cv2", "", "not installed: run `pip install opencv-python`")
    try:
        import cv2
    except ImportError as error:
        remedy = f"can't be loaded ({error}): run `apt-get install libgl1 libglib2.0-0`"
        return Finding("library", "cv2", "", remedy)
    return Finding("library", "cv2", f"loads, {cv2.getNumberOfCPUs()} CPUs")


def _models() -> Iterator[Finding]:
    try:
        pack = ModelPack.load()
    except SophonError as error:
        yield Finding("model", "pack", "", str(error))
        return
    yield Finding("model", "pack", f"{pack.manifest.name} in {pack.directory}")
    for finding in verify(pack):
        model = finding.model
        licence = f"licence: package {model.licence.package}, weights {model.licence.weights}"
        value = f"{model.name}\n{licence}\nsha256 {model.sha256}"
        yield Finding("model", model.role.value, value, finding.problem)


def _broker() -> Finding:
    """RabbitMQ's server is needed on this machine by the demo, `sophon platform` and the tests, not by a box."""
    from sophon.sim.broker import find_broker

    folder = find_broker()
    if folder is None:
        without = "not installed; a box needs none of its own, the demo does: apt-get install rabbitmq-server"
        return Finding("broker", "RabbitMQ", without)
    if shutil.which("erl") is None:
        return Finding(
            "broker", "RabbitMQ", str(folder), "Erlang is missing: run `apt-get install erlang-base`"
        )
    version = subprocess.run(
        [folder / "rabbitmqctl", "version"], capture_output=True, text=True, timeout=30, check=False
    ).stdout.strip()
    return Finding("broker", "RabbitMQ", f"{version} in {folder}")


def _disk(data_dir: Path) -> Iterator[Finding]:
    for subject, folder in (("models", default_directory()), ("data", data_dir)):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        problem = (
            f"less than {LEAST_FREE_BYTES >> 30} GiB free: make room" if free < LEAST_FREE_BYTES else None
        )
        yield Finding("disk", subject, f"{folder}: {free / 1024**3:.1f} GiB free", problem)

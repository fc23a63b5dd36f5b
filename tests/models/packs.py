"""Small packs for the tests: real manifests over files of a few bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from sophon.models import InputSpec, Manifest, Model, OutputSpec, Role
from sophon.models.manifest import MANIFEST, Archive, Crop, Licence, Source


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def model(role: Role, data: bytes, source: Source | None = None, conversion: str | None = None) -> Model:
    return Model(
        role=role,
        name=f"a {role.value}",
        file=f"{role.value}.onnx",
        sha256=sha256(data),
        size=len(data),
        licence=Licence(package="MIT", weights="CC0-1.0"),
        provenance="made by the test",
        input=InputSpec(name="input", shape=("N", 3, 112, 112), colour="bgr", crop=Crop.ARCFACE),
        outputs=(OutputSpec(name="output", shape=("N", 512), meaning="embedding"),),
        source=source,
        conversion=conversion,
    )


def pack_folder(folder: Path, files: dict[Role, bytes], name: str = "mine") -> Manifest:
    """Write a pack as a user would bring it: a manifest and its files."""
    manifest = Manifest(name=name, description="", models=tuple(model(*item) for item in files.items()))
    folder.mkdir(exist_ok=True)
    for described in manifest.models:
        (folder / described.file).write_bytes(files[described.role])
    (folder / MANIFEST).write_bytes(manifest.to_json())
    return manifest


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def wheel_of(path: Path, package: str) -> Archive:
    """Describe a file as a wheel of PyPI."""
    data = path.read_bytes()
    return Archive(
        registry="pypi", package=package, version="1.0", form="wheel", sha256=sha256(data), size=len(data)
    )

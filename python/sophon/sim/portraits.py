"""Photographs for the demo: official portraits that packages of a public registry carry, and who is in which.

They are fetched once, checked, and kept in the user's cache; nothing of them is part of this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sophon.models.folder import exclusive_staging, is_intact, put
from sophon.models.manifest import Archive, Source
from sophon.models.registry import OnStep, fetch_source, silent

_FACE_RECOGNITION = Archive(
    registry="pypi",
    package="face_recognition",
    version="1.3.0",
    form="sdist",
    sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    size=3182249,
)
_SCIKIT_IMAGE = Archive(
    registry="pypi",
    package="scikit-image",
    version="0.24.0",
    form="wheel",
    platform="3.11-manylinux2014_x86_64",  # of the wheel; its pictures serve on every machine
    sha256="fa27b3a0dbad807b966b8db2d78da734cb812ca4787f7fbb143764800ce2fa9c",
    size=14861425,
)


@dataclass(frozen=True)
class Portrait:
    """One photograph of one person."""

    person: str
    """Name of the person's folder."""
    file: str
    whole: bool
    """False where the photograph's edge cuts the face."""
    source: Source

    @property
    def name(self) -> str:
        """The person's name in plain letters."""
        return self.person.replace("_", " ").title()

    @property
    def path(self) -> Path:
        """Place in the portraits' folder: `people/PERSON/FILE`, or `cut/FILE` for a face that is cut."""
        return Path("people", self.person, self.file) if self.whole else Path("cut", self.file)


def _presidential(person: str, file: str, sha256: str, whole: bool = True) -> Portrait:
    member = f"face_recognition-1.3.0/tests/test_images/{file}"
    return Portrait(person, file, whole, Source(archive=_FACE_RECOGNITION, member=member, sha256=sha256))


PORTRAITS: tuple[Portrait, ...] = (
    _presidential(
        "barack_obama",
        "obama.jpg",
        "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    ),
    _presidential(
        "barack_obama",
        "obama2.jpg",
        "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    ),
    _presidential(
        "barack_obama",
        "obama3.jpg",
        "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    ),
    _presidential(
        "barack_obama",
        "32bit.png",
        "44dca895a7d635a4aedddd91a4f37af9a8a5b44e66154282a24645a757b5f627",
    ),
    _presidential(
        "joe_biden",
        "biden.jpg",
        "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    ),
    _presidential(
        "barack_obama",
        "obama_partial_face.jpg",
        "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
        whole=False,
    ),
    _presidential(
        "barack_obama",
        "obama_partial_face2.jpg",
        "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
        whole=False,
    ),
    Portrait(
        "eileen_collins",
        "astronaut.png",
        True,
        Source(
            archive=_SCIKIT_IMAGE,
            member="skimage/data/astronaut.png",
            sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        ),
    ),
)
"""All of them. `32bit.png` is the scene of `obama2.jpg` with an alpha channel."""


def default_folder() -> Path:
    """Return where the portraits are kept: a folder in the user's cache."""
    return platformdirs.user_cache_path("sophon") / "portraits"


def fetch_portraits(folder: Path | None = None, on_step: OnStep = silent) -> Path:
    """Make sure that all portraits are in a folder, and return it; what is there and intact is not fetched again.

    `people/` in it has one folder per person, `cut/` the faces that are cut. Raises SophonError where a registry can't
    be reached or sends something else.
    """
    folder = folder or default_folder()
    if all(is_intact(folder / portrait.path, portrait.source.sha256) for portrait in PORTRAITS):
        return folder
    with exclusive_staging(folder) as staging:
        for portrait in PORTRAITS:
            if not is_intact(folder / portrait.path, portrait.source.sha256):
                put(
                    fetch_source(portrait.source, staging / "fetched", on_step),
                    folder / portrait.path,
                    staging,
                )
    return folder

"""People from a folder of photographs: one sub-folder per person, named by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sophon.contract.ids import read_id
from sophon.errors import Code, SophonError

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True)
class PhotographedPerson:
    """Someone and their photographs, at least one, in the order of their file names."""

    identity_id: str
    name: str
    photos: Sequence[Path]


def people_in(folder: Path) -> list[PhotographedPerson]:
    """The people of a folder; sub-folders without photographs are passed over.

    Raises:
        SophonError: if the folder holds nobody, or a sub-folder's name can't be an id.
    """
    people = [
        PhotographedPerson(_id_of(one), _name_of(one), photos)
        for one in sorted(folder.iterdir() if folder.is_dir() else ())
        if one.is_dir() and (photos := sorted(f for f in one.iterdir() if f.suffix.lower() in PHOTO_SUFFIXES))
    ]
    if not people:
        raise SophonError(
            Code.BAD_REQUEST,
            f"no photographs in {folder}: it needs one folder per person, with {', '.join(sorted(PHOTO_SUFFIXES))} files",
        )
    return people


def _name_of(folder: Path) -> str:
    name = folder.name.replace("_", " ")
    return name.title() if name.islower() else name


def _id_of(folder: Path) -> str:
    try:
        return read_id(folder.name)
    except ValueError as error:
        raise SophonError(
            Code.BAD_REQUEST, f"the folder {folder} can't name a person: its name {error}"
        ) from None

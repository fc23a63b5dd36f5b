"""Who takes part in the demo: people to enrol, people and pictures that must be refused, probes, strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon.contract import FiqaLevel
from sophon.engine import load_photo
from sophon.errors import Code
from sophon.sim import PhotographedPerson

Image = NDArray[np.uint8]

MAX_PROBES_PER_PERSON = 3
#: Height in pixels that a photograph is shrunk to, so that its face is too small to enrol.
SMALL_PHOTO = 90
#: Height in pixels of the other pictures that are made: enough for a good face, and quick to write.
MADE_PHOTO = 1000

_QUALITY = frozenset({Code.LOW_QUALITY, Code.FACE_TOO_SMALL})


@dataclass(frozen=True)
class Candidate:
    """Someone to enrol.

    ``photo`` None: the platform names a photograph that is not there. ``level``: the quality that enrolment asks for.
    ``known`` False: the platform was never told of them. ``refusals``: the codes they must be refused with; none: they
    must be enrolled, unless ``may_fail``.
    """

    identity_id: str
    name: str
    photo: Path | None
    level: FiqaLevel = "high"
    refusals: frozenset[Code] = frozenset()
    may_fail: bool = False
    known: bool = True


@dataclass(frozen=True)
class Probe:
    """A photograph to recognise; ``expected`` is the person's id, None for a stranger."""

    photo: Path
    title: str
    expected: str | None


@dataclass(frozen=True)
class Judged:
    """A photograph to judge; ``refusal`` is the code that the command must fail with, None if it must be judged.

    ``owner``: the person to enrol with this photograph; if they were enrolled, it must be good, else it is passed over.
    Without an owner it must be bad.
    """

    photo: Path
    title: str
    level: FiqaLevel = "high"
    owner: str | None = None
    refusal: Code | None = None


@dataclass(frozen=True)
class Cast:
    """Everybody and everything."""

    candidates: Sequence[Candidate]
    probes: Sequence[Probe]
    judged: Sequence[Judged]


def cast_of(
    people: Sequence[PhotographedPerson],
    cut_faces: Sequence[Path],
    made: Path,
    *,
    level: FiqaLevel,
    most: int,
    are_good: bool,
) -> Cast:
    """The cast that a folder of people makes.

    Who has several photographs is enrolled with the first and looked for in the others. Who has one is a stranger, but
    for the last of them where fewer than two people would be enrolled; that one is looked for in the mirrored photograph.

    Args:
        people: in their folder's order.
        cut_faces: photographs whose edge cuts the face.
        made: a folder for the pictures that are made here, from the first people's photographs.
        level: the quality asked of people's photographs; the bad pictures are held against ``high``.
        most: how many people to enrol at most, and how many strangers.
        are_good: whether every enrolment photograph is known to be good enough.
    """
    several = [person for person in people if len(person.photos) > 1][:most]
    single = [person for person in people if len(person.photos) == 1]
    alone = single[-1:] if len(several) < 2 else []
    strangers = [person for person in single if person not in alone][:most]
    enrolled = several + alone
    bad = _bad_pictures(enrolled[0], cut_faces, made)
    two_faces = _two_faces(enrolled[0].photos[0], made)

    candidates = [
        Candidate(p.identity_id, p.name, p.photos[0], level, may_fail=not are_good) for p in enrolled
    ]
    candidates += [Candidate(key, title, photo, refusals=codes) for key, title, photo, codes in bad]
    candidates += [
        Candidate("two-faces", "two faces", two_faces, refusals=frozenset({Code.LOW_QUALITY})),
        Candidate("lost-photo", "photo not there", None, refusals=frozenset({Code.REMOTE_SERVER_FAILED})),
        Candidate("nobody", "", None, refusals=frozenset({Code.REMOTE_DATA_FAILED}), known=False),
    ]
    probes = [
        Probe(photo, f"{person.name}, {photo.name}", person.identity_id)
        for person in several
        for photo in person.photos[1 : 1 + MAX_PROBES_PER_PERSON]
    ]
    probes += [
        Probe(_mirrored(person.photos[0], made), f"{person.name}, mirrored", person.identity_id)
        for person in alone
    ]
    probes += [
        Probe(person.photos[0], f"{person.name}, {person.photos[0].name}", None) for person in strangers
    ]
    judged = [Judged(p.photos[0], p.name, level, owner=p.identity_id) for p in enrolled]
    judged += [
        Judged(photo, title, refusal=next(iter(codes)) if not codes & _QUALITY else None)
        for _, title, photo, codes in bad
    ]
    return Cast(candidates, probes, judged)


def _bad_pictures(
    person: PhotographedPerson, cut_faces: Sequence[Path], made: Path
) -> list[tuple[str, str, Path, frozenset[Code]]]:
    """Id, title, picture and the codes of its refusal."""
    photo = _fitting(person.photos[0])
    bad = [
        (f"cut-{number}", "face cut by the edge", path, _QUALITY) for number, path in enumerate(cut_faces, 1)
    ]
    return [
        *bad,
        ("blurred", "blurred", _save(made / "blurred.png", _blurred(photo)), _QUALITY),
        ("small", "face too small", _save(made / "small.png", _shrunk(photo, SMALL_PHOTO)), _QUALITY),
        ("no-face", "no face", _save(made / "no-face.png", _no_face()), frozenset({Code.NO_FACE})),
        ("no-picture", "not a picture", _text(made / "no-picture.jpg"), frozenset({Code.IMAGE_ERROR})),
    ]


def _blurred(photo: Image) -> Image:
    spread = max(photo.shape[:2]) / 40
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), spread), np.uint8)


def _fitting(file: Path) -> Image:
    photo = load_photo(file)
    return _shrunk(photo, min(photo.shape[0], MADE_PHOTO))


def _shrunk(photo: Image, height: int) -> Image:
    width = max(round(photo.shape[1] * height / photo.shape[0]), 1)
    return np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _two_faces(photo: Path, made: Path) -> Path:
    """A photograph beside its mirror image: nobody can say which face is meant."""
    picture = _fitting(photo)
    return _save(made / "two-faces.png", np.hstack([picture, picture[:, ::-1]]))


def _no_face() -> Image:
    """Hills under a sky."""
    sky = np.linspace((235, 206, 135), (255, 250, 240), 480)[:, None, :].repeat(640, axis=1)
    x = np.arange(640)
    hills = 330 + 40 * np.sin(x / 60) + 20 * np.sin(x / 17)
    sky[np.arange(480)[:, None] > hills] = (60, 120, 70)
    return sky.astype(np.uint8)


def _mirrored(photo: Path, made: Path) -> Path:
    return _save(made / f"mirrored-{photo.parent.name}.png", np.ascontiguousarray(_fitting(photo)[:, ::-1]))


def _save(path: Path, picture: Image) -> Path:
    encoded, data = cv2.imencode(path.suffix, picture)
    assert encoded
    path.write_bytes(data.tobytes())
    return path


def _text(path: Path) -> Path:
    path.write_text("This is a text, whatever its name says.\n")
    return path

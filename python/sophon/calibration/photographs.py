"""The photographs to calibrate on: one folder per person."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sophon.engine import Face, FaceEngine
from sophon.errors import Code, SophonError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_CLEARLY_LARGER = 2.0
"""As at enrolment: of several faces the largest is meant if its area is so many times the next one's."""

OnPhotograph = Callable[[int, int], None]
"""Told how many photographs are done, and how many there are."""


@dataclass(frozen=True)
class LabelledEmbeddings:
    """Embeddings and whose they are."""

    embeddings: NDArray[np.float32]
    """(n, dim)."""
    people: NDArray[np.int64]
    """(n,): the same number for the same folder."""
    skipped: int
    """Photographs without a face, with several that could be meant, or that can't be decoded."""


def embed_people(
    engine: FaceEngine, folder: Path, workers: int = 2, on_photograph: OnPhotograph = lambda done, total: None
) -> LabelledEmbeddings:
    """Embed the person on every photograph of a folder that has one folder per person.

    Raises SophonError (PARAM_ERROR) where fewer than two people have a usable photograph.
    """
    photographs = [
        (number, photograph)
        for number, person in enumerate(sorted(path for path in folder.iterdir() if path.is_dir()))
        for photograph in sorted(person.iterdir())
        if photograph.suffix.lower() in _SUFFIXES
    ]
    kept: list[tuple[int, NDArray[np.float32]]] = []
    with ThreadPoolExecutor(workers) as executor:
        faces = executor.map(lambda labelled: _person_on(engine, labelled[1]), photographs)
        for done, ((number, _), face) in enumerate(zip(photographs, faces, strict=True), start=1):
            on_photograph(done, len(photographs))
            if face is not None:
                kept.append((number, face.embedding))
    if len({number for number, _ in kept}) < 2:
        raise SophonError(
            Code.PARAM_ERROR,
            f"{folder} needs one folder per person, of at least two people, with photographs in each",
        )
    return LabelledEmbeddings(
        np.stack([embedding for _, embedding in kept]),
        np.array([number for number, _ in kept], np.int64),
        len(photographs) - len(kept),
    )


def _person_on(engine: FaceEngine, photograph: Path) -> Face | None:
    try:
        faces = engine.analyze(photograph)
    except SophonError:  # not decodable: counted as skipped
        return None
    if not faces or (len(faces) > 1 and _area(faces[0]) < _CLEARLY_LARGER * _area(faces[1])):
        return None
    return faces[0]


def _area(face: Face) -> float:
    width, height = face.bbox[2:] - face.bbox[:2]
    return float(width * height)

"""The photographs to calibrate on: one folder per person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sophon.engine import DOMINANT_FACE_RATIO, Face, FaceEngine
from sophon.errors import Code, SophonError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

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
    engine: FaceEngine,
    folder: Path,
    workers: int | None = None,
    on_photograph: OnPhotograph = lambda done, total: None,
) -> LabelledEmbeddings:
    """Embed the person on every photograph of a folder that has one folder per person.

    Raises SophonError (PARAM_ERROR) where fewer than two people have a usable photograph.
    """
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    photographs = [
        (number, photograph)
        for number, person in enumerate(people)
        for photograph in sorted(person.iterdir())
        if photograph.suffix.lower() in _SUFFIXES
    ]
    kept: list[tuple[int, NDArray[np.float32]]] = []
    outcomes = engine.analyze_many((photograph for _, photograph in photographs), workers=workers)
    for done, ((number, _), outcome) in enumerate(zip(photographs, outcomes, strict=True), start=1):
        on_photograph(done, len(photographs))
        face = _meant(outcome.result or [])
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


def _meant(faces: Sequence[Face]) -> Face | None:
    """Return the face that a photograph of one person is about; `faces`, largest first."""
    if not faces or (len(faces) > 1 and faces[0].area < DOMINANT_FACE_RATIO * faces[1].area):
        return None
    return faces[0]

"""One embedding per photograph, kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

Array = NDArray[np.float32]


class FoundFace(Protocol):
    """What is needed of a face."""

    @property
    def bbox(self) -> Array: ...
    @property
    def embedding(self) -> Array: ...


Face = TypeVar("Face", bound=FoundFace)


class Pipeline(Protocol):
    """What is measured: photograph in, faces out."""

    name: str
    version: str
    """Changes with everything that changes an embedding: model, alignment, detection, code."""

    def faces(self, photograph: Path) -> tuple[Sequence[FoundFace], tuple[int, int]]:
        """Return the faces and the photograph's width and height."""
        ...


class EmbeddingCache:
    """Embeddings by the photograph's sha256, one file per pipeline version; an empty one means that there is no face."""

    def __init__(self, folder: Path, version: str) -> None:
        self._path = folder / f"{version}.npz"
        self._known: dict[str, Array] = {}
        if self._path.is_file():
            with np.load(self._path) as stored:
                self._known = {key: stored[key] for key in stored.files}

    def get(self, sha256: str) -> Array | None:
        return self._known.get(sha256)

    def put(self, sha256: str, embedding: Array) -> None:
        self._known[sha256] = embedding

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".tmp.npz")
        np.savez(unfinished, **self._known)  # type: ignore[arg-type]
        unfinished.replace(self._path)


def embed(
    pipeline: Pipeline, folder: Path, photographs: Iterable[Path], cache: Path, workers: int
) -> dict[Path, Array]:
    """Return the embedding of each photograph's subject; a photograph without a face is left out."""
    kept = EmbeddingCache(cache, pipeline.version)

    def one(photograph: Path) -> tuple[Path, str, Array]:
        sha256 = hashlib.sha256((folder / photograph).read_bytes()).hexdigest()
        known = kept.get(sha256)
        return photograph, sha256, _subject(pipeline, folder / photograph) if known is None else known

    embeddings = {}
    wanted = list(photographs)
    with ThreadPoolExecutor(workers) as executor:
        results = executor.map(one, wanted)
        for photograph, sha256, embedding in track(
            results, f"{pipeline.name}: photographs", total=len(wanted)
        ):
            kept.put(sha256, embedding)
            if embedding.size:
                embeddings[photograph] = embedding
    kept.save()
    return embeddings


def _subject(pipeline: Pipeline, photograph: Path) -> Array:
    faces, size = pipeline.faces(photograph)
    face = nearest_to_middle(faces, size)
    return np.empty(0, np.float32) if face is None else face.embedding


def nearest_to_middle(faces: Sequence[Face], size: tuple[int, int]) -> Face | None:
    """Return the face nearest to the middle: LFW's photographs are centred on whom they are named for.

    `size`: the photograph's width and height.
    """
    middle = np.array(size) / 2
    return min(faces, key=lambda face: _distance(face, middle), default=None)


def _distance(face: FoundFace, middle: NDArray[np.float64]) -> float:
    return float(np.hypot(*((face.bbox[:2] + face.bbox[2:]) / 2 - middle)))

"""Galleries to search: unit vectors of known kinds, made in pieces so that a million fits beside its index."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Kind = Literal["isotropic", "face-like"]


def unit(vectors: Vectors) -> Vectors:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def gallery(kind: Kind, count: int, dim: int, seed: int = 0, people: Vectors | None = None) -> Vectors:
    """``count`` unit vectors.

    isotropic: directions without preference, the hardest case for a bound. face-like: with `people`, real embeddings,
    each vector is a mixture of two of them and noise; without, directions whose variance falls with the square root of
    the axis' number and that share a mean, as embeddings of faces do.
    """
    rng = np.random.default_rng(seed)
    result = np.empty((count, dim), np.float32)
    for start in range(0, count, 50_000):
        rows = min(50_000, count - start)
        noise = rng.standard_normal((rows, dim), dtype=np.float32)
        if kind == "isotropic":
            piece = noise
        elif people is not None:
            first, second = (people[rng.integers(len(people), size=rows)] for _ in range(2))
            piece = first + 0.6 * second + 0.3 / np.sqrt(dim, dtype=np.float32) * noise
        else:
            piece = noise * np.arange(1, dim + 1, dtype=np.float32) ** np.float32(-0.25)
            piece[:, 0] += 0.5
        result[start : start + rows] = unit(piece)
    return result

"""Aligned faces into unit vectors."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.alignment import ALIGNED_SIZE, ARCFACE_TEMPLATE, aligning_transform, crop_into
from sophon.engine.photo import Image
from sophon.engine.sessions import Network, Tensor
from sophon.errors import Code, SophonError
from sophon.models import Model

# Raise this whenever the same photograph would give another embedding: stored ones are then made again.
_MAKING_VERSION = 1


class Embedder:
    """The embedding network with the alignment and pre-processing it was trained for."""

    def __init__(self, network: Network) -> None:
        self._network = network
        probe = np.zeros((1, 3, ALIGNED_SIZE, ALIGNED_SIZE), np.float32)
        self.dim = int(network.run(probe)[0].shape[-1])

    @property
    def making_id(self) -> str:
        """Return what an embedding depends on, as a short hash: embeddings of different makings are never compared."""
        return making_of(self._network.model)

    def embed(self, image: Image, landmarks: NDArray[np.float32]) -> tuple[Tensor, list[Image]]:
        """Return raw embeddings (n, dim), not normalised, and the aligned crops, of faces with landmarks (n, 5, 2)."""
        batch = np.empty((len(landmarks), 3, ALIGNED_SIZE, ALIGNED_SIZE), np.float32)
        spec = self._network.model.input
        crops = [
            crop_into(image, aligning_transform(points), spec, planes)
            for points, planes in zip(landmarks, batch, strict=True)
        ]
        if not crops:
            return np.empty((0, self.dim), np.float32), []
        return self._network.run(batch)[0].reshape(len(batch), -1), crops


def making_of(model: Model) -> str:
    """Return the making id of embeddings of this model."""
    making = (
        f"v{_MAKING_VERSION}|{model.sha256}|{ARCFACE_TEMPLATE.tobytes().hex()}|{ALIGNED_SIZE}"
        f"|{model.input.colour}|{model.input.mean}|{model.input.divisor}"
    )
    return hashlib.sha256(making.encode()).hexdigest()[:16]


def unit_embeddings(raw: Tensor) -> Tensor:
    """Scale embeddings (n, dim) to unit norm. Raises SophonError (BAD_FEATURE) for NaN, infinity or a zero norm."""
    try:
        return _core.normalize_embeddings(raw)
    except ValueError as error:
        raise SophonError(Code.BAD_FEATURE, str(error)) from error

"""Aligned faces into unit vectors."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from sophon import _core
from sophon.engine.alignment import ALIGNED_SIZE, ARCFACE_TEMPLATE, Transform, crop_into
from sophon.engine.photo import Image
from sophon.engine.sessions import Network, Tensor
from sophon.errors import Code, SophonError
from sophon.models import Model

# Raise this whenever the same photograph would give another embedding: stored ones are then made again.
_MAKING_VERSION = 3
# Length of raw embeddings, by the sha256 of the network as shipped: the middle between blurred and good faces, and the
# width of the step. Measured on labelled photographs: blurred 3.0, turned away 2.8, good 3.7.
_NORM_SCALES = {"87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581": (3.0, 0.35)}


class Embedder:
    """The embedding network with the alignment and pre-processing it was trained for."""

    def __init__(self, network: Network) -> None:
        self._network = network
        probe = np.zeros((1, 3, ALIGNED_SIZE, ALIGNED_SIZE), np.float32)
        self.dim = int(network.run(probe)[0].shape[-1])

    @property
    def model(self) -> Model:
        """Return the network's model."""
        return self._network.model

    def embed(self, image: Image, transforms: list[Transform]) -> tuple[Tensor, list[Image]]:
        """Return raw embeddings (n, dim), not normalised, and the aligned crops, of faces by their aligning transforms."""
        batch = np.empty((len(transforms), 3, ALIGNED_SIZE, ALIGNED_SIZE), np.float32)
        spec = self._network.model.input
        crops = [
            crop_into(image, transform, spec, planes)
            for transform, planes in zip(transforms, batch, strict=True)
        ]
        if not crops:
            return np.empty((0, self.dim), np.float32), []
        return self._network.run(batch)[0].reshape(len(batch), -1), crops

    def utility(self, raw: Tensor) -> float | None:
        """Return how well a face serves recognition, 0-1, read off its raw embedding; None where the scale is unknown.

        Networks trained with a margin loss give longer vectors to faces they know how to place (Meng, Zhao, Huang,
        Zhou: MagFace, 2021). The length is put on a logistic scale whose middle lies between blurred and good faces.
        """
        scale = _NORM_SCALES.get(original_sha256(self._network.model))
        if scale is None:
            return None
        middle, width = scale
        return 1.0 / (1.0 + math.exp((middle - float(np.linalg.norm(raw.astype(np.float64)))) / width))


def original_sha256(model: Model) -> str:
    """Return the sha256 of a model's file as its publisher ships it: it stays the same however we convert the file."""
    return model.sha256 if model.source is None else model.source.sha256


def making_id(model: Model, aligned_by: Model) -> str:
    """Return what an embedding depends on, as a short hash: embeddings of different makings are never compared.

    `model` embeds, `aligned_by` finds the landmarks.
    """
    making = (
        f"v{_MAKING_VERSION}|{model.sha256}|{aligned_by.sha256}|{ARCFACE_TEMPLATE.tobytes().hex()}|{ALIGNED_SIZE}"
        f"|{model.input.colour}|{model.input.mean}|{model.input.divisor}"
    )
    return hashlib.sha256(making.encode()).hexdigest()[:16]


def unit_embeddings(raw: Tensor) -> Tensor:
    """Scale embeddings (n, dim) to unit norm. Raises SophonError (BAD_FEATURE) for NaN, infinity or a zero norm."""
    try:
        return _core.normalize_embeddings(raw)
    except ValueError as error:
        raise SophonError(Code.BAD_FEATURE, str(error)) from error

"""The 468-point face mesh: where it says the landmarks are, and how the head is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sophon.engine.alignment import Transform, aligning_transform, crop_into, to_picture
from sophon.engine.face import HeadPose
from sophon.engine.photo import Image
from sophon.engine.sessions import Network

_POINTS = 468
# Where a mesh lies on the ArcFace template, measured over portraits: its centre and its longer side, in template pixels.
_CENTRE, _SIDE = (55.0, 70.0), 100.0
_ENLARGEMENT = 1.5  # of the crop over the mesh, as the model was trained
# Points of the mesh: the cheeks in front of the ears (image left and right), forehead and chin.
_LEFT_CHEEK, _RIGHT_CHEEK, _FOREHEAD, _CHIN = 234, 454, 10, 152
# The lids around each eye, the nose tip and the corners of the mouth; the image's left first.
_LEFT_LIDS, _RIGHT_LIDS = (33, 133, 159, 145, 160, 144, 158, 153), (263, 362, 386, 374, 387, 373, 385, 380)
_NOSE_TIP, _LEFT_MOUTH, _RIGHT_MOUTH = 4, 61, 291
# The line from forehead to chin of a person who looks straight ahead leans by this much.
_NEUTRAL_PITCH = -7.5
_TILTED = 4.0  # degrees


@dataclass(frozen=True)
class FittedMesh:
    """The mesh of one face."""

    points: NDArray[np.float32]
    """(468, 3): x right, y down in crop pixels, z away from the camera on the same scale."""
    transform: Transform
    """From picture to crop pixels: a similarity."""

    def landmarks(self) -> NDArray[np.float32]:
        """Return the five landmarks (5, 2) in picture pixels, in the detector's order."""
        flat = self.points[:, :2].astype(np.float64)
        eyes = [flat[list(lids)].mean(axis=0) for lids in (_LEFT_LIDS, _RIGHT_LIDS)]
        five = np.array([*eyes, flat[_NOSE_TIP], flat[_LEFT_MOUTH], flat[_RIGHT_MOUTH]])
        return to_picture(self.transform, five)

    def tilt_in_crop(self) -> float:
        """Return by how many degrees the face still leans, clockwise, in the crop that was meant to be upright."""
        across = self._across()
        return math.degrees(math.atan2(across[1], across[0]))

    def _across(self) -> NDArray[np.float64]:
        return _unit(self.points[_RIGHT_CHEEK] - self.points[_LEFT_CHEEK])

    def head_pose(self) -> HeadPose:
        """Return how the head is turned.

        Across the face runs from cheek to cheek, down from forehead to chin; the nose points along their cross product.
        """
        across = self._across()
        forward = _unit(np.cross(self.points[_CHIN] - self.points[_FOREHEAD], across))
        turned_by = math.degrees(math.atan2(self.transform[1, 0], self.transform[0, 0]))
        roll = self.tilt_in_crop() - turned_by
        return HeadPose(
            pitch=math.degrees(math.atan2(-forward[1], math.hypot(forward[0], forward[2]))) - _NEUTRAL_PITCH,
            roll=(roll + 180.0) % 360.0 - 180.0,
            yaw=math.degrees(math.atan2(forward[0], -forward[2])),
        )


class FaceMesh:
    """The mesh network, shown the face upright and at the size it was trained on."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._shape = tuple(int(side) for side in network.model.input.shape[1:])

    def fit(self, image: Image, aligning: Transform) -> FittedMesh:
        """Lay the mesh over the face that this transform aligns; twice, where it finds it was shown it tilted."""
        fitted = self._fit_once(image, aligning)
        if abs(fitted.tilt_in_crop()) > _TILTED:
            fitted = self._fit_once(image, aligning_transform(fitted.landmarks()))
        return fitted

    def _fit_once(self, image: Image, aligning: Transform) -> FittedMesh:
        batch = np.empty((1, *self._shape), np.float32)
        size = self._shape[-1]
        scale = size / (_ENLARGEMENT * _SIDE)
        transform = aligning * scale
        transform[:, 2] += (size - 1) / 2 - scale * np.array(_CENTRE)
        crop_into(image, transform, self._network.model.input, batch[0])
        return FittedMesh(self._network.run(batch)[0].reshape(_POINTS, 3), transform)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float64]:
    as_double = vector.astype(np.float64)
    return as_double / max(float(np.linalg.norm(as_double)), 1e-12)

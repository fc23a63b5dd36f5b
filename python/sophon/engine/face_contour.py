"""The 68-point landmark network: it sees how far a face is tilted, which the detector does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.alignment import Transform, aligning_transform, to_picture
from sophon.engine.photo import Image
from sophon.engine.sessions import Network

# Of the 68 points, in the usual order: the lids around each eye (the image's left first), nose tip, corners of the mouth.
_LIDS = (range(36, 42), range(42, 48))
_NOSE_TIP, _LEFT_MOUTH, _RIGHT_MOUTH = 30, 48, 54
# The five landmarks are the means of these.
_OF_LANDMARK: tuple[Sequence[int], ...] = (*_LIDS, (_NOSE_TIP,), (_LEFT_MOUTH,), (_RIGHT_MOUTH,))
_LANDMARKS_OF_68 = np.array([[(i in points) / len(points) for i in range(68)] for points in _OF_LANDMARK])
_TILTED = 8.0  # degrees: from here on the face is turned upright and looked at again
# The rim of the face on the ArcFace template: the ellipse of FaceStatistics' face region.
_FACE_RIM = np.array(
    [(56 + 36 * math.cos(a), 68 + 44 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 16)]
)
_PROFILE = 0.5  # distance of the eyes from each other over that from the mouth; a frontal face has about 0.9


class FaceContour:
    """Finds the five landmarks by way of the 68, whatever the tilt."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._size = int(network.model.input.shape[-1])

    def landmarks(self, image: Image, box: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the five landmarks (5, 2) of the face in this box, in the detector's order."""
        five = self._look(image, box, 0.0)
        tilt = eye_tilt(five)
        return self._look(image, box, tilt) if abs(tilt) > _TILTED else five

    def _look(self, image: Image, box: NDArray[np.float32], tilt: float) -> NDArray[np.float32]:
        transform = _square_transform(box, tilt, self._size)
        crop = _core.warp_crop(image, transform, self._size, self._size, smooth=True)
        grey = (
            np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.float32) / self._network.model.input.divisor
        )
        points = self._network.run(grey[None, None])[0].reshape(68, 2).astype(np.float64)
        five = _LANDMARKS_OF_68 @ points * self._size
        return to_picture(transform, five)


def eye_tilt(landmarks: NDArray[np.float32]) -> float:
    """Return by how many degrees the line through the eyes is turned clockwise, as seen."""
    across = landmarks[1] - landmarks[0]
    return math.degrees(math.atan2(float(across[1]), float(across[0])))


def is_profile(landmarks: NDArray[np.float32]) -> bool:
    """Tell whether the head is turned so far that the line through the eyes says nothing of its tilt."""
    right_eye, left_eye, _, right_mouth, left_mouth = landmarks.tolist()
    apart = math.dist(right_eye, left_eye)
    down = math.dist(_middle(right_mouth, left_mouth), _middle(right_eye, left_eye))
    return apart < _PROFILE * down


def _middle(a: list[float], b: list[float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def is_cut(image: Image, landmarks: NDArray[np.float32]) -> bool:
    """Tell whether the picture's edge cuts the face that these landmarks belong to."""
    rim = to_picture(aligning_transform(landmarks), _FACE_RIM)
    height, width = image.shape[:2]
    left, top = rim.min(axis=0).tolist()
    right, bottom = rim.max(axis=0).tolist()
    return bool(left < -0.5 or top < -0.5 or right > width - 0.5 or bottom > height - 0.5)


def _square_transform(box: NDArray[np.float32], tilt: float, size: int) -> Transform:
    """Return the map of a square as high as the box, on its centre, turned back by the tilt in degrees."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    scale = size / max(y2 - y1, 1.0)
    turn = math.radians(-tilt)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    middle = (size - 1) / 2
    return np.array(
        [
            [cos, -sin, middle - (cos * centre_x - sin * centre_y)],
            [sin, cos, middle - (sin * centre_x + cos * centre_y)],
        ]
    )

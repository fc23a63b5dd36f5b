"""Which part of a picture each network is shown: transforms from picture pixels to crop pixels, as (2, 3) matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.photo import Image
from sophon.errors import Code, SophonError
from sophon.models import InputSpec

ALIGNED_SIZE = 112
# Where the ArcFace networks expect the five landmarks in a crop of 112 pixels (InsightFace's template).
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

Transform = NDArray[np.float64]


def aligning_transform(landmarks: NDArray[np.float32]) -> Transform:
    """Return the similarity that lays five landmarks (5, 2) onto the ArcFace template.

    Raises SophonError (BAD_FEATURE) for landmarks that all coincide.
    """
    try:
        return _core.similarity_transform(landmarks.astype(np.float64), ARCFACE_TEMPLATE)
    except ValueError as error:
        raise SophonError(Code.BAD_FEATURE, f"the face can't be aligned: {error}") from error


def to_picture(transform: Transform, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return crop points (n, 2) as picture points, by the transform that made the crop."""
    return _core.map_back(transform, points)


def box_transform(box: NDArray[np.float32], size: int) -> Transform:
    """Return the map that stretches a box x1, y1, x2, y2 to a size × size crop; pixel centres lie at whole numbers."""
    x1, y1, x2, y2 = (float(v) for v in box)
    scale_x, scale_y = size / max(x2 - x1, 1.0), size / max(y2 - y1, 1.0)
    return np.array([[scale_x, 0, (0.5 - x1) * scale_x - 0.5], [0, scale_y, (0.5 - y1) * scale_y - 0.5]])


def crop_into(image: Image, transform: Transform, spec: InputSpec, planes: NDArray[np.float32]) -> Image:
    """Write a crop as the network wants it into `planes` (3, height, width); return it as BGR bytes too."""
    mean = spec.mean * 3 if len(spec.mean) == 1 else spec.mean
    return _core.warp_into(
        image, transform, planes, spec.colour == "rgb", (mean[0], mean[1], mean[2]), (1.0 / spec.divisor,) * 3
    )

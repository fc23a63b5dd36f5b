"""Faces in a picture: YuNet at two scales, merged, or at one after the other until there are faces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.photo import Image
from sophon.engine.sessions import Network

_MULTIPLE = 32  # of the network's input, both ways
_SAME_FACE_IOU = 0.5  # boxes that overlap so much are of one face
_MAX_GROWTH = 1.5  # enlarging a picture further shows the network no more than it can see already


@dataclass(frozen=True)
class Detections:
    """Faces in picture pixels, largest first. A box may reach beyond the picture where it cuts the face."""

    boxes: NDArray[np.float32]
    """(n, 4) x1, y1, x2, y2."""
    landmarks: NDArray[np.float32]
    """(n, 5, 2): right eye, left eye, nose tip, right and left mouth corner."""
    scores: NDArray[np.float32]
    """(n,) 0-1."""

    def __len__(self) -> int:
        return len(self.scores)


class FaceDetector:
    """YuNet at several scales: it finds faces of about 10-300 pixels of its input, a picture may hold 5 %-95 % of its height.

    `merged`: look at every scale, and let the scales agree on each face; else at the next one only where the one before
    showed no face.
    """

    def __init__(
        self, network: Network, *, sizes: tuple[int, ...], merged: bool, min_score: float, max_iou: float
    ) -> None:
        self._network = network
        self._merged = merged
        self._sizes = sizes
        self._min_score = min_score
        self._max_iou = max_iou
        # Fresh memory of this size costs as much as the arithmetic that fills it; each thread borrows one.
        self._canvases: list[NDArray[np.float32]] = []

    def detect(self, image: Image) -> Detections:
        """Return the faces of a picture; those of all scales looked at compete by score where they overlap.

        A face's landmarks are the mean, weighted by score, of all detections of it: alignment gains more from agreement
        between scales than from the best single one.
        """
        faces = _core.merge_detections(self._found_at_scales(image), self._max_iou, _SAME_FACE_IOU)
        return Detections(faces[:, :4], faces[:, 4:14].reshape(-1, 5, 2), faces[:, 14])

    def _found_at_scales(self, image: Image) -> list[NDArray[np.float32]]:
        found: list[NDArray[np.float32]] = []
        for size in self._scales(image):
            found.append(self._detect_at(image, size))
            if not self._merged and len(found[-1]) > 0:
                break
        return found

    def _scales(self, image: Image) -> list[int]:
        """Return the longer sides to detect at: the configured ones, but no useless enlargement of a small picture."""
        useful = max(round(_MAX_GROWTH * max(image.shape[:2])), min(self._sizes))
        return list(dict.fromkeys(min(size, useful) for size in self._sizes))

    def _detect_at(self, image: Image, size: int) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        scale = size / max(height, width)
        content = max(round(height * scale), 1), max(round(width * scale), 1)
        padded = tuple(-(-side // _MULTIPLE) * _MULTIPLE for side in content)
        with self._canvas(*padded) as canvas:
            _core.resize_into(image, canvas[0], *content)
            outputs = self._network.run(canvas)
        return _core.decode_yunet(
            outputs, padded[0], padded[1], self._min_score, width / content[1], height / content[0]
        )

    @contextmanager
    def _canvas(self, height: int, width: int) -> Iterator[NDArray[np.float32]]:
        """Lend (1, 3, height, width) values to write the network's input into."""
        try:
            memory = self._canvases.pop()
        except IndexError:
            memory = np.empty(3 * (max(self._sizes) + _MULTIPLE) ** 2, np.float32)
        yield memory[: 3 * height * width].reshape(1, 3, height, width)
        self._canvases.append(memory)

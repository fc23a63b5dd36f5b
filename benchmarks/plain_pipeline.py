"""The competitor: the same models in plain OpenCV, NumPy and ONNX Runtime, as anyone would write it in an afternoon.

Benchmarks measure against it, and tests use it as an independent reference for what the engine computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sophon.models import ModelPack, Role

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

DETECTION_SIZE = 320
STRIDES = (8, 16, 32)
MIN_SCORE = 0.6
MAX_OVERLAP = 0.3
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)


@dataclass(frozen=True, eq=False)
class PlainFace:
    """What `sophon.Face` has, as far as this pipeline goes."""

    bbox: Array
    landmarks: Array
    score: float
    embedding: Array


class PlainPipeline:
    """YuNet at one scale → similarity transform → embedding.

    ``embedder``: the embedding network's file, where it is to be another than the installed one.
    """

    def __init__(self, pack: ModelPack, threads: int = 1, embedder: bytes | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._detector = onnxruntime.InferenceSession(pack.read(Role.DETECTOR), options)
        self._embedder = onnxruntime.InferenceSession(embedder or pack.read(Role.EMBEDDING), options)
        self._spec = pack.model(Role.EMBEDDING).input
        self.making_id = f"plain-{DETECTION_SIZE}-{pack.model(Role.EMBEDDING).sha256[:16]}"

    def analyze(self, image: Image) -> list[PlainFace]:
        """Return the faces of a BGR photograph, largest first."""
        faces = [
            PlainFace(bbox, points, score, self.embed(align(image, points)))
            for bbox, points, score in self.detect(image)
        ]
        return sorted(faces, key=lambda face: -float(np.prod(face.bbox[2:] - face.bbox[:2])))

    def detect(self, image: Image) -> list[tuple[Array, Array, float]]:
        """Return box (4,), five points (5, 2) and score of every face."""
        scale = DETECTION_SIZE / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        height, width = small.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = small
        outputs = self._detector.run(None, {"input": padded.transpose(2, 0, 1)[None]})
        named = dict(zip((o.name for o in self._detector.get_outputs()), outputs, strict=True))
        boxes, points, scores = decode(named, padded.shape[1])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), MIN_SCORE, MAX_OVERLAP)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) / scale
        return [(corners[i], points[i] / scale, float(scores[i])) for i in np.ravel(kept)]

    def embed(self, aligned: Image) -> Array:
        """Return the unit embedding of an aligned face (112, 112, 3)."""
        pixels = aligned[..., ::-1] if self._spec.colour == "rgb" else aligned
        values = (pixels.astype(np.float32) - np.array(self._spec.mean, np.float32)) / np.float32(
            self._spec.divisor
        )
        (output,) = self._embedder.run(None, {self._spec.name: values.transpose(2, 0, 1)[None]})
        embedding: Array = output[0] / np.linalg.norm(output[0])
        return embedding


def decode(outputs: dict[str, Any], width: int) -> tuple[Array, Array, Array]:
    """Return boxes x, y, w, h (n, 4), points (n, 5, 2) and scores (n,) of YuNet's outputs, in pixels of its input."""
    boxes, points, scores = [], [], []
    for stride in STRIDES:
        cls, obj, box, kps = (outputs[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps"))
        rows = np.arange(len(cls))
        cells = np.stack([rows % (width // stride), rows // (width // stride)], axis=1)
        size = np.exp(box[:, 2:]) * stride
        boxes.append(np.concatenate([(cells + box[:, :2]) * stride - size / 2, size], axis=1))
        points.append((cells[:, None] + kps.reshape(-1, 5, 2)) * stride)
        scores.append(np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))[:, 0])
    return (
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(points).astype(np.float32),
        np.concatenate(scores).astype(np.float32),
    )


def align(image: Image, points: Array) -> Image:
    """Return the face turned, scaled and moved so that its five points lie as near as can be to ArcFace's."""
    aligned: Image = cv2.warpAffine(image, similarity(points), (112, 112), flags=cv2.INTER_LINEAR)
    return aligned


def similarity(points: Array) -> NDArray[np.float64]:
    """Return the (2, 3) similarity that maps five points to ArcFace's with the least squared error.

    With x' = a x − b y + c and y' = b x + a y + d the problem is linear in a, b, c, d.
    """
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, c, d = np.linalg.lstsq(system, ARCFACE_POINTS.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])

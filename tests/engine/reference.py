"""Slow, readable NumPy and OpenCV versions of what the core and the engine do: the oracles of these tests."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def umeyama(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """Least-squares similarity by singular value decomposition (Umeyama 1991)."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    u, s, vt = np.linalg.svd(b.T @ a / len(a))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = (s * signs).sum() / a.var(axis=0).sum()
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def warped(
    image: NDArray[np.uint8], transform: NDArray[np.float64], height: int, width: int, smooth: bool = False
) -> NDArray[np.float64]:
    """The crop of `_core.warp_crop`, before rounding."""
    inverse = np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]
    span = np.sqrt(abs(np.linalg.det(inverse[:, :2])))
    n = int(np.clip(np.floor(span + 0.5), 1, 4)) if smooth else 1
    padded = np.pad(image.astype(np.float64), ((1, 2), (1, 2), (0, 0)))
    total = np.zeros((height, width, 3))
    offsets = (np.arange(n) + 0.5) / n - 0.5
    for dy in offsets:
        for dx in offsets:
            y, x = np.mgrid[0:height, 0:width].astype(np.float64)
            sx = inverse[0, 0] * (x + dx) + inverse[0, 1] * (y + dy) + inverse[0, 2]
            sy = inverse[1, 0] * (x + dx) + inverse[1, 1] * (y + dy) + inverse[1, 2]
            inside = (sx > -1) & (sy > -1) & (sx < image.shape[1]) & (sy < image.shape[0])
            sx, sy = np.where(inside, sx, -1.0), np.where(inside, sy, -1.0)
            column, row = np.floor(sx).astype(int), np.floor(sy).astype(int)
            fx, fy = (sx - column)[..., None], (sy - row)[..., None]
            upper = padded[row + 1, column + 1] * (1 - fx) + padded[row + 1, column + 2] * fx
            lower = padded[row + 2, column + 1] * (1 - fx) + padded[row + 2, column + 2] * fx
            total += (upper * (1 - fy) + lower * fy) * inside[..., None]
    return total / n**2


def axis_weights(source: int, target: int) -> NDArray[np.float64]:
    """(target, source): the mean over each pixel's area when shrinking, linear interpolation when growing."""
    span = source / target
    pixel = np.arange(source)
    rows = []
    for i in range(target):
        if target < source:
            overlap = np.minimum((i + 1) * span, pixel + 1) - np.maximum(i * span, pixel)
            rows.append(np.maximum(overlap, 0) / span)
        else:
            centre = np.clip((i + 0.5) * span - 0.5, 0, source - 1)
            rows.append(np.maximum(1 - np.abs(centre - pixel), 0))
    return np.array(rows)


def resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Planes (3, height, width) of the picture resized as `_core.resize_into` does."""
    rows, columns = axis_weights(image.shape[0], height), axis_weights(image.shape[1], width)
    planes: NDArray[np.float64] = np.einsum("yh,hwc,xw->cyx", rows, image.astype(np.float64), columns)
    return planes


def yunet_faces(
    outputs: list[NDArray[np.float32]], height: int, width: int, min_score: float
) -> NDArray[np.float64]:
    """Faces (n, 15) of YuNet's twelve outputs."""
    faces = []
    for level, stride in enumerate((8, 16, 32)):
        classes, objects, boxes, points = (
            outputs[3 * kind + level].reshape(-1, size) for kind, size in enumerate((1, 1, 4, 10))
        )
        for cell in range(len(classes)):
            score = np.sqrt(np.clip(classes[cell, 0], 0, 1) * np.clip(objects[cell, 0], 0, 1))
            if not score >= min_score:
                continue
            origin = np.array([cell % (width // stride), cell // (width // stride)], np.float64)
            centre = (origin + boxes[cell, :2]) * stride
            size = np.exp(boxes[cell, 2:].astype(np.float64)) * stride
            landmarks = (points[cell].reshape(5, 2) + origin) * stride
            faces.append([*(centre - size / 2), *(centre + size / 2), *landmarks.ravel(), score])
    return np.array(faces).reshape(-1, 15)


def overlap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(a[2:4] - a[:2]) + np.prod(b[2:4] - b[:2]) - shared)


def suppressed(faces: NDArray[Any], max_iou: float) -> NDArray[Any]:
    """Greedy non-maximum suppression, best score first."""
    kept: list[NDArray[Any]] = []
    for face in faces[np.argsort(-faces[:, 14], kind="stable")]:
        if all(overlap(better, face) <= max_iou for better in kept):
            kept.append(face)
    return np.array(kept).reshape(-1, faces.shape[1])


def merged(found: NDArray[Any], max_iou: float, same_face_iou: float) -> NDArray[Any]:
    """What suppression keeps, largest first, each with the mean landmarks, weighted by score, of all that show its face."""
    faces = suppressed(found, max_iou).astype(np.float64)
    for face in faces:
        same = found[[overlap(face, other) >= same_face_iou for other in found]]
        face[4:14] = np.average(same[:, 4:14], axis=0, weights=same[:, 14])
    sizes = np.prod(faces[:, 2:4] - faces[:, :2], axis=1)
    return faces[np.argsort(-sizes, kind="stable")]


def luma(crop: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(77 R + 150 G + 29 B) / 256, rounded."""
    blue, green, red = np.moveaxis(crop.astype(np.int64), 2, 0)
    grey: NDArray[np.int64] = (29 * blue + 150 * green + 77 * red + 128) >> 8
    return grey


def sharpness(grey: NDArray[np.int64], seen: NDArray[np.bool_], axis: int) -> float:
    """The blur effect along an axis: the share of the variation that a mean over nine pixels takes away."""
    if axis == 0:
        grey, seen = grey.T, seen.T
    lost = variation = 0
    means = np.stack([cv2.blur(row.astype(np.float64)[None], (9, 1))[0] for row in grey])
    for y in range(grey.shape[0]):
        for x in range(5, grey.shape[1] - 4):
            if seen[y, x] and seen[y, x - 5] and seen[y, x + 4]:
                sharp = abs(int(grey[y, x]) - int(grey[y, x - 1]))
                blurred = abs(means[y, x] - means[y, x - 1])
                variation += sharp
                lost += max(sharp - blurred, 0)
    return lost / variation if variation else 0.0

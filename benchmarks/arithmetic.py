"""The image arithmetic beside OpenCV and NumPy: `python -m benchmarks.arithmetic [--rounds 300]`.

What happens to the pixels of a 640 × 480 photograph with one face, but for decoding and the networks: packing for the detector
at its two scales, alignment into the embedding network's input, and the measures of quality. Each beside the same made of
OpenCV calls and NumPy's vectors, as close in its results as these allow; one thread, interleaved, medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.plain_pipeline import align
from sophon import _core
from sophon.engine.alignment import ALIGNED_SIZE, aligning_transform
from sophon.sim.portraits import fetch_portraits

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

SCALES = ((360, 480), (144, 192))
MULTIPLE = 32
MEAN, DIVISOR = 127.0, 128.0
LANDMARKS = np.array([[256, 171], [322, 170], [291, 208], [265, 243], [318, 242]], np.float32)
"""Of the astronaut in this photograph, as any detector gives them."""


@dataclass(frozen=True)
class Part:
    """One piece of arithmetic, microseconds (medians)."""

    name: str
    sophon: float
    opencv: float


def padded(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


class Packing:
    """The detector's inputs, written over those of the picture before, as the engine does."""

    def __init__(self) -> None:
        self._planes = [np.empty((3, padded(h), padded(w)), np.float32) for h, w in SCALES]

    def __call__(self, image: Image) -> list[Array]:
        for planes, scale in zip(self._planes, SCALES, strict=True):
            _core.resize_into(image, planes, *scale)
        return self._planes


class OpenCvPacking(Packing):
    """The same by OpenCV; the padding stays black."""

    def __init__(self) -> None:
        super().__init__()
        for planes in self._planes:
            planes.fill(0)

    def __call__(self, image: Image) -> list[Array]:
        for planes, (height, width) in zip(self._planes, SCALES, strict=True):
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            planes[:, :height, :width] = small.transpose(2, 0, 1)
        return self._planes


def face_input(image: Image) -> Array:
    planes = np.empty((3, ALIGNED_SIZE, ALIGNED_SIZE), np.float32)
    _core.warp_into(
        image, aligning_transform(LANDMARKS), planes, rgb=False, mean=(MEAN,) * 3, scale=(1 / DIVISOR,) * 3
    )
    return planes


def face_input_opencv(image: Image) -> Array:
    crop = align(image, LANDMARKS)
    return np.ascontiguousarray(((crop.astype(np.float32) - MEAN) / DIVISOR).transpose(2, 0, 1))


def quality(image: Image) -> float:
    transform = aligning_transform(LANDMARKS)
    crop = _core.warp_crop(image, transform, ALIGNED_SIZE, ALIGNED_SIZE, smooth=True)
    statistics = _core.measure_face(crop, transform, *image.shape[:2])
    return statistics.sharpness_across


class OpenCvQuality:
    """The measures of `_core.measure_face`; what does not depend on the picture is made once."""

    def __init__(self) -> None:
        y, x = np.mgrid[0:ALIGNED_SIZE, 0:ALIGNED_SIZE]
        self._region = ((x - 56) / 36) ** 2 + ((y - 68) / 44) ** 2 <= 1
        self._points = np.stack([x, y], axis=2)[self._region].astype(np.float64)

    def __call__(self, image: Image) -> float:
        transform = aligning_transform(LANDMARKS)
        # Shrinking by more than two: four samples a pixel, as ours takes.
        double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]]) @ np.vstack([transform, [0, 0, 1]])
        large = cv2.warpAffine(
            image, double[:2], (2 * ALIGNED_SIZE, 2 * ALIGNED_SIZE), flags=cv2.INTER_LINEAR
        )
        crop = cv2.resize(large, (ALIGNED_SIZE, ALIGNED_SIZE), interpolation=cv2.INTER_AREA)
        grey: NDArray[np.uint8] = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
        inverse = cv2.invertAffineTransform(transform)
        there = self._points @ inverse[:, :2].T + inverse[:, 2]
        limit = np.array([image.shape[1], image.shape[0]]) - 0.5
        inside = np.all((there >= -0.5) & (there <= limit), axis=1)
        seen = np.zeros_like(self._region)
        seen[self._region] = inside
        across = self._sharpness(grey, seen)
        self._sharpness(np.ascontiguousarray(grey.T), np.ascontiguousarray(seen.T))
        values = grey[seen]
        np.percentile(values, (5, 50, 95))
        (values >= 240).mean()
        for half in (slice(None, 56), slice(56, None)):
            grey[:, half][seen[:, half]].mean()
        for eye, cheek in (
            (grey[57:62, 30:47], grey[67:77, 29:44]),
            (grey[57:62, 66:83], grey[67:77, 69:84]),
        ):
            np.median(eye) / np.median(cheek)
        return across

    @staticmethod
    def _sharpness(grey: Image, seen: NDArray[np.bool_]) -> float:
        pixels = grey.astype(np.float32)
        blurred = cv2.blur(pixels, (9, 1))
        sharp = np.abs(np.diff(pixels, axis=1))
        soft = np.abs(np.diff(blurred, axis=1))
        counts = seen[:, 5:-4] & seen[:, :-9] & seen[:, 9:]
        sharp, soft = sharp[:, 4:-4][counts], soft[:, 4:-4][counts]
        return float(np.maximum(sharp - soft, 0).sum() / max(sharp.sum(), 1))


def measure(image: Image, rounds: int) -> list[Part]:
    parts: list[tuple[str, Callable[[Image], object], Callable[[Image], object]]] = [
        ("packing for the detector, two scales", Packing(), OpenCvPacking()),
        ("alignment into the network's input", face_input, face_input_opencv),
        ("measures of quality", quality, OpenCvQuality()),
    ]
    times: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 10):
        for name, *both in parts:
            for side, function in enumerate(both):
                begin = time.perf_counter()
                function(image)
                if turn >= 10:
                    times.setdefault((name, side), []).append((time.perf_counter() - begin) * 1e6)
    return [Part(name, *(float(np.median(times[name, side])) for side in range(2))) for name, _, _ in parts]


def check_equal(image: Image) -> None:
    """Both sides compute the same, within the rounding that OpenCV does between its steps."""
    for ours, theirs in zip(Packing()(image), OpenCvPacking()(image), strict=True):
        assert np.abs(ours - theirs).max() <= 1.0
    assert np.abs(face_input(image) - face_input_opencv(image)).mean() * DIVISOR < 1.0
    assert abs(quality(image) - OpenCvQuality()(image)) < 0.03


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    astronaut = np.asarray(cv2.imread(str(fetch_portraits() / "people" / "eileen_collins" / "astronaut.png")))
    image = np.ascontiguousarray(cv2.resize(astronaut[:384], (640, 480)), np.uint8)
    check_equal(image)
    measured = measure(image, options.rounds)
    total = Part("all", sum(part.sophon for part in measured), sum(part.opencv for part in measured))
    table = Table(title="image arithmetic, 640 × 480, one face, one thread, µs (medians)")
    for column in ("", "sophon", "OpenCV + NumPy", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for part in (*measured, total):
        table.add_row(
            part.name, f"{part.sophon:.0f}", f"{part.opencv:.0f}", f"{part.opencv / part.sophon:.1f}×"
        )
    Console().print(table)


if __name__ == "__main__":
    main()

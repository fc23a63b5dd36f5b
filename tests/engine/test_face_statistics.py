"""What the pixels of an aligned face say, against the NumPy reference."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sophon import _core
from tests.engine import reference

UNMOVED = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def moved(shift: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0, shift], [0, 1.0, 0]])


def crop(seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.2), np.uint8)


def face_region() -> NDArray[np.bool_]:
    y, x = np.mgrid[0:112, 0:112]
    region: NDArray[np.bool_] = ((x - 56) / 36) ** 2 + ((y - 68) / 44) ** 2 <= 1
    return region


@pytest.mark.parametrize("shift", [0, 30])
def test_statistics_are_the_reference(shift: int) -> None:
    # given a crop of which `shift` columns come from outside the picture
    pixels = crop()
    transform = moved(shift)
    statistics = _core.measure_face(pixels, transform, 112, 112)
    # when the same is computed the slow way
    region = face_region()
    seen = region & (np.arange(112) >= shift)[None]
    grey = reference.luma(pixels)
    values = grey[seen]
    # then
    assert statistics.visible == pytest.approx(seen.sum() / region.sum())
    assert statistics.sharpness_across == pytest.approx(reference.sharpness(grey, seen, axis=1), abs=1e-9)
    assert statistics.sharpness_down == pytest.approx(reference.sharpness(grey, seen, axis=0), abs=1e-9)
    for level, share in (("dark_level", 5), ("median_level", 50), ("bright_level", 95)):
        assert getattr(statistics, level) == pytest.approx(np.percentile(values, share), abs=1.0)
    assert statistics.white_share == pytest.approx((values >= 240).mean())
    assert statistics.left_mean == pytest.approx(grey[:, :56][seen[:, :56]].mean())
    for eye, below_eye, cheek in (
        ("right_eye_level", grey[57:62, 30:47], grey[67:77, 29:44]),
        ("left_eye_level", grey[57:62, 66:83], grey[67:77, 69:84]),
    ):
        assert getattr(statistics, eye) == pytest.approx(np.median(below_eye) / np.median(cheek), abs=0.02)
    assert statistics.right_mean == pytest.approx(grey[:, 56:][seen[:, 56:]].mean())


def test_a_face_wholly_outside_has_nothing_to_measure() -> None:
    statistics = _core.measure_face(crop(), moved(5000), 112, 112)
    assert statistics.visible == 0
    assert statistics.sharpness_across == statistics.sharpness_down == statistics.bright_level == 0


def test_a_crop_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="112 x 112"):
        _core.measure_face(crop()[:100].copy(), UNMOVED, 112, 112)
    with pytest.raises(ValueError, match="next to each other"):
        _core.measure_face(np.zeros((112, 224, 3), np.uint8)[:, :112], UNMOVED, 112, 112)

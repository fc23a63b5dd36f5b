"""Crops and resized pictures against their NumPy reference, on every instruction set."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sophon import _core
from tests.engine import reference

PLAIN = (False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0) if min(height, width) > 8 else noise


def similarity(scale: float, degrees: float, x: float, y: float) -> NDArray[np.float64]:
    turn = np.radians(degrees)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


@pytest.mark.parametrize("scale", [2.5, 1.0, 0.6, 0.31, 0.05])
@pytest.mark.parametrize("degrees", [0, 17, 180])
@pytest.mark.parametrize("smooth", [False, True])
def test_warp_is_the_reference_to_half_a_level(isa: str, scale: float, degrees: float, smooth: bool) -> None:
    # given a picture and a crop that partly leaves it
    image = picture(90, 120)
    transform = similarity(scale, degrees, 20, 30)
    # when it is cut out
    crop = _core.warp_crop(image, transform, 56, 61, smooth)
    # then each value is the reference's, rounded
    assert np.abs(crop - reference.warped(image, transform, 56, 61, smooth)).max() < 0.51


@pytest.mark.parametrize("scale", [1.2, 0.5])
def test_warp_is_opencvs(isa: str, scale: float) -> None:
    image = picture(200, 180)
    transform = similarity(scale, -12, -30, 10)
    crop = _core.warp_crop(image, transform, 112, 112)
    expected = cv2.warpAffine(image, transform, (112, 112), flags=cv2.INTER_LINEAR)
    assert np.abs(crop.astype(int) - expected).max() <= 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scale=st.floats(0.1, 4),
    degrees=st.floats(-180, 180),
    x=st.floats(-200, 200),
    y=st.floats(-200, 200),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    crop=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_all_instruction_sets_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
    scale: float,
    degrees: float,
    x: float,
    y: float,
    size: tuple[int, int],
    crop: tuple[int, int],
) -> None:
    image = picture(*size)
    results = []
    for isa in _core.usable_isas():
        monkeypatch.setenv("SOPHON_ISA", isa)
        planes = np.empty((3, *crop), np.float32)
        pixels = _core.warp_into(
            image, similarity(scale, degrees, x, y), planes, True, (1, 2, 3), (0.1, 0.2, 0.3)
        )
        small = np.empty((3, *crop), np.float32)
        _core.resize_into(image, small, *crop)
        results.append((pixels.tobytes(), planes.tobytes(), small.tobytes()))
    assert len(set(results)) == 1


@pytest.mark.parametrize("rgb", [False, True])
def test_planes_hold_the_bytes_normalised_in_the_networks_order(isa: str, rgb: bool) -> None:
    image = picture(130, 140)
    planes = np.empty((3, 64, 72), np.float32)
    mean, scale = (127.5, 120.0, 110.0), (1 / 128, 0.5, 2.0)
    crop = _core.warp_into(image, similarity(0.7, 5, 0, 0), planes, rgb, mean, scale)
    channels = crop[:, :, ::-1] if rgb else crop
    expected = (channels.astype(np.float32) - np.array(mean, np.float32)) * np.array(scale, np.float32)
    np.testing.assert_array_equal(planes, expected.transpose(2, 0, 1))


def test_rows_that_lie_apart_are_read_where_they_are(isa: str) -> None:
    image = picture(100, 100)
    slice_ = image[10:80, 20:90]
    transform = similarity(1.1, 3, 1, 2)
    np.testing.assert_array_equal(
        _core.warp_crop(slice_, transform, 50, 50), _core.warp_crop(slice_.copy(), transform, 50, 50)
    )


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((90, 120), (45, 60)),
        ((90, 121), (31, 47)),
        ((50, 40), (96, 64)),
        ((33, 7), (12, 20)),
        ((1, 1), (4, 5)),
        ((64, 96), (64, 96)),
    ],
)
def test_resize_is_the_reference(isa: str, source: tuple[int, int], target: tuple[int, int]) -> None:
    image = picture(*source)
    planes = np.full((3, target[0] + 3, target[1] + 5), np.nan, np.float32)
    _core.resize_into(image, planes, *target)
    np.testing.assert_allclose(
        planes[:, : target[0], : target[1]], reference.resized(image, *target), atol=1e-3
    )
    # and the rest is black
    assert not planes[:, target[0] :].any()
    assert not planes[:, :, target[1] :].any()


def test_resize_shrinks_as_opencv_does_by_area(isa: str) -> None:
    image = picture(311, 257)
    planes = np.empty((3, 100, 91), np.float32)
    _core.resize_into(image, planes, 100, 91)
    expected = cv2.resize(image, (91, 100), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    assert np.abs(planes - expected).max() <= 0.51


def test_what_can_not_be_right_is_refused() -> None:
    image = picture(20, 20)
    planes = np.empty((3, 8, 8), np.float32)
    flat = np.zeros((2, 3))
    with pytest.raises(ValueError, match="inverted"):
        _core.warp_crop(image, flat, 8, 8)
    with pytest.raises(ValueError, match="inverted"):
        _core.warp_crop(image, np.full((2, 3), np.nan), 8, 8)
    with pytest.raises(ValueError, match="at least one pixel"):
        _core.warp_crop(image, similarity(1, 0, 0, 0), 0, 8)
    with pytest.raises(ValueError, match="picture must be"):
        _core.warp_crop(image[:, :, 0], similarity(1, 0, 0, 0), 8, 8)
    with pytest.raises(ValueError, match="next to each other"):
        _core.warp_crop(image[:, ::-1], similarity(1, 0, 0, 0), 8, 8)
    with pytest.raises(ValueError, match="does not fit"):
        _core.resize_into(image, planes, 9, 8)
    with pytest.raises(ValueError, match="at least one pixel"):
        _core.resize_into(image[:0], planes, 8, 8)
    with pytest.raises(TypeError):
        _core.warp_into(image, similarity(1, 0, 0, 0), planes.astype(np.float64), *PLAIN)


def test_wild_transforms_read_nothing_outside_the_picture(isa: str) -> None:
    image = np.full((30, 30, 3), 200, np.uint8)
    for scale in (1e-9, 1e9):
        for shift in (-1e12, 0.0, 1e12):
            crop = _core.warp_crop(image, similarity(scale, 33, shift, -shift), 16, 16)
            assert set(np.unique(crop)) <= set(range(201))

"""Decoding of YuNet's output and non-maximum suppression."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sophon import _core
from tests.engine import reference


def random_outputs(height: int, width: int, seed: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    cells = [(height // s) * (width // s) for s in (8, 16, 32)]
    probabilities = [rng.uniform(-0.1, 1.1, (1, n, 1)).astype(np.float32) for n in cells + cells]
    boxes = [rng.normal(0, 1, (1, n, 4)).astype(np.float32) for n in cells]
    points = [rng.normal(0, 2, (1, n, 10)).astype(np.float32) for n in cells]
    return probabilities + boxes + points


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160)])
def test_decoding_is_the_reference(height: int, width: int) -> None:
    outputs = random_outputs(height, width, seed=height)
    faces = _core.decode_yunet(outputs, height, width, 0.6)
    expected = reference.yunet_faces(outputs, height, width, 0.6)
    assert len(faces) == len(expected) > 0
    np.testing.assert_allclose(faces, expected, rtol=1e-5, atol=1e-3)


def test_decoding_stretches_faces_to_the_picture() -> None:
    outputs = random_outputs(96, 160, seed=1)
    faces = _core.decode_yunet(outputs, 96, 160, 0.6)
    stretched = _core.decode_yunet(outputs, 96, 160, 0.6, across=2.0, down=3.0)
    np.testing.assert_allclose(stretched[:, 0:14:2], 2 * faces[:, 0:14:2])
    np.testing.assert_allclose(stretched[:, 1:14:2], 3 * faces[:, 1:14:2])
    np.testing.assert_array_equal(stretched[:, 14], faces[:, 14])


def test_merging_scales_is_the_reference() -> None:
    found = [_core.decode_yunet(random_outputs(160, 160, seed), 160, 160, 0.5) for seed in (3, 4)]
    merged = _core.merge_detections(found, 0.3, 0.5)
    assert 0 < len(merged) < sum(map(len, found))
    np.testing.assert_allclose(
        merged, reference.merged(np.concatenate(found), 0.3, 0.5), rtol=1e-5, atol=1e-4
    )


def test_no_face_is_an_empty_table() -> None:
    faces = _core.decode_yunet([np.zeros_like(o) for o in random_outputs(64, 64, 0)], 64, 64, 0.6)
    assert faces.shape == (0, 15)
    assert _core.merge_detections([faces, faces], 0.3, 0.5).shape == (0, 15)


def test_numbers_that_are_not_finite_are_no_face() -> None:
    outputs = [np.ones_like(o) for o in random_outputs(32, 32, 0)]
    outputs[0][0, 0] = np.nan  # a class probability
    outputs[6][0, 1] = 1e4  # a box whose size overflows
    outputs[9][0, 2] = np.inf  # a landmark
    faces = _core.decode_yunet(outputs, 32, 32, 0.6)
    assert len(faces) == 16 + 4 + 1 - 3
    assert np.isfinite(faces).all()


def test_outputs_that_do_not_fit_the_input_are_refused() -> None:
    outputs = random_outputs(64, 64, 0)
    with pytest.raises(ValueError, match="has 64 values, expected 128"):
        _core.decode_yunet(outputs, 128, 64, 0.6)
    with pytest.raises(ValueError, match="multiple of its strides"):
        _core.decode_yunet(outputs, 60, 64, 0.6)
    with pytest.raises(ValueError, match="12 detector outputs"):
        _core.decode_yunet(outputs[:3], 64, 64, 0.6)

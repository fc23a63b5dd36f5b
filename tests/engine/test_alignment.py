"""The similarity transform, and unit vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophon import _core
from sophon.engine.embedder import unit_embeddings
from sophon.errors import Code, SophonError
from tests.engine import reference


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.5, 500), shift=st.floats(-5000, 5000))
def test_similarity_transform_is_umeyamas(seed: int, spread: float, shift: float) -> None:
    # given landmarks as a face has them, moved about
    rng = np.random.default_rng(seed)
    turn = rng.uniform(-np.pi, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (reference.ARCFACE @ rotation.T + rng.normal(0, 3, (5, 2))) * spread / 40 + shift
    # then the closed form finds what the decomposition finds
    np.testing.assert_allclose(
        _core.similarity_transform(points, reference.ARCFACE),
        reference.umeyama(points, reference.ARCFACE),
        rtol=1e-7,
        atol=1e-6 * (1 + abs(shift) / spread),
    )


def test_points_that_determine_nothing_are_refused() -> None:
    same = np.full((5, 2), 7.0)
    for points in (same, np.full((5, 2), np.nan), reference.ARCFACE * np.inf):
        with pytest.raises(ValueError, match="no similarity transform"):
            _core.similarity_transform(points, reference.ARCFACE)
    with pytest.raises(ValueError, match="two or more points"):
        _core.similarity_transform(reference.ARCFACE[:1], reference.ARCFACE[:1])
    with pytest.raises(ValueError, match="as many targets"):
        _core.similarity_transform(reference.ARCFACE, reference.ARCFACE[:4])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-4, 1e10))
def test_embeddings_get_unit_length_and_keep_their_direction(seed: int, scale: float) -> None:
    raw = (np.random.default_rng(seed).normal(0, 1, (3, 64)) * scale).astype(np.float32)
    unit = unit_embeddings(raw)
    expected = raw.astype(np.float64) / np.linalg.norm(raw.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(unit, expected, atol=1e-7)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e-30])
def test_an_unusable_embedding_has_its_own_code(bad: float) -> None:
    raw = np.ones((2, 8), np.float32)
    raw[1] = bad
    with pytest.raises(SophonError, match="unusable") as caught:
        unit_embeddings(raw)
    assert caught.value.code is Code.BAD_FEATURE

"""Score ↔ false match rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophon import Code, SophonError
from sophon.calibration import Calibration, calibrate, calibration_path, load_calibration
from sophon.calibration.calibration import calibrate_scores, fit_tail, nonmated_scores
from sophon.calibration.photographs import embed_people
from sophon.engine import FaceEngine
from sophon.models import ModelPack


def scores_of_strangers(
    count: int, seed: int = 0, dim: int = 64
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Cosines of random directions in so many dimensions: (1 + s) / 2 is Beta((d−1)/2, (d−1)/2) distributed."""
    half = (dim - 1) / 2
    return (2 * np.random.default_rng(seed).beta(half, half, count) - 1).astype(np.float32)


def calibrated(scores: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Calibration:
    return calibrate_scores(scores, making_id="test", photographs_of="nobody", people=1500, photographs=1500)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(scores_of_strangers(1_000_000))


def test_a_measured_threshold_has_its_false_match_rate_on_other_scores(calibration: Calibration) -> None:
    others = scores_of_strangers(1_000_000, seed=1)
    for fmr in (1e-2, 1e-3, 1e-4):
        assert not calibration.is_extrapolated(fmr)
        assert np.mean(others >= calibration.threshold(fmr)) == pytest.approx(fmr, rel=0.3)


def test_an_extrapolated_threshold_holds_where_ten_times_as_many_comparisons_are_counted(
    calibration: Calibration,
) -> None:
    others = np.concatenate([scores_of_strangers(1_000_000, seed=seed) for seed in range(2, 12)])
    assert calibration.is_extrapolated(1e-5)
    assert np.mean(others >= calibration.threshold(1e-5)) == pytest.approx(1e-5, rel=0.7)


def test_a_pair_labelled_wrongly_hardly_moves_the_threshold(calibration: Calibration) -> None:
    scores = scores_of_strangers(1_000_000)
    scores[:2] = 0.95  # two photographs of one person under two names
    assert calibrated(scores).threshold() == pytest.approx(calibration.threshold(), abs=0.02)


@given(st.lists(st.floats(1e-9, 0.1), min_size=2, max_size=6))
def test_a_lower_false_match_rate_never_has_a_lower_threshold(
    calibration: Calibration, rates: list[float]
) -> None:
    thresholds = [calibration.threshold(fmr) for fmr in sorted(rates)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(-1 <= threshold <= 1 for threshold in thresholds)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_event_score_rises_with_the_cosine(calibration: Calibration, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= calibration.event_score(low) <= calibration.event_score(high) <= 1


@given(st.floats(0, 1))
def test_a_threshold_as_event_score_finds_back_to_its_cosine(calibration: Calibration, score: float) -> None:
    assert calibration.event_score(calibration.cosine_of(score)) == pytest.approx(score)


def test_the_default_threshold_is_the_middle_of_the_event_scores(calibration: Calibration) -> None:
    assert calibration.event_score(calibration.threshold()) == 0.5
    assert (calibration.event_score(-0.2), calibration.event_score(1)) == (0, 1)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_a_tail_inverts_itself(seed: int) -> None:
    tail = fit_tail(np.sort(scores_of_strangers(20_000, seed=seed))[::-1].astype(np.float64))
    for fmr in (tail.rate, 1e-4, 1e-6):
        assert tail.fmr(tail.threshold(fmr)) == pytest.approx(fmr)


def test_every_two_photographs_of_different_people_are_compared() -> None:
    embeddings = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    assert sorted(nonmated_scores(embeddings, np.array([5, 5, 7, 7]))) == [0, 0, 0, 0]
    assert len(nonmated_scores(embeddings, np.array([1, 2, 3, 4]))) == 6


def test_too_few_comparisons_are_refused_with_their_number() -> None:
    with pytest.raises(SophonError, match="1 comparisons of different people") as error:
        calibrate(np.eye(2, dtype=np.float32), np.array([0, 1]), "test", "two people")
    assert error.value.code is Code.PARAM_ERROR


@pytest.mark.parametrize("fmr", [0.0, 1.0, -1.0, float("nan")])
def test_a_false_match_rate_out_of_range_is_refused(calibration: Calibration, fmr: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration.threshold(fmr)


def test_the_calibration_beside_the_pack_goes_before_the_shipped_one(
    calibration: Calibration, tmp_path: Path
) -> None:
    assert load_calibration(tmp_path, "test") is None
    calibration_path(tmp_path, "test").write_bytes(calibration.to_json())
    assert load_calibration(tmp_path, "test") == calibration
    assert load_calibration(tmp_path, "another-making") is None


def test_a_damaged_calibration_is_a_clear_error(tmp_path: Path) -> None:
    calibration_path(tmp_path, "test").write_bytes(b"{}")
    with pytest.raises(SophonError, match="run: sophon calibrate"):
        load_calibration(tmp_path, "test")


def test_the_standard_pack_has_a_shipped_calibration(model_pack: ModelPack, tmp_path: Path) -> None:
    """Where this fails the engine makes other embeddings than before: calibrate again, on LFW, with

    sophon calibrate LFW --out python/sophon/calibration/shipped
    """
    with FaceEngine(model_pack) as engine:
        shipped = load_calibration(tmp_path, engine.making_id)
    assert shipped is not None
    assert shipped.comparisons > 1_000_000
    assert 0.4 < shipped.threshold() < 0.55


@pytest.mark.slow
def test_strangers_on_real_photographs_match_no_more_often_than_the_shipped_calibration_says(
    test_data: Path, model_pack: ModelPack, tmp_path: Path
) -> None:
    with FaceEngine(model_pack) as engine:
        labelled = embed_people(engine, test_data / "lfw")
        shipped = load_calibration(tmp_path, engine.making_id)
    assert shipped is not None
    scores = nonmated_scores(labelled.embeddings, labelled.people)
    for fmr in (1e-2, 1e-3, 1e-4, 1e-5):
        assert np.mean(scores >= shipped.threshold(fmr)) <= fmr * 1.1

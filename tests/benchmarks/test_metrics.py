"""The measures of recognition, on scores whose answer is known or can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.metrics import (
    best_threshold,
    det_curve,
    fnmr_after_discard,
    identification,
    oracle_order,
    tar_at_far,
    threshold_at_fmr,
    verification,
)

SCORES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60).map(lambda v: np.array(v, np.float32))


def test_separable_pairs_are_all_right() -> None:
    scores = np.array([0.9, 0.8, 0.1, 0.2] * 2, np.float32)
    same = np.array([True, True, False, False] * 2)
    found = verification(scores, same, np.array([1, 1, 1, 1, 2, 2, 2, 2]))
    assert found.accuracy == 1
    assert found.spread == 0
    assert all(0.2 < threshold < 0.8 for threshold in found.thresholds)


def test_a_fold_is_judged_by_the_other_folds_threshold() -> None:
    # The first fold alone would be all right at 0.5; the second one's best threshold is above 0.8.
    scores = np.array([0.7, 0.3, 0.9, 0.8], np.float32)
    same = np.array([True, False, True, False])
    found = verification(scores, same, np.array([1, 1, 2, 2]))
    assert found.accuracy == 0.5
    assert list(found.thresholds) == pytest.approx([0.85, 0.5])


def test_a_pair_without_a_score_is_an_error_either_way() -> None:
    scores = np.array([0.9, 0.1, np.nan, np.nan] * 2, np.float32)
    same = np.array([True, False, True, False] * 2)
    assert verification(scores, same, np.array([1] * 4 + [2] * 4)).accuracy == 0.5


@given(SCORES)
def test_no_threshold_is_better_than_the_best(scores: NDArray[np.float32]) -> None:
    same = np.random.default_rng(len(scores)).random(len(scores)) < 0.5

    def right(threshold: float) -> int:
        return int(np.sum((scores >= np.float32(threshold)) == same))

    best = max(right(threshold) for threshold in [*scores, 2.0])
    assert right(best_threshold(scores, same)) == best


@given(SCORES, st.floats(0, 1))
def test_the_threshold_of_an_fmr_keeps_it_and_is_the_lowest_that_does(
    nonmated: NDArray[np.float32], fmr: float
) -> None:
    threshold = threshold_at_fmr(nonmated, fmr)
    allowed = np.floor(fmr * len(nonmated) + 1e-9)
    assert np.sum(nonmated >= np.float32(threshold)) <= allowed
    lower = nonmated[nonmated < np.float32(threshold)]
    if lower.size and threshold > -1:
        assert np.sum(nonmated >= lower.max()) > allowed


def test_tar_at_far_counts() -> None:
    nonmated = np.linspace(0, 0.99, 100, dtype=np.float32)
    mated = np.array([0.5, 0.985, 0.995, 0.999], np.float32)
    assert (
        tar_at_far(mated, nonmated, 0.01) == 0.75
    )  # one of a hundred may match: the threshold is just above 0.98
    assert tar_at_far(mated, nonmated, 0) == 0.5


@given(SCORES, SCORES)
def test_the_det_curve_counts_both_errors(mated: NDArray[np.float32], nonmated: NDArray[np.float32]) -> None:
    fmr, fnmr = det_curve(mated, nonmated)
    assert np.all(np.diff(fmr) < 0)
    assert np.all(np.diff(fnmr) >= 0)
    lowest = nonmated.min()
    assert fmr[0] == np.mean(nonmated >= lowest)
    assert fnmr[0] == np.mean(mated < lowest)


def test_a_search_is_right_when_its_own_person_comes_first_and_above_the_strangers() -> None:
    found = identification(
        found=np.array([[7, 8, 9], [8, 7, 9], [9, 8, 7], [1, 2, 3], [7, 8, 9]]),
        own=np.array([7, 7, 7, 7, 7]),
        own_scores=np.array([0.9, 0.5, 0.4, 0.1, np.nan], np.float32),
        stranger_scores=np.array([0.3, 0.95, np.nan, 0.2], np.float32),
    )
    assert found.ranks.tolist() == [1, 2, 3, 0, 0]
    assert found.rank_1 == 0.2
    assert found.cmc(3).tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert found.tpir_at_fpir(0.25) == 0.2  # one stranger of four may pass: the threshold is just above 0.3
    assert found.tpir_at_fpir(0) == 0  # none may: above 0.95


def test_discarding_the_photograph_that_fails_removes_its_errors() -> None:
    pairs = np.array([[0, 1], [0, 2], [1, 2], [3, 4]])
    failed = np.array([True, True, False, False])  # photograph 0 is in both failures
    good_order = np.array([0, 1, 2, 3, 4])
    bad_order = np.array([4, 3, 2, 1, 0])
    shares = [0.0, 0.2, 0.4]
    assert fnmr_after_discard(failed, pairs, good_order, shares).tolist() == [0.5, 0.0, 0.0]
    assert fnmr_after_discard(failed, pairs, bad_order, shares).tolist() == pytest.approx([0.5, 2 / 3, 2 / 3])
    assert oracle_order(failed, pairs, 5).tolist() == good_order.tolist()


@given(st.integers(0, 10_000))
def test_no_order_removes_errors_faster_at_first_than_the_oracle(seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs = np.array([(a, b) for a in range(12) for b in range(a) if random.random() < 0.5] or [(1, 0)])
    failed = random.random(len(pairs)) < 0.3
    first = oracle_order(failed, pairs, 12)[0]
    removed = np.bincount(pairs[failed].ravel(), minlength=12)
    assert removed[first] == removed.max()
    assert sorted(oracle_order(failed, pairs, 12)) == list(range(12))

"""The field's measures of recognition, as ISO/IEC 19795-1 and NIST's FRTE define them.

A comparison matches at score ≥ threshold. FMR (FAR): share of comparisons of different people that match. FNMR: share
of comparisons of one person that don't; TAR = 1 − FNMR. FPIR: share of searches by people who are not enrolled that
return anybody. TPIR: share of searches by enrolled people that return them, first and at or above the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Verification:
    """Accuracy over folds: each fold is judged by the threshold that is best on the others."""

    accuracy: float
    spread: float
    """Standard error of the mean over the folds."""
    thresholds: tuple[float, ...]


def verification(scores: Scores, same: NDArray[np.bool_], folds: NDArray[np.int64]) -> Verification:
    """Judge pairs; a pair without a score (NaN: no face found) counts as an error whatever it is."""
    numbers = np.unique(folds)
    accuracies, thresholds = [], []
    for fold in numbers:
        held_out = folds == fold if len(numbers) > 1 else np.ones(len(folds), np.bool_)
        training = ~held_out if len(numbers) > 1 else held_out
        threshold = best_threshold(scores[training], same[training])
        judged = np.where(np.isnan(scores[held_out]), ~same[held_out], scores[held_out] >= threshold)
        accuracies.append(float(np.mean(judged == same[held_out])))
        thresholds.append(threshold)
    spread = float(np.std(accuracies, ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else 0.0
    return Verification(float(np.mean(accuracies)), spread, tuple(thresholds))


def best_threshold(scores: Scores, same: NDArray[np.bool_]) -> float:
    """Return the threshold with the most right answers, in the middle of the gap it lies in."""
    known = ~np.isnan(scores)
    order = np.argsort(scores[known], kind="stable")
    ranked, mates = scores[known][order], same[known][order]
    # With the threshold before position i: everything before i is "different", the rest "same".
    right = np.concatenate([[0], np.cumsum(~mates)]) + np.concatenate([np.cumsum(mates[::-1])[::-1], [0]])
    below = np.concatenate([[np.float32(-2)], ranked])
    above = np.concatenate([ranked, [np.float32(2)]])
    separable = np.flatnonzero(below < above)
    best = separable[right[separable] == right[separable].max()]
    middle = best[len(best) // 2]
    return float(max((below[middle] + above[middle]) / 2, np.nextafter(below[middle], np.float32(2))))


def threshold_at_fmr(nonmated: Scores, fmr: float) -> float:
    """Return the lowest threshold with FMR ≤ `fmr`: just above the score at which one match too many would begin."""
    allowed = int(np.floor(fmr * len(nonmated) + 1e-9))
    if allowed >= len(nonmated):
        return -1.0
    ranked = np.sort(nonmated)[::-1]
    return float(np.nextafter(ranked[allowed], np.float32(2)))


def tar_at_far(mated: Scores, nonmated: Scores, far: float) -> float:
    """Return the share of mated comparisons at or above the threshold of that false accept rate."""
    return float(np.mean(mated >= threshold_at_fmr(nonmated, far)))


def det_curve(mated: Scores, nonmated: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (FMR, FNMR) at every threshold that occurs as a score of different people, FMR falling."""
    thresholds = np.sort(nonmated)
    fmr = 1 - np.arange(len(thresholds)) / len(thresholds)
    fnmr = np.searchsorted(np.sort(mated), thresholds, side="left") / len(mated)
    return fmr, fnmr


@dataclass(frozen=True)
class Identification:
    """1:N searches in one gallery."""

    ranks: NDArray[np.int64]
    """Per mated probe: place of its own person, from 1; 0 where it is not among those found."""
    own_scores: Scores
    """Per mated probe: score with its own person."""
    stranger_scores: Scores
    """Per non-mated probe: the highest score with anybody."""

    @property
    def rank_1(self) -> float:
        """Share of mated probes whose own person comes first."""
        return float(np.mean(self.ranks == 1))

    def cmc(self, ranks: int) -> NDArray[np.float64]:
        """Share of mated probes whose own person is among the first 1, 2, … `ranks`."""
        return np.array([np.mean((self.ranks > 0) & (self.ranks <= rank)) for rank in range(1, ranks + 1)])

    def tpir_at_fpir(self, fpir: float) -> float:
        """Share of mated probes found first and above the threshold that lets this share of strangers through."""
        threshold = threshold_at_fmr(self.stranger_scores, fpir)
        return float(np.mean((self.ranks == 1) & (self.own_scores >= threshold)))


def identification(
    found: NDArray[np.int64], own: NDArray[np.int64], own_scores: Scores, stranger_scores: Scores
) -> Identification:
    """Judge searches: the keys `found` (m, k) per mated probe, best first, and the probe's `own` key (m,).

    NaN as a score stands for a probe without a face: an own person not found, a stranger kept out.
    """
    hits = found == own[:, None]
    searched = ~np.isnan(own_scores)
    ranks = np.where(hits.any(axis=1) & searched, hits.argmax(axis=1) + 1, 0)
    return Identification(
        ranks.astype(np.int64),
        np.nan_to_num(own_scores, nan=-1.0).astype(np.float32),
        np.nan_to_num(stranger_scores, nan=-1.0).astype(np.float32),
    )


def fnmr_after_discard(
    failed: NDArray[np.bool_], pairs: NDArray[np.int64], order: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Return the FNMR of the comparisons that are left when these shares of the photographs are discarded.

    `failed` (n,): the mated comparison is a false non-match; `pairs` (n, 2): its photographs; `order`: all photographs,
    first discarded first. The error-versus-discard curve of Grother & Tabassi, 2007 (ISO/IEC 29794-1), by photographs.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = place[pairs].min(axis=1)
    rates = []
    for share in shares:
        left = first >= round(share * len(order))
        rates.append(float(failed[left].mean()) if left.any() else 0.0)
    return np.array(rates)


def oracle_order(failed: NDArray[np.bool_], pairs: NDArray[np.int64], photographs: int) -> NDArray[np.int64]:
    """Return the photographs in the order that removes false non-matches fastest: always the one in most of those left."""
    order: list[int] = []
    left = pairs[failed]
    while len(left):
        worst = int(np.bincount(left.ravel(), minlength=photographs).argmax())
        order.append(worst)
        left = left[(left != worst).all(axis=1)]
    return np.array([*order, *sorted(set(range(photographs)) - set(order))], np.int64)

"""What a cosine means: how often two different people reach it.

False match rates (FMR) are those of single comparisons. Where many comparisons were measured, the threshold of an FMR is
a quantile of their scores; beyond that it is extrapolated along the tail, a generalised Pareto distribution over the
highest scores (Pickands 1975; "peaks over threshold"), but never set below what was counted, if only a few times.
`Calibration.is_extrapolated` says which.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sophon.errors import Code, SophonError

DEFAULT_FMR = 1e-5
"""The default threshold's promise: of 100,000 comparisons of different people at most one matches."""

_MEASURED_FMRS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
_ENOUGH_MATCHES = 30
"""An FMR counts as measured when so many comparisons lie above its threshold; fewer are swayed by single look-alikes."""
_FEW_MATCHES = 10
"""With so many the counted threshold is a lower bound of the extrapolated one."""
_LEAST_COMPARISONS = 1000
_TAIL_SHARE = 1e-3
_TAIL_LEAST = 100

Cosine = Annotated[float, Field(ge=-1, le=1)]


class Tail(BaseModel):
    """The distribution of the highest scores of different people.

    P(score > s) = rate · (1 + shape · (s − start) / scale)^(−1 / shape), for s ≥ start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Annotated[float, Field(gt=0, le=1)]
    """Share of the comparisons above `start`."""
    start: Cosine
    scale: Annotated[float, Field(gt=0)]
    shape: Annotated[float, Field(gt=-1, lt=0)]
    """Below 0: the scores have an end, as cosines do."""

    def threshold(self, fmr: float) -> float:
        """Return the score that this share of comparisons exceeds; `fmr` at most `rate`."""
        return float(self.start + self.scale / self.shape * ((fmr / self.rate) ** -self.shape - 1))

    def fmr(self, score: float) -> float:
        """Return the share of comparisons that exceed a score of at least `start`."""
        inside = max(1 + self.shape * (score - self.start) / self.scale, 0.0)
        return float(self.rate * inside ** (-1 / self.shape))


class MeasuredPoint(BaseModel):
    """An FMR and the cosine that it needs, counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fmr: Annotated[float, Field(gt=0, lt=1)]
    threshold: Cosine


class Calibration(BaseModel):
    """Score ↔ false match rate for embeddings of one making."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    making_id: str
    photographs_of: str
    """Which photographs were compared."""
    people: Annotated[int, Field(ge=2)]
    photographs: Annotated[int, Field(ge=2)]
    comparisons: Annotated[int, Field(ge=_LEAST_COMPARISONS)]
    """Of different people."""
    measured: Annotated[tuple[MeasuredPoint, ...], Field(min_length=1)]
    """FMR falling, thresholds rising."""
    tail: Tail

    def threshold(self, fmr: float = DEFAULT_FMR) -> float:
        """Return the cosine from which on a comparison counts as a match, for this false match rate.

        Raises ValueError unless 0 < fmr < 1.
        """
        if not 0 < fmr < 1:
            raise ValueError(f"a false match rate lies between 0 and 1, not at {fmr}")
        rates = np.log10([point.fmr for point in self.measured])
        counted = float(np.interp(-np.log10(fmr), -rates, [point.threshold for point in self.measured]))
        return min(max(self.tail.threshold(fmr), counted), 1.0) if self.is_extrapolated(fmr) else counted

    def is_extrapolated(self, fmr: float) -> bool:
        """Say whether fewer comparisons were measured than this false match rate needs."""
        return fmr * self.comparisons < _ENOUGH_MATCHES

    def event_score(self, cosine: float) -> float:
        """Return the score that events report, 0-1: 0.5 at the default threshold, straight lines from there.

        0 at a cosine of 0 and below, 1 at a cosine of 1. `cosine_of` is the way back.
        """
        threshold = self.threshold()
        return float(np.interp(cosine, [0.0, threshold, 1.0], [0.0, 0.5, 1.0]))

    def cosine_of(self, event_score: float) -> float:
        """Return the cosine of an event score, e.g. of a threshold that the platform sets."""
        return float(np.interp(event_score, [0.0, 0.5, 1.0], [0.0, self.threshold(), 1.0]))

    def to_json(self) -> bytes:
        """Return the calibration as it is written to disk."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def calibrate(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], making_id: str, photographs_of: str
) -> Calibration:
    """Compare every two embeddings (n, dim), of unit norm, that are of different `people` (n,), and calibrate.

    Raises SophonError (PARAM_ERROR) where there are too few comparisons.
    """
    return calibrate_scores(
        nonmated_scores(embeddings, people),
        making_id=making_id,
        photographs_of=photographs_of,
        people=len(np.unique(people)),
        photographs=len(embeddings),
    )


def nonmated_scores(embeddings: NDArray[np.float32], people: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cosines of every two embeddings of different people."""
    rows = [
        (embeddings[row + 1 :] @ embeddings[row])[people[row + 1 :] != people[row]]
        for row in range(len(embeddings) - 1)
    ]
    return np.concatenate(rows) if rows else np.empty(0, np.float32)


def calibrate_scores(
    nonmated: NDArray[np.float32], *, making_id: str, photographs_of: str, people: int, photographs: int
) -> Calibration:
    """Calibrate from cosines of different people (n,). Raises SophonError (PARAM_ERROR) where there are too few."""
    count = len(nonmated)
    if count < _LEAST_COMPARISONS:
        raise SophonError(
            Code.PARAM_ERROR,
            f"{people} people in {photographs} photographs give {count} comparisons of different people; a calibration "
            f"needs {_LEAST_COMPARISONS} at least, and for a false match rate of {DEFAULT_FMR:g} better a million",
        )
    ranked = np.sort(nonmated)[::-1].astype(np.float64)
    measured = [
        MeasuredPoint(fmr=fmr, threshold=float(ranked[int(fmr * count)]))
        for fmr in _MEASURED_FMRS
        if fmr * count >= _FEW_MATCHES
    ]
    return Calibration(
        making_id=making_id,
        photographs_of=photographs_of,
        people=people,
        photographs=photographs,
        comparisons=count,
        measured=tuple(measured),
        tail=fit_tail(ranked),
    )


def fit_tail(ranked: NDArray[np.float64]) -> Tail:
    """Fit the tail to scores, highest first, by probability-weighted moments (Hosking & Wallis 1987).

    With exceedances x_1 ≥ x_2 ≥ …: b0 = mean, b1 = mean of x_i · i / n; shape = 2 − b0 / (b0 − 2 b1) and scale = 2 b0 b1 /
    (b0 − 2 b1). Moments of this kind are swayed little by one pair that is labelled wrongly.
    """
    size = max(int(_TAIL_SHARE * len(ranked)), _TAIL_LEAST)
    start = float(ranked[size])
    exceedances = ranked[:size] - start
    falling = (np.arange(1, size + 1) - 0.35) / size  # P(X > x_i), plotting position
    b0 = float(exceedances.mean())
    b1 = float((exceedances * falling).mean())
    shape = min(max(2 - b0 / (b0 - 2 * b1), -0.99), -1e-6)
    return Tail(rate=size / len(ranked), start=start, scale=2 * b0 * b1 / (b0 - 2 * b1), shape=shape)


def load_calibration(directory: Path, making_id: str) -> Calibration | None:
    """Return the calibration for a making: the one beside the model pack in `directory`, else the one sophon ships.

    None where there is neither. Raises SophonError (SERVER_PROCESS_FAILED) where the one beside the pack is damaged.
    """
    own = calibration_path(directory, making_id)
    if own.is_file():
        return _parse(own.read_bytes(), str(own))
    shipped = resources.files(__package__).joinpath("shipped").joinpath(own.name)
    if shipped.is_file():
        return _parse(shipped.read_bytes(), f"the shipped calibration {making_id}")
    return None


def calibration_path(directory: Path, making_id: str) -> Path:
    """Return where `sophon calibrate` keeps its result in a folder, by default the model pack's."""
    return directory / f"calibration-{making_id}.json"


def _parse(data: bytes, where: str) -> Calibration:
    try:
        return Calibration.model_validate_json(data)
    except ValidationError as error:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED, f"{where} is not a calibration; run: sophon calibrate PHOTOS"
        ) from error

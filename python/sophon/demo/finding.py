"""What the demo expected, what happened, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from sophon.contract import FaceQualityRecord

#: At most this share of the probes may be taken for somebody else: one minus the contract's 98.5 %.
MOST_WRONG_NAMES = 0.015
#: Of one's own photographs, whose quality nobody vouches for, this share may be taken for strangers.
MOST_MISSES = 0.15


class Step(Enum):
    """The parts of the demo."""

    ENROL = "enrol"
    RECOGNISE = "recognise"
    JUDGE = "judge"
    WATCH = "watch"
    DELETE = "delete"


@dataclass(frozen=True)
class Finding:
    """One line of the demo's table; with a photograph, also one picture of its contact sheet.

    ``is_miss``: someone enrolled was taken for a stranger, or their face was not found. ``received``: the face that the
    platform got with an event, JPEG.
    """

    step: Step
    title: str
    expected: str
    got: str
    ok: bool
    is_miss: bool = False
    photo: Path | None = None
    face: FaceQualityRecord | None = None
    score: float | None = None
    received: bytes | None = field(default=None, repr=False)


def as_expected(findings: Sequence[Finding], most_misses: float = 0.0) -> bool:
    """Whether every step was taken and came as expected.

    Of recognition, a share of `MOST_WRONG_NAMES` and ``most_misses`` may be wrong: of few photographs, none.
    """
    probes = [finding for finding in findings if finding.step is Step.RECOGNISE]
    misses = sum(finding.is_miss for finding in probes)
    wrong_names = sum(not finding.ok for finding in probes) - misses
    return (
        all(any(finding.step is step for finding in findings) for step in Step)
        and all(finding.ok for finding in findings if finding.step is not Step.RECOGNISE)
        and wrong_names <= MOST_WRONG_NAMES * len(probes)
        and misses <= most_misses * len(probes)
    )

"""`python -m benchmarks.capture` measures what it says, however short the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.capture import Mix, measure
from benchmarks.process_load import slope


@pytest.mark.slow
def test_each_type_of_sub_device_is_measured_beside_an_enrolment(portraits: Path) -> None:
    (result,) = measure([Mix("all", pads=1, snapshots=1, static=1, dynamic=1)], seconds=10, enrolled=100)

    per_second = result["per_second"]
    assert per_second["pad answers"] > 0
    assert per_second["uploads taken"] > 0
    assert per_second["frames looked at"] > 0
    assert set(result["decision_ms"]) >= {"pads", "snapshots"}
    assert len(result["box"]["samples"]) > 3
    assert result["box"]["rss_mb_last"] > 50
    assert " people enrolled meanwhile)" in result["growth"]


def test_growth_is_seen_and_a_burst_is_none() -> None:
    """Given 2 MB more each minute, and a child process of 300 MB for a tenth of the time."""
    seconds = [float(one) for one in range(300)]
    steady = [500 + 2 * one / 60 for one in seconds]
    burst = [one + 300 * (200 <= number < 230) for number, one in enumerate(steady)]
    assert 60 * slope(seconds, steady) == pytest.approx(2)
    assert 60 * slope(seconds, burst) == pytest.approx(2, abs=0.2)

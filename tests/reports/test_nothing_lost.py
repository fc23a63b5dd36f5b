"""Every event arrives, in order, whatever happens to the receiver and to the box."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.reports.receiver import CUT, Receiver

NUMBER = int(os.environ.get("SOPHON_FAULT_EVENTS", "1200"))
KILLS = 10


class UnreliableReceiver(Receiver):
    """Stores and then fails, fails without storing, hangs up, or is slow, at random."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(self._choose)
        self._chance = chance

    def _choose(self, _body: Any, _call: int) -> int:
        draw = self._chance.random()
        self.stores_failures = draw < 0.03
        self.delay = 0.05 if 0.06 < draw < 0.08 else 0.0
        if draw < 0.05:
            return 500
        return CUT if draw < 0.06 else 200


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(1800)
def test_every_event_arrives_in_order_over_faults_and_kills(tmp_path: Path) -> None:
    """Given a receiver that is down, then fails at random; when the box is killed ten times while it makes events; then
    the receiver has every event, in order, and what was sent live was not held up by the backlog."""
    chance = random.Random(7)
    history, live = UnreliableReceiver(chance), Receiver()
    making_s = NUMBER / 100
    arguments = [str(tmp_path / "data"), history.url, live.url, str(NUMBER)]
    command = [sys.executable, "-m", "tests.reports.event_box", *arguments]

    with live:
        for _ in range(KILLS // 3):
            _run_and_kill(command, chance.uniform(0.5, 1.5) * making_s / KILLS)
        with history:
            for _ in range(KILLS - KILLS // 3):
                _run_and_kill(command, chance.uniform(0.5, 1.5) * making_s / KILLS)
            subprocess.run(command, check=True, timeout=1500)
            got = [int(body["ext_data"]["event_id"]) for _, body in history.stored]
            delays = sorted(at - body["timestamp"] / 1000 for at, body in live.stored)

    assert list(dict.fromkeys(got)) == list(range(1, NUMBER + 1))
    assert len(live.stored) > NUMBER * 0.5
    # What is late is not sent at all: the deadline and one call's time-out bound the delay, whatever the backlog is.
    assert delays[-1] < 2.0


def _run_and_kill(command: list[str], seconds: float) -> None:
    process = subprocess.Popen(command)
    time.sleep(1.0 + seconds)
    process.kill()
    process.wait()

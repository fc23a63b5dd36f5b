"""Several workers share the FIQA queue; one of them dies for good."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sophon.contract import Fiqa, FiqaRequest, encode_photo
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from tests.daemon.box_process import BoxProcess

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(180)]

MESSAGES = 120


def test_nothing_is_lost_when_a_worker_dies_and_never_comes_back(
    tmp_path: Path,
    node: BrokerNode,
    platform: ReferencePlatform,
    portraits: Path,
    report: Callable[[str, str, str], None],
) -> None:
    lines = node.add_box("WORKERS")
    platform.add_box("WORKERS", lines)
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    command = Fiqa(info=FiqaRequest(image_base64_str=photo))
    first, second = (
        BoxProcess(tmp_path / name, platform.login_url, "WORKERS", arguments=("--only", "fiqa"))
        for name in "ab"
    )
    with first, second, PlatformDesk(lines) as desk:
        for number in range(MESSAGES):
            desk.send(command.model_copy(update={"message_id": number}))
        answered: set[object] = set()
        killed = False
        deadline = time.monotonic() + 120
        kill_at = random.Random(1).randrange(20, 60)
        while len(answered) < MESSAGES and time.monotonic() < deadline:
            for result in desk.results(1.0):
                assert result.code == 0
                answered.add(result.message_id)
                if not killed and len(answered) >= kill_at:
                    first.kill()
                    killed = True
    assert answered == set(range(MESSAGES))
    report(
        "scale-out",
        f"one of two fiqa workers SIGKILLed after {kill_at} of {MESSAGES} answers",
        "all answered",
    )

"""Commands flow while the box and the broker are killed: none is lost, no effect is doubled, the order holds."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.bench import FaultBench
from tests.faults.flow import Flow

#: The full measure is 200; each costs about three seconds.
KILLS = int(os.environ.get("SOPHON_FAULT_KILLS", "20"))
COMMANDS_PER_KILL = 30

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(600 + 10 * KILLS)]


def test_21_box_and_broker_are_sigkilled_while_commands_flow(
    bench: FaultBench, report: Callable[[str, str, str], None]
) -> None:
    # Given a box that answers fiqa commands by the queue of all results, and commands that flow while it is up
    bench.name_broker(port=bench.proxy.port, fiqa_down_queue=None, fiqa_upload_queue=None)
    chance = random.Random(21)
    commands = Flow(bench.photo, chance).take(COMMANDS_PER_KILL * KILLS)
    turns = threading.Semaphore(0)
    pauses = random.Random(22)

    def pause() -> None:
        turns.acquire()
        time.sleep(pauses.uniform(0.0, 0.03))

    sender = threading.Thread(target=bench.desk.send, args=(commands,), kwargs={"pause": pause})
    sender.start()
    # When both are killed, again and again
    broker_dies = {KILLS * quarter // 4 for quarter in (1, 2, 3)}
    for number in range(KILLS):
        bench.box.start()
        turns.release(COMMANDS_PER_KILL)
        bench.desk.collect(chance.uniform(0.02, 1.2), lambda: False)
        if number in broker_dies:
            bench.node.kill()
            bench.node.start()
            bench.desk.collect(chance.uniform(0.02, 1.2), lambda: False)
        bench.box.kill()
    bench.box.start()
    turns.release(len(commands) * 2)
    sender.join()
    seconds = bench.all_answered(240 + 2 * KILLS)
    # Then everything is answered, and has had the effect of one execution in the order sent
    bench.check_end()
    sent, named = len(bench.ledger.sent), len(bench.ledger.named)
    copies = sum(len(one) for one in bench.ledger.results.values())
    report(
        "21, 2",
        f"box SIGKILLed at {KILLS} random points and broker 3 times while {sent} commands flow, {sent - named} without id, "
        f"{len(commands) - sent} sent twice",
        f"0 lost, 0 effects doubled or undone, {copies} results, drained in {seconds:.0f} s",
    )

"""Competing fiqa workers on one queue: throughput of 1 and 2 processes against the networks' own rate.

    python -m benchmarks.fiqa_workers [--messages 200] [--json FILE]

RabbitMQ is the distributed engine: workers (`sophon run --only fiqa`) share ``fiqaDownQueue``. `engine` is what one process reaches that
only judges, with the same number of threads as all workers together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.box_process import start_box
from sophon.contract import Fiqa, FiqaRequest, encode_photo
from sophon.engine import FaceEngine
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from sophon.sim.portraits import fetch_portraits

DEV_SNO = "FIQA"


def engine_rate(photo: bytes, messages: int, threads: int) -> float:
    """Judgements per second in one process."""
    with FaceEngine() as engine, ThreadPoolExecutor(threads) as pool:
        engine.assess(photo)
        started = time.perf_counter()
        list(pool.map(lambda _: engine.assess(photo), range(messages)))
        return messages / (time.perf_counter() - started)


def workers_rate(photo: bytes, messages: int, workers: int) -> float:
    """Answers per second of some worker processes."""
    with ExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory()))
        node = owned.enter_context(BrokerNode())
        platform = owned.enter_context(ReferencePlatform())
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        for number in range(workers):
            start_box(owned, folder / str(number), platform.login_url, DEV_SNO, "--only", "fiqa")
        desk = owned.enter_context(PlatformDesk(lines))
        command = Fiqa(info=FiqaRequest(image_base64_str=encode_photo(photo)))
        desk.call(command)
        started = time.perf_counter()
        for number in range(messages):
            desk.send(command.model_copy(update={"message_id": f"f{number}"}))
        answered = {result.message_id for result in islice(desk.results(30), messages)}
        seconds = time.perf_counter() - started
        if len(answered) != messages:
            raise SystemExit(f"{messages - len(answered)} answers are missing")
        return messages / seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    photo = (fetch_portraits() / "people" / "joe_biden" / "biden.jpg").read_bytes()
    table = Table("workers", "engine /s", "workers /s", "ratio")
    figures = {}
    for workers in (1, 2):
        engine = engine_rate(photo, options.messages, workers)
        rate = workers_rate(photo, options.messages, workers)
        table.add_row(str(workers), f"{engine:.1f}", f"{rate:.1f}", f"{rate / engine:.2f}")
        figures[str(workers)] = {"engine": engine, "workers": rate, "ratio": rate / engine}
    Console().print(table)
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

"""The command channel against bare pika, on one private RabbitMQ node, in interleaved rounds.

    python -m benchmarks.mq [--rounds 5] [--messages 1000] [--json FILE]

`accept`: messages from the queue to the inbox, on disk, and acknowledged, against pika's consume + acknowledge, which keeps
nothing. `answer`: commands from the queue to confirmed results, everything on disk in between, against a pika client that
consumes, publishes a small result, waits for the confirmation and acknowledges (`bare answer`); against publish + confirm of
messages of that size (`bare publish`); and against publish + confirm of the small results alone, for which nothing comes in.
Then how long a fiqa command takes, with the networks' own time apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pika
from rich.console import Console
from rich.table import Table

from sophon.box import Box
from sophon.commands import Enroller, Executor, Incoming, Lanes
from sophon.contract import Fiqa, FiqaRequest, RabbitMq, encode_photo
from sophon.engine import FaceEngine
from sophon.logs import configure_logs
from sophon.mq import BrokerLines, LineOptions
from sophon.platform import PlatformClient
from sophon.sim import BrokerNode, PlatformDesk
from sophon.sim.portraits import fetch_portraits
from sophon.store import Store

SIZES = {"1 KB": 1_000, "200 KB": 200_000}
# Results are small, however large the command is.
RESULT_BYTES = 300
PREFETCH = 200
#: Of fewer, at 200 KB, too many would come in with the first group put on disk, from which on `accept` counts.
FEWEST = 5 * 2 * PREFETCH
#: What of ours is set against what of bare pika's.
PAIRS = (
    ("accept", "bare consume"),
    ("answer", "bare answer"),
    ("answer", "bare publish"),
    ("answer", "bare publish, results"),
)


@dataclass(frozen=True)
class Batch:
    """Messages that were put on disk together, and when they were there (seconds)."""

    at: float
    messages: int


class Bench:
    """A node, a box without its platform, and the bare client beside them."""

    def __init__(self, node: BrokerNode, engine: FaceEngine) -> None:
        self._engine = engine
        self._lines = node.add_box("BENCH")
        self._client = pika.BlockingConnection(self._parameters(self._lines.v_host))
        self._upload = pika.BlockingConnection(self._parameters(self._lines.upload_v_host))

    @property
    def lines(self) -> RabbitMq:
        return self._lines

    def bare_consume(self, messages: int, size: int) -> float:
        """Messages per second, consumed and acknowledged one by one, as a simple consumer does."""
        return self._consume_bare(messages, size, lambda: None)

    def bare_publish(self, messages: int, size: int) -> float:
        """Messages per second, published persistent and mandatory, each confirmed."""
        channel = self._upload.channel()
        channel.confirm_delivery()
        body = b"x" * size
        properties = pika.BasicProperties(delivery_mode=2)
        started = time.perf_counter()
        for _ in range(messages):
            channel.basic_publish("", self._lines.upload_queue, body, properties, mandatory=True)
        seconds = time.perf_counter() - started
        channel.queue_purge(self._lines.upload_queue)
        channel.close()
        return messages / seconds

    def bare_answer(self, messages: int, size: int) -> float:
        """Messages per second, consumed, each answered with a result that is confirmed, and acknowledged then."""
        upload = self._upload.channel()
        upload.confirm_delivery()
        body = b"x" * RESULT_BYTES
        properties = pika.BasicProperties(delivery_mode=2)

        def answer() -> None:
            upload.basic_publish("", self._lines.upload_queue, body, properties, mandatory=True)

        rate = self._consume_bare(messages, size, answer)
        upload.queue_purge(self._lines.upload_queue)
        upload.close()
        return rate

    def _consume_bare(self, messages: int, size: int, answer: Callable[[], None]) -> float:
        self._fill(messages, size)
        channel = self._client.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        started = time.perf_counter()
        for taken, (method, _, _) in enumerate(channel.consume(self._lines.queue), start=1):
            answer()
            channel.basic_ack(method.delivery_tag)
            if taken == messages:
                break
        seconds = time.perf_counter() - started
        channel.cancel()
        channel.close()
        return messages / seconds

    def accept(self, messages: int, size: int) -> float:
        """Messages per second into the inbox."""
        self._fill(messages, size)
        batches: list[Batch] = []
        with self._box(batches, carry_out=False):
            _wait(lambda: sum(batch.messages for batch in batches) >= messages)
        # From the first batch on disk to the last: connecting is not counted, nor what came meanwhile.
        counted = sum(batch.messages for batch in batches[1:])
        return counted / max(batches[-1].at - batches[0].at, 1e-3)

    def answer(self, messages: int, size: int) -> float:
        """Commands per second whose results the broker has confirmed."""
        self._fill(messages, size)
        batches: list[Batch] = []
        with self._box(batches, carry_out=True) as store:
            _wait(lambda: _published(store) >= messages)
            seconds = time.perf_counter() - batches[0].at
        channel = self._upload.channel()
        channel.queue_purge(self._lines.upload_queue)
        channel.close()
        return messages / seconds

    @contextmanager
    def _box(self, batches: list[Batch], *, carry_out: bool) -> Iterator[Store]:
        with (
            tempfile.TemporaryDirectory() as folder,
            Store(Path(folder)) as store,
            running_box(store, self._engine, self._lines, batches, carry_out=carry_out),
        ):
            yield store

    def _fill(self, messages: int, size: int) -> None:
        channel = self._client.channel()
        channel.queue_purge(self._lines.queue)
        channel.confirm_delivery()
        for number in range(messages):
            channel.basic_publish(
                "", self._lines.queue, _command(number, size), pika.BasicProperties(delivery_mode=2)
            )
        channel.close()

    def _parameters(self, virtual_host: str) -> pika.ConnectionParameters:
        credentials = pika.PlainCredentials(self._lines.login, self._lines.password.get_secret_value())
        return pika.ConnectionParameters(
            self._lines.host, self._lines.port, virtual_host, credentials, heartbeat=0
        )


@contextmanager
def running_box(
    store: Store, engine: FaceEngine, lines: RabbitMq, batches: list[Batch], *, carry_out: bool
) -> Iterator[None]:
    """The command channel as the daemon puts it together, in this process; notes what it took in."""
    box = Box(store, engine)
    box.load()
    enroller = Enroller(store, box, PlatformClient("http://127.0.0.1:9/login", "BENCH"), dev_sno="BENCH")
    executor = Executor(store, box, enroller, dev_sno="BENCH")
    wake: list[Callable[[], None]] = []

    def wake_all() -> None:
        for one in wake:
            one()

    def take_in(messages: Any, first_of_link: bool) -> list[int]:
        numbers = executor.take_in_all(messages, first_of_link=first_of_link)
        batches.append(Batch(time.perf_counter(), len(messages)))
        wake_all()
        return numbers

    broker = BrokerLines(
        lines,
        LineOptions(client_name="bench", prefetch=PREFETCH),
        store,
        read=Incoming.read,
        take_in=take_in,
        has_room=lambda: True,
        delivered=executor.delivered,
        on_trouble=print,
    )
    lanes = Lanes(executor, fiqa_workers=1, answered=broker.wake)
    wake.append(broker.wake)
    if carry_out:
        wake.append(lanes.wake)
        lanes.start()
    try:
        with broker:
            _wait(lambda: broker.are_consuming, 0.001)
            yield
    finally:
        if carry_out:
            lanes.close()
        enroller.close()


def fiqa_latencies(
    bench: Bench, engine: FaceEngine, photo: bytes, count: int
) -> tuple[list[float], list[float]]:
    """Seconds from publishing a fiqa command to its result, and of the judgement alone, in turns."""
    command = Fiqa(info=FiqaRequest(image_base64_str=encode_photo(photo)))
    whole, judging = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder)) as store,
        running_box(store, engine, bench.lines, [], carry_out=True),
        PlatformDesk(bench.lines) as desk,
    ):
        for _ in range(count):
            started = time.perf_counter()
            desk.call(command)
            whole.append(time.perf_counter() - started)
            started = time.perf_counter()
            engine.assess(photo)
            judging.append(time.perf_counter() - started)
    return whole, judging


def _command(number: int, size: int) -> bytes:
    command = {"method": "delete_users", "messageId": f"{time.time_ns()}-{number}", "userid_list": ["E1"]}
    return orjson.dumps({**command, "memo": "x" * size})


def _published(store: Store) -> int:
    with store.read() as snapshot:
        return snapshot.counters.get("results_published")


def _wait(until: Callable[[], bool], pause: float = 0.01) -> None:
    while not until():
        time.sleep(pause)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--messages", type=int, default=2000, help="per round at 1 KB; a fifth of it at 200 KB"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if options.messages < FEWEST:
        parser.error(f"--messages: at least {FEWEST} are needed to tell how many are accepted per second")
    configure_logs("warning")
    figures: dict[str, Any] = {}
    table = Table("size", "pika", "/s", "sophon", "/s", "ratio", title="medians of interleaved rounds")
    photo = (fetch_portraits() / "people" / "barack_obama" / "obama.jpg").read_bytes()
    with BrokerNode() as node, FaceEngine() as engine:
        bench = Bench(node, engine)
        for name, size in SIZES.items():
            messages = options.messages if size < 100_000 else options.messages // 5
            rates: defaultdict[str, list[float]] = defaultdict(list)
            for _ in range(options.rounds):
                rates["bare consume"].append(bench.bare_consume(messages, size))
                rates["accept"].append(bench.accept(messages, size))
                rates["bare publish"].append(bench.bare_publish(messages, size))
                rates["bare publish, results"].append(bench.bare_publish(messages, RESULT_BYTES))
                rates["bare answer"].append(bench.bare_answer(messages, size))
                rates["answer"].append(bench.answer(messages, size))
            medians = {key: statistics.median(values) for key, values in rates.items()}
            for ours, bare in PAIRS:
                ratio = medians[ours] / medians[bare]
                table.add_row(
                    name, bare, f"{medians[bare]:.0f}", ours, f"{medians[ours]:.0f}", f"{ratio:.2f}"
                )
                figures[f"{ours} / {bare} {name}"] = {
                    "bare": medians[bare],
                    "sophon": medians[ours],
                    "ratio": ratio,
                }
        whole, judging = fiqa_latencies(bench, engine, photo, 50)
    Console().print(table)
    around = [all_ - own for all_, own in zip(whole, judging, strict=True)]
    for name, values in (("fiqa, whole", whole), ("its networks", judging), ("the rest", around)):
        ordered = sorted(values)
        p50, p99 = statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000
        print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        figures[name] = {"p50_ms": p50, "p99_ms": p99}
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

"""A box under test: commands flow in, faults happen, and at the end everything must add up."""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pika

from sophon.contract import RabbitMq, encode_photo
from sophon.sim import BrokerNode, ReferencePlatform
from sophon.status import StatusReport, read_status
from sophon.store import Store
from tests.daemon.box_process import BoxProcess
from tests.faults.tcp_proxy import TcpProxy

Json = dict[str, Any]
BROKER_ERRORS = (pika.exceptions.AMQPError, OSError)


@dataclass
class Ledger:
    """What was sent and what came back.

    A command without an id is told from others by its field ``mark``, which the box ignores; the mark stands in the
    command's content too, at a place that its result gives back.
    """

    sent: dict[str, Json] = field(default_factory=dict)
    results: dict[str, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    seen_marks: set[str] = field(default_factory=set)

    @property
    def named(self) -> set[str]:
        """The ids of the commands that were sent with one."""
        return {name for name, command in self.sent.items() if "messageId" in command}

    @property
    def missing(self) -> set[str]:
        """Commands without a result yet."""
        return set(self.sent) - set(self.results) - self.seen_marks

    def enter(self, command: Json, number: int) -> None:
        """Note a command that is about to be sent; it gets an id unless it has one, or a mark."""
        name = command["mark"] if "mark" in command else command.setdefault("messageId", f"m{number}")
        self.sent.setdefault(name, command)

    def receive(self, amqp_id: str, body: bytes) -> None:
        """Note a result."""
        name = orjson.loads(body).get("messageId", "")
        self.results[name].append((amqp_id, body))
        if not name:
            self.seen_marks |= set(re.findall(r"mark-\d+", body.decode()))


class Platformlike:
    """The platform's side of the queue, straight to the broker; it comes back after any fault."""

    def __init__(self, lines: RabbitMq, ledger: Ledger) -> None:
        self._lines = lines
        self._ledger = ledger
        self._numbers = itertools.count(1)

    def declare(self) -> None:
        """Make the queue that commands go to."""
        with self._channel(self._lines.v_host) as channel:
            channel.queue_declare(self._lines.queue, durable=True)

    def send(self, commands: list[Json], *, pause: Callable[[], None] = lambda: None) -> None:
        """Publish commands, each confirmed; one that was not is published again, as a platform would.

        ``pause`` is called before each.
        """
        for command in commands:
            self._ledger.enter(command, next(self._numbers))
        bodies = [orjson.dumps(command) for command in commands]
        while bodies:
            with suppress(*BROKER_ERRORS), self._channel(self._lines.v_host) as channel:
                while bodies:
                    pause()
                    properties = pika.BasicProperties(delivery_mode=2)
                    channel.basic_publish("", self._lines.queue, bodies[0], properties, mandatory=True)
                    bodies.pop(0)
            if bodies:
                time.sleep(0.3)

    def collect(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Take results until there are enough; False if the time ran out first."""
        deadline = time.monotonic() + seconds
        while not until() and time.monotonic() < deadline:
            with suppress(*BROKER_ERRORS), self._channel(self._lines.upload_v_host) as channel:
                for method, properties, body in channel.consume(
                    self._lines.upload_queue, inactivity_timeout=0.2
                ):
                    if method is not None:
                        self._ledger.receive(properties.message_id, body)
                        channel.basic_ack(method.delivery_tag)
                    if until() or time.monotonic() > deadline:
                        break
            if not until():
                time.sleep(0.1)
        return until()

    @contextmanager
    def _channel(self, virtual_host: str) -> Iterator[Any]:
        credentials = pika.PlainCredentials(self._lines.login, self._lines.password.get_secret_value())
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                self._lines.host,
                self._lines.port,
                virtual_host,
                credentials,
                socket_timeout=3,
                stack_timeout=5,
                heartbeat=5,
            )
        )
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            with suppress(*BROKER_ERRORS):
                connection.close()


class FaultBench:
    """One private node, a proxy before it, a platform, a box."""

    def __init__(self, folder: Path, node: BrokerNode, portrait: bytes, dev_sno: str = "BOXFAULT") -> None:
        self.node = node
        self.dev_sno = dev_sno
        self.lines = node.add_box(dev_sno)
        self.proxy = TcpProxy(node.host, node.port)
        self.platform = ReferencePlatform()
        self.ledger = Ledger()
        self.desk = Platformlike(self.lines, self.ledger)
        self.photo = encode_photo(portrait)
        self._folder = folder
        self._count = itertools.count()

    def __enter__(self) -> FaultBench:
        self.proxy.__enter__()
        self.platform.start()
        self.name_broker(port=self.proxy.port)
        self.box = BoxProcess(self._folder / "data", self.platform.login_url, self.dev_sno)
        return self

    def __exit__(self, *_: object) -> None:
        self.box.kill()
        self.platform.close()
        self.proxy.__exit__(None, None, None)

    def name_broker(self, **changes: Any) -> None:
        """What the next login answers."""
        self.platform.add_box(self.dev_sno, self.lines.model_copy(update=changes))

    def commands(self, count: int) -> list[Json]:
        """Mixed commands, each about ids of its own: people come, go, and permission groups are named."""
        made: list[Json] = []
        for number in itertools.islice(self._count, count):
            kind = number % 4
            if kind == 0:
                person = {
                    "identity_id": f"E{number}",
                    "reg_photo": self.photo,
                    "info": {"name": f"n{number}"},
                }
                made.append({"method": "add_users_plus", "user_info_list": [person]})
            elif kind == 1:
                made.append({"method": "delete_users", "userid_list": [f"X{number}"]})
            elif kind == 2:
                groups = [{"id": f"P{number}", "info": {"name": f"gate {number}"}}]
                made.append({"method": "sync_permissions", "permissions_info_list": groups})
            else:
                made.append({"method": "delete_users", "userid_list": [f"E{number - 3}"]})
        return made

    def all_answered(self, seconds: float) -> float:
        """Wait for a result of every command; how long it took. Fails if one does not come."""
        started = time.monotonic()
        complete = self.desk.collect(seconds, lambda: not self.ledger.missing)
        assert complete, f"no result of {sorted(self.ledger.missing)[:10]}:\n{self.box.log_tail()}"
        return time.monotonic() - started

    def wait_status(self, what: Callable[[StatusReport], bool], seconds: float) -> float:
        """Wait until the box says so of itself; how long it took."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            report = read_status(self.box.data_dir)
            if report is not None and report.pid == self.box.pid and what(report):
                return time.monotonic() - started
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {report}\n{self.box.log_tail()}")

    def _all_delivered(self, seconds: float) -> None:
        """Every command has an answer; wait for those of copies, which may still be on their way.

        The box is asked, not its files: on a disk that forgets, nobody else may open these.
        """
        former = read_status(self.box.data_dir)
        self.wait_status(
            lambda status: (former is None or status.written_at != former.written_at) and not status.outbox,
            seconds,
        )

    def check_end(self) -> None:
        """Every command one effect and at least one result with one stable message id; the rest is sound."""
        assert self.ledger.missing == set()
        for message_id, copies in self.ledger.results.items():
            assert not message_id or len(set(copies)) == 1, f"results of {message_id} differ"
        self._all_delivered(60)
        assert self.box.terminate() == 0
        with Store(self.box.data_dir) as store, store.read() as snapshot:
            done = snapshot.counters.get("commands") + snapshot.counters.get("commands_set_aside")
            # What came without an id may have been carried out again, in order.
            again = done - len(self.ledger.sent)
            assert again >= 0 if len(self.ledger.sent) > len(self.ledger.named) else again == 0
            assert snapshot.inbox.oldest_open_seq() is None
            assert snapshot.outbox.counts() == {}
            people, groups = _expected(self.ledger)
            assert snapshot.people.all_ids() == people
            named = {one.permission_id: one.name for one in snapshot.permissions.all()}
            assert {key: name for key, name in named.items() if key != "0"} == groups
            assert store.check() == []
        log = self.box.log.read_text()
        for secret in (self.lines.password.get_secret_value(), self.platform.token, self.photo[:60]):
            assert secret not in log
        assert "Traceback" not in log


def _expected(ledger: Ledger) -> tuple[set[str], dict[str, str]]:
    """The people and the groups' names that the commands end in, carried out once each, in the order sent."""
    people: set[str] = set()
    groups: dict[str, str] = {}
    for command in ledger.sent.values():
        if command["method"] == "add_users_plus":
            people |= {one["identity_id"] for one in command["user_info_list"] if "reg_photo" in one}
        elif command["method"] == "delete_users":
            people -= set(command["userid_list"])
        elif command["method"] == "sync_permissions":
            groups |= {one["id"]: one["info"]["name"] for one in command["permissions_info_list"]}
        elif command["method"] == "wipe_data":
            people, groups = set(), {}
    return people, groups


def wait_until(what: Callable[[], bool], name: str, seconds: float = 60.0) -> None:
    """Wait for something that happens elsewhere. Fails with its name if it does not."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {name}"
        time.sleep(0.02)

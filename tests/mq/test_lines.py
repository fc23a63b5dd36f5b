"""The lines to the broker: commands are left there while there is no room, and a line that stands still is replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pika
import pytest

from sophon.contract import DeleteUsers, RabbitMq
from sophon.mq import BrokerLines, LineOptions
from sophon.mq import consumer as consumer_module
from sophon.mq import lines as lines_module
from sophon.mq.link import RECEIVE_BYTES, BrokerAddress, Link, QueueState, Session
from sophon.sim import BrokerNode, PlatformDesk
from sophon.store import Kind, Store


class Inbox:
    """Where messages are taken in; `room` is set while there is room."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.room = threading.Event()
        self.room.set()

    def take_in(self, messages: Sequence[tuple[bytes, bool]], _first_of_link: bool) -> list[int]:
        self.bodies += [body for body, _ in messages]
        return list(range(len(messages)))


@pytest.fixture
def lines(broker: BrokerNode, request: pytest.FixtureRequest) -> RabbitMq:
    lines = broker.add_box(f"LINES-{request.node.name}")
    return lines.model_copy(update={"fiqa_down_queue": None, "fiqa_upload_queue": None})


@contextmanager
def running(
    folder: Path, lines: RabbitMq, inbox: Inbox, has_room: Callable[[], bool] | None = None
) -> Iterator[BrokerLines]:
    with (
        Store(folder) as store,
        BrokerLines(
            lines,
            LineOptions(client_name="test"),
            store,
            read=lambda body, redelivered: (body, redelivered),
            take_in=inbox.take_in,
            has_room=has_room or inbox.room.is_set,
            delivered=lambda _numbers: set(),
            on_trouble=lambda _reason: None,
        ) as broker,
    ):
        wait_until(lambda: broker.are_consuming or not inbox.room.is_set())
        yield broker


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_room_the_consumer_is_cancelled_and_the_broker_keeps_the_messages(
    tmp_path: Path, broker: BrokerNode, lines: RabbitMq
) -> None:
    inbox = Inbox()
    with running(tmp_path, lines, inbox) as box, PlatformDesk(lines) as desk:
        desk.send(DeleteUsers(message_id="before", userid_list=[]))
        wait_until(lambda: len(inbox.bodies) == 1)
        # When there is no room any more
        inbox.room.clear()
        wait_until(lambda: not box.are_consuming)
        desk.send(DeleteUsers(message_id="kept", userid_list=[]))
        # Then the message waits at the broker, which has no consumer to give it to
        counts = broker.ctl("list_queues", "-p", lines.v_host, "name", "messages_ready", "consumers")
        assert f"{lines.queue}\t1\t0" in counts
        assert len(inbox.bodies) == 1
        # And when there is room again, it comes
        inbox.room.set()
        wait_until(lambda: len(inbox.bodies) == 2)
        assert box.states["commands"].connections == 1


def test_a_line_that_stands_still_is_replaced(
    tmp_path: Path, lines: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a line whose thread hangs
    monkeypatch.setattr(lines_module, "SILENCE_S", 1.0)
    inbox = Inbox()
    hangs, goes_on = threading.Event(), threading.Event()

    def has_room() -> bool:
        if not hangs.is_set():
            hangs.set()
            goes_on.wait(60)
        return True

    with running(tmp_path, lines, inbox, has_room) as box, PlatformDesk(lines) as desk:
        assert hangs.wait(30)
        time.sleep(1.1)
        # When it is looked after, then another takes its place, and gets its share of what comes
        box.watch()
        sent = 0
        while not inbox.bodies:
            desk.send(DeleteUsers(userid_list=[]))
            sent += 1
            time.sleep(0.1)
        assert box.are_consuming
        # And the rest, once the other ends
        goes_on.set()
        wait_until(lambda: len(inbox.bodies) >= sent)
        assert box.are_consuming


def test_a_consumer_that_the_broker_does_not_know_any_more_is_made_anew(
    tmp_path: Path, lines: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a broker that has forgotten the consumer: a real one can't be made to, so its answer is made up
    monkeypatch.setattr(consumer_module, "CHECK_SECONDS", 0.5)
    inbox = Inbox()
    with running(tmp_path, lines, inbox) as box, PlatformDesk(lines) as desk:
        with monkeypatch.context() as forgetful:
            forgetful.setattr(Session, "queue", lambda _self, _name: QueueState(messages=0, consumers=0))
            wait_until(lambda: "knows no consumer" in box.states["commands"].reason)
        # Then the line is made anew, and works
        wait_until(lambda: box.states["commands"].connections >= 2)
        desk.send(DeleteUsers(userid_list=[]))
        wait_until(lambda: len(inbox.bodies) == 1)


def test_results_go_out_many_at_once_and_those_that_the_queue_refuses_stay(
    tmp_path: Path, broker: BrokerNode, lines: RabbitMq
) -> None:
    # Given more results than their queue takes
    policy = '{"max-length": 70, "overflow": "reject-publish"}'
    queue = str(lines.upload_queue)
    broker.ctl("set_policy", "-p", lines.upload_v_host, "full", f"^{queue}$", policy, "--apply-to", "queues")
    bodies = [b"%d" % number for number in range(120)]
    with Store(tmp_path) as store, store.write() as transaction:
        for number, body in enumerate(bodies):
            transaction.outbox.add(
                message_id=f"id {number}", kind=Kind.RESULT, notify_path=None, body=body, at=0
            )
    with running(tmp_path, lines, Inbox()) as box, Store(tmp_path, exclusive=False) as store:
        # When they are delivered, then each is either in the queue, once, or kept
        wait_until(lambda: "refuses messages" in box.states["results"].reason)
        with store.read() as snapshot:
            kept = [row.body for row in snapshot.outbox.oldest([Kind.RESULT], 200)]
        taken = fetched(lines, len(bodies) - len(kept))
        assert sorted(taken + kept) == sorted(bodies)
        assert taken[:50] == bodies[:50]
        # And once there is room, the rest follows
        broker.ctl("clear_policy", "-p", lines.upload_v_host, "full")
        assert sorted(fetched(lines, len(kept))) == sorted(kept)


def fetched(lines: RabbitMq, count: int) -> list[bytes]:
    """The next results in their queue."""
    credentials = pika.PlainCredentials(lines.login, lines.password.get_secret_value())
    parameters = pika.ConnectionParameters(lines.host, int(lines.port), lines.upload_v_host, credentials)
    with pika.BlockingConnection(parameters) as connection:
        messages = connection.channel().consume(str(lines.upload_queue), auto_ack=True, inactivity_timeout=30)
        return [body for _, (_, _, body) in zip(range(count), messages, strict=False) if body is not None]


def test_large_messages_are_received_in_large_pieces(lines: RabbitMq) -> None:
    """pika's own 4 KiB are an attribute that it does not promise: when it is renamed, this is noticed here."""
    address = BrokerAddress(lines.host, int(lines.port), lines.login, lines.password, lines.v_host)
    pieces: list[int] = []

    def serve(session: Session) -> None:
        transport = session._connection._impl._transport
        assert "_MAX_RECV_BYTES" in dir(type(transport))
        pieces.append(transport._MAX_RECV_BYTES)
        session.wait(60)

    link = Link("commands", [address], serve)
    link.start()
    wait_until(lambda: bool(pieces))
    link.close()
    assert pieces == [RECEIVE_BYTES]

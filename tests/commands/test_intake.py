"""Messages that come in together become what they would have become one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sophon.commands import Incoming
from sophon.commands.intake import Intake, take_in
from sophon.store import InboxRow, State, Store


def message(message_id: str | None, content: int, redelivered: bool, method: str) -> Incoming:
    return Incoming.read(
        orjson.dumps({"method": method, "messageId": message_id, "content": content}), redelivered
    )


MESSAGES = st.lists(
    st.builds(
        message,
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([1, 2]),
        st.booleans(),
        st.sampled_from(["delete_users", "fiqa"]),
    ),
    max_size=12,
)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    with Store(tmp_path / "together") as together, Store(tmp_path / "singly") as singly:
        yield together, singly


def file(store: Store, messages: Sequence[Incoming], *, first_of_link: bool = False) -> list[Intake]:
    with store.write() as transaction:
        filed = take_in(transaction, messages, "BOX", first_of_link=first_of_link)
    return [one.intake for one in filed]


def rows(store: Store) -> list[InboxRow]:
    with store.read() as snapshot:
        return snapshot.inbox.newest_first(State, 100)[::-1]


def inbox(store: Store) -> list[tuple[Any, ...]]:
    """The commands in order, without what is random or the time; another command is named by its place."""
    found = rows(store)
    place = {row.seq: number for number, row in enumerate(found)}
    return [
        (row.method, row.message_id, row.body_sha256, row.state, row.repeats, place.get(row.replays or 0))
        for row in found
    ]


def empty(store: Store) -> None:
    found = rows(store)
    with store.write() as transaction:
        for row in found:
            transaction.inbox.delete(row.seq)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=MESSAGES, messages=MESSAGES)
def test_messages_become_together_what_they_become_one_by_one(
    stores: tuple[Store, Store], before: list[Incoming], messages: list[Incoming]
) -> None:
    together, singly = stores
    for store in stores:
        empty(store)
        file(store, before)

    intakes = file(together, messages, first_of_link=True)

    assert intakes == [
        file(singly, [one], first_of_link=number == 0)[0] for number, one in enumerate(messages)
    ]
    assert inbox(together) == inbox(singly)


def test_the_numbers_follow_the_order_of_the_messages(stores: tuple[Store, Store]) -> None:
    store, _ = stores
    messages = [message(one, 1, False, "delete_users") for one in ("a", None, "a", "b")]

    with store.write() as transaction:
        filed = take_in(transaction, messages, "BOX")
        following = transaction.inbox.next_seq()

    first, second, again, third = [one.seq for one in filed]
    assert first == again < second < third < following

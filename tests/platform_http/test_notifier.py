"""Results by HTTP: what is refused is offered again, and given up in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sophon.errors import Code, SophonError
from sophon.platform import Notifier
from sophon.store import Kind, Store

LONG_AGO = 0


def owe(store: Store, *, at: int) -> None:
    with store.write() as transaction:
        transaction.outbox.add(message_id="m", kind=Kind.RESULT, notify_path="/result", body=b"{}", at=at)


def offer(store: Store, max_age_s: float, until: Callable[[], bool]) -> None:
    """Let a notifier offer what is owed to a receiver that refuses it."""

    def refuse(_path: str, _body: bytes, _message_id: str) -> None:
        raise SophonError(Code.REMOTE_SERVER_FAILED, "refused")

    notifier = Notifier(store, [Kind.RESULT], refuse, max_age_s=max_age_s)
    notifier.start()
    deadline = time.monotonic() + 30
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)
    notifier.close()


def tries(store: Store) -> list[int]:
    with store.read() as snapshot:
        return [row.attempts for row in snapshot.outbox.oldest([Kind.RESULT], 10)]


def test_a_result_that_is_refused_for_too_long_is_given_up_and_counted(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        owe(store, at=time.time_ns() // 1_000_000)
        offer(store, 0.5, lambda: tries(store) == [])
        with store.read() as snapshot:
            assert snapshot.counters.get("results_given_up") == 1


def test_a_result_from_before_the_clock_was_set_is_not_given_up_for_that(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        owe(store, at=LONG_AGO)
        offer(store, 3600, lambda: tries(store) == [1])
        assert tries(store) == [1]

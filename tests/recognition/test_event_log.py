"""The event log keeps within its limits, and counts what a receiver will never get."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from sophon.recognition import EventLog
from sophon.recognition.event_log import KEEP_FREE_BYTES, LOST, TRIM_EVERY
from sophon.store import EventPictures, EventRow, EventsLimit, Store

EVENT = EventRow(1000, "E1", "Li Lei", 1, "default_group", "10.0.0.7", "0", 0.7, {})
PICTURES = EventPictures(b"\xff\xd8" + bytes(5000), b"\xff\xd8" + bytes(1000))


def fill(store: Store, log: EventLog, number: int = 2 * TRIM_EVERY) -> None:
    for one in range(number):
        assert log.add(replace(EVENT, at=one), PICTURES) == one + 1


def kept(store: Store) -> list[int]:
    with store.read() as snapshot:
        return [row.id for row in snapshot.events.after(0, 1_000)]


def lost(store: Store) -> int:
    with store.read() as snapshot:
        return snapshot.counters.get(LOST)


def test_the_newest_events_are_kept(store: Store) -> None:
    fill(store, EventLog(store, EventsLimit(kept=50)))
    assert kept(store) == list(range(151, 201))
    assert lost(store) == 0


def test_what_a_receiver_waits_for_is_kept_longer_and_its_loss_counted(store: Store) -> None:
    with store.write() as transaction:
        transaction.event_receivers.set_active(["http://down"])
    fill(store, EventLog(store, EventsLimit(kept=50, undelivered=120)))
    assert kept(store) == list(range(81, 201))
    assert lost(store) == 80


def test_a_disk_without_room_to_spare_holds_fewer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a disk (feigned: a real one can't be filled here) with less than the reserve free; when events come; then
    older ones make room, and there is nothing to count where nobody waits for them."""
    room = 40 * 6400
    usage = shutil.disk_usage(store.data_dir)

    def nearly_full(_path: object) -> object:
        with store.read() as snapshot:
            return usage._replace(free=KEEP_FREE_BYTES + room - snapshot.events.total_bytes())

    monkeypatch.setattr("sophon.recognition.event_log.shutil.disk_usage", nearly_full)
    fill(store, EventLog(store, EventsLimit()))
    assert 30 < len(kept(store)) < 50
    assert kept(store)[-1] == 200
    assert lost(store) == 0

"""Events, receivers' cursors and sub-devices in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sophon.store import (
    DeviceRow,
    EventFilter,
    EventPictures,
    EventRow,
    EventsLimit,
    RefusedEvent,
    Store,
)

EVENT = EventRow(1000, "E1", "Li Lei", 1, "default_group", "10.0.0.7", "0", 0.7, {"grab_fiqa_info": {}})
PICTURES = EventPictures(b"\xff\xd8 the scene " * 40, b"\xff\xd8 the face " * 40)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as store:
        yield store


def add(
    store: Store, number: int = 1, event: EventRow = EVENT, pictures: EventPictures = PICTURES
) -> list[int]:
    with store.write() as transaction:
        return [transaction.events.add(event, pictures) for _ in range(number)]


def ids(store: Store) -> list[int]:
    with store.read() as snapshot:
        return [row.id for row in snapshot.events.after(0, 1000)]


def test_an_event_comes_back_whole(store: Store) -> None:
    (key,) = add(store)
    with store.read() as snapshot:
        assert snapshot.events.get(key) == replace(EVENT, id=key)
        assert snapshot.events.pictures(key) == PICTURES


def test_ids_grow_over_erasure(store: Store) -> None:
    before = add(store, 3)
    with store.write() as transaction:
        transaction.events.clear()
    (after,) = add(store)
    assert after > max(before)


def test_filters_are_combined(store: Store) -> None:
    add(store)
    (wanted,) = add(store, event=replace(EVENT, at=2000, person_type=4, score=0.2))
    add(store, event=replace(EVENT, at=2000, device_ip="10.0.0.8"))
    with store.read() as snapshot:
        found = snapshot.events.newest_first(
            EventFilter(identity_id="E1", device_ip="10.0.0.7", since=1500, until=2001, person_type=4)
        )
        assert [row.id for row in found] == [wanted]


def test_without_receivers_the_newest_are_kept(store: Store) -> None:
    keys = add(store, 10)
    with store.write() as transaction:
        assert (
            transaction.events.trim(EventsLimit(kept=4), transaction.event_receivers.delivered_to_all()) == 0
        )
    assert ids(store) == keys[-4:]


def test_what_a_receiver_waits_for_is_dropped_last(store: Store) -> None:
    """Given ten events of which a receiver has two; when trimmed to four; then only those two go, and nothing is lost."""
    keys = add(store, 10)
    with store.write() as transaction:
        transaction.event_receivers.set_active(["http://a", "http://b"])
        transaction.event_receivers.advance("http://a", keys[5])
        transaction.event_receivers.advance("http://b", keys[1])
        delivered = transaction.event_receivers.delivered_to_all()
        assert transaction.events.trim(EventsLimit(kept=4, undelivered=100), delivered) == 0
    assert ids(store) == keys[2:]


def test_a_loss_is_counted(store: Store) -> None:
    keys = add(store, 10)
    with store.write() as transaction:
        transaction.event_receivers.set_active(["http://a"])
        transaction.event_receivers.advance("http://a", keys[1])
        assert transaction.events.trim(EventsLimit(kept=4, undelivered=5), keys[1]) == 3
    assert ids(store) == keys[-5:]


def test_bytes_are_limited_too(store: Store) -> None:
    keys = add(store, 10)
    with store.write() as transaction:
        each = transaction.events.total_bytes() // 10
        assert transaction.events.trim(EventsLimit(max_bytes=3 * each), keys[4]) == 2
    assert ids(store) == keys[-3:]


def test_a_crowd_of_strangers_does_not_push_known_people_out(store: Store) -> None:
    """Given three events of someone known and a crowd of strangers after them; when trimmed; then strangers over their
    number make room, the oldest first, and whoever remains is the newest of their kind."""
    known = add(store, 3)
    strangers = add(store, 10, event=replace(EVENT, person_type=4))
    with store.write() as transaction:
        assert transaction.events.trim(EventsLimit(kept=6, strangers=2), None) == 0
    assert ids(store) == known + strangers[-3:]


def test_known_people_push_out_only_the_strangers_over_their_number(store: Store) -> None:
    strangers = add(store, 4, event=replace(EVENT, person_type=4))
    known = add(store, 10)
    with store.write() as transaction:
        assert transaction.events.trim(EventsLimit(kept=8, strangers=2), None) == 0
    assert ids(store) == known[-8:]
    assert strangers[-1] < known[0]


def test_strangers_that_a_receiver_waits_for_stay_before_what_it_has(store: Store) -> None:
    known = add(store, 4)
    strangers = add(store, 4, event=replace(EVENT, person_type=4))
    with store.write() as transaction:
        assert transaction.events.trim(EventsLimit(kept=2, undelivered=3, strangers=1), known[-1]) == 1
    assert ids(store) == strangers[-3:]


def test_strangers_make_room_on_the_disk_first(store: Store) -> None:
    known = add(store, 3)
    strangers = add(store, 3, event=replace(EVENT, person_type=4))
    with store.write() as transaction:
        each = transaction.events.total_bytes() // 6
        assert transaction.events.trim(EventsLimit(max_bytes=4 * each, strangers=1), None) == 0
    assert ids(store) == known + strangers[-1:]


def test_erased_pictures_are_nowhere_in_the_files(store: Store, tmp_path: Path) -> None:
    add(store, 3)
    with store.write() as transaction:
        transaction.events.erase_pictures("E1")
    store.scrub()
    assert all(b"the face" not in file.read_bytes() for file in tmp_path.iterdir())
    assert len(ids(store)) == 3


def test_a_receiver_that_comes_back_goes_on_where_it_was(store: Store) -> None:
    with store.write() as transaction:
        transaction.event_receivers.set_active(["http://a"])
        transaction.event_receivers.advance("http://a", 7)
        transaction.event_receivers.advance("http://a", 3)
        transaction.event_receivers.set_active(["http://b"])
        assert transaction.event_receivers.active() == {"http://b": 0}
        transaction.event_receivers.set_active(["http://a", "http://b"])
        assert transaction.event_receivers.active() == {"http://a": 7, "http://b": 0}


def test_a_refused_event_is_listed_until_it_is_gone(store: Store) -> None:
    (key, _) = add(store, 2)
    with store.write() as transaction:
        transaction.event_receivers.refuse(RefusedEvent("http://a", key, "HTTP 400"))
    with store.read() as snapshot:
        assert [row.id for row in snapshot.events.newest_first(EventFilter(refused=True))] == [key]
    with store.write() as transaction:
        transaction.events.trim(EventsLimit(kept=1), None)
        assert transaction.event_receivers.refused() == []


def test_a_device_is_replaced_at_its_address(store: Store) -> None:
    first = DeviceRow("10.0.0.7", "0", "north gate", permission_id="1046")
    with store.write() as transaction:
        transaction.devices.put(first)
        transaction.devices.put(replace(first, name="south gate"))
        assert transaction.devices.all() == [replace(first, name="south gate")]
        assert transaction.devices.remove("10.0.0.7")
        assert not transaction.devices.remove("10.0.0.7")

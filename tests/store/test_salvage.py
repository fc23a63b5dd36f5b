"""A damaged database: moved aside, and what can be read is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sophon.store import FaceRow, Lane, PersonRow, Store, open_or_salvage

PEOPLE = 400


def fill(data_dir: Path) -> None:
    with Store(data_dir) as store:
        with store.write() as transaction:
            for number in range(PEOPLE):
                one = f"E{number:03}"
                transaction.people.put(PersonRow(one, {"name": one}, 1, 1, 0))
                face = FaceRow(
                    bytes(5000), b"s" * 32, "high", "making", np.ones(128, np.float32), bytes(3000)
                )
                transaction.people.put_face(one, face)
                transaction.groups.add_members("default_group", [one])
                transaction.permissions.set_of_person(one, ["0"])
            transaction.inbox.add(
                key="k", lane=Lane.COMMAND, method="m", message_id=None, body=b"body", body_sha256=b"", at=0
            )
        store.scrub()


def overwrite_the_middle(file: Path) -> None:
    with file.open("r+b") as open_file:
        size = file.stat().st_size
        for place in range(size // 3, size // 2, 40_000):
            open_file.seek(place)
            open_file.write(b"\xa5" * 20_000)


def cut_in_half(file: Path) -> None:
    with file.open("r+b") as open_file:
        open_file.truncate(file.stat().st_size // 2)


def replace_all(file: Path) -> None:
    file.write_bytes(b"not a database " * 1000)


@pytest.mark.parametrize("damage", [overwrite_the_middle, cut_in_half, replace_all])
def test_a_damaged_database_is_moved_aside_and_never_stops_the_box(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fill(tmp_path)
    damage(tmp_path / "sophon.db")
    store, salvage = open_or_salvage(tmp_path)
    with store:
        assert salvage is not None
        assert salvage.damage
        assert salvage.moved_to.is_file()
        assert store.check() == []
        with store.write() as transaction:
            kept = transaction.people.count()
            assert kept == salvage.rows["people"]
            assert len(list(transaction.people.gallery("making"))) == salvage.rows["embeddings"]
            assert [group.name for group in transaction.groups.all()] == ["default_group"]
            assert transaction.inbox.next_seq() >= 1
    again, nothing = open_or_salvage(tmp_path)
    again.close()
    assert nothing is None


def test_most_people_are_kept_when_pages_are_lost(tmp_path: Path) -> None:
    fill(tmp_path)
    overwrite_the_middle(tmp_path / "sophon.db")
    store, salvage = open_or_salvage(tmp_path)
    with store, store.read() as snapshot:
        assert salvage is not None
        assert snapshot.people.count() > PEOPLE / 2
        assert snapshot.inbox.by_key("k") is not None


def test_a_sound_database_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    store, salvage = open_or_salvage(tmp_path)
    store.close()
    assert salvage is None
    assert sorted(file.name for file in tmp_path.glob("damaged*")) == []


def test_who_was_deleted_is_still_known_after_a_salvage(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store(tmp_path) as store, store.write() as transaction:
        transaction.erasures.note("Li Lei", 7)
        digest = transaction.erasures.digest("Li Lei")
    overwrite_the_middle(tmp_path / "sophon.db")
    store, salvage = open_or_salvage(tmp_path)
    with store, store.read() as snapshot:
        assert salvage is not None
        assert salvage.rows["erasures"] == 1
        assert snapshot.erasures.digest("Li Lei") == digest

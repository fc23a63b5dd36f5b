"""Backups of real stores: what comes back, what stays, and what is refused."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from sophon.backups import Restoration, write_backup
from sophon.errors import SophonError
from sophon.store import (
    WIPED_AT,
    BackupError,
    DeviceRow,
    EventPictures,
    EventRow,
    FaceRow,
    PersonRow,
    Restored,
    Store,
    Transaction,
)
from sophon.tokens import Role, all_tokens, new_token


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "box") as store:
        yield store


@pytest.fixture
def new_box(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "new box") as store:
        yield store


def enrol(transaction: Transaction, identity_id: str, name: str = "Ann") -> None:
    seq = transaction.inbox.next_seq()
    transaction.people.put(PersonRow(identity_id, {"name": name}, 1, seq, 1000))
    embedding = np.array([0.6, 0.8], np.float32)
    transaction.people.put_face(identity_id, FaceRow(b"photo", b"s" * 32, "high", "m", embedding, b"crop"))
    transaction.groups.add_members("default_group", [identity_id])
    transaction.permissions.set_of_person(identity_id, ["7"])
    transaction.erasures.forget(identity_id)


def delete(store: Store, *identity_ids: str) -> None:
    with store.write() as transaction:
        for identity_id in identity_ids:
            transaction.people.delete(identity_id)
            transaction.erasures.note(identity_id, transaction.inbox.next_seq())


def sighting(identity_id: str) -> EventRow:
    return EventRow(1, identity_id, "Ann", 1, "default_group", "10.0.0.2", "0", 0.9, {})


def restore(store: Store, file: Path, *, with_deleted: bool = False) -> Restored:
    with Restoration(store) as restoration:
        restoration.feed(file.read_bytes())
        return restoration.put_in_place(with_deleted=with_deleted)


def people(store: Store) -> set[str]:
    with store.read() as snapshot:
        return snapshot.people.all_ids()


@pytest.fixture
def file(store: Store, tmp_path: Path) -> Path:
    """A backup of a box with two people, a device, a setting and an event that its receiver has."""
    with store.write() as transaction:
        enrol(transaction, "A")
        enrol(transaction, "B")
        transaction.devices.put(DeviceRow("10.0.0.2", "0", "gate"))
        transaction.settings.set("threshold", 61)
        transaction.settings.set("dev_sno", "OLD")
        new_token(transaction, Role.ADMIN, "old")
        event = transaction.events.add(sighting("A"), EventPictures(face=b"face"))
        transaction.event_receivers.set_active(["http://receiver"])
        transaction.event_receivers.advance("http://receiver", event)
    write_backup(store, tmp_path / "backup")
    return tmp_path / "backup"


def test_a_new_box_gets_everything_but_what_makes_it_itself(new_box: Store, file: Path) -> None:
    with new_box.write() as transaction:
        new_token(transaction, Role.VIEWER, "new")
    assert restore(new_box, file) == Restored(people=2, events=1, left_out=0)
    with new_box.read() as snapshot:
        (a, _) = snapshot.people.gallery("m")
        assert (a.identity_id, a.groups, a.permissions) == ("A", ("default_group",), ("7",))
        assert snapshot.people.photo("B") == b"photo"
        assert [device.name for device in snapshot.devices.all()] == ["gate"]
        assert snapshot.settings.get("threshold") == 61
        assert snapshot.events.pictures(1).face == b"face"
        assert snapshot.event_receivers.delivered_to("http://receiver") == 1
        assert snapshot.settings.get("dev_sno") is None
        assert [token.name for token in all_tokens(snapshot)] == ["new"]
        person = snapshot.people.get("A")
        assert person is not None
        assert person.last_seq == 0  # whatever the box still has to do comes after
    assert new_box.check() == []
    assert list(new_box.scratch.iterdir()) == []


def test_what_was_there_is_replaced(store: Store, file: Path) -> None:
    with store.write() as transaction:
        enrol(transaction, "A", "another name")
        enrol(transaction, "C")
        transaction.settings.set("support_stranger_group", True)
        transaction.events.add(sighting("C"), EventPictures())
    restored = restore(store, file)
    assert people(store) == {"A", "B"}
    with store.read() as snapshot:
        person = snapshot.people.get("A")
        assert person is not None
        assert person.name == "Ann"
        assert snapshot.settings.get("support_stranger_group") is None
        # What happened, happened: a box that has events keeps its own.
        assert (restored.events, snapshot.events.count()) == (0, 2)


def test_who_was_deleted_since_is_not_brought_back_unless_asked_for(store: Store, file: Path) -> None:
    delete(store, "A", "never there")
    assert restore(store, file) == Restored(people=1, events=0, left_out=1)
    assert people(store) == {"B"}
    assert restore(store, file, with_deleted=True).left_out == 0
    assert people(store) == {"A", "B"}


def test_who_was_enrolled_again_after_a_deletion_comes_back(store: Store, file: Path) -> None:
    delete(store, "A")
    with store.write() as transaction:
        enrol(transaction, "A")
    assert restore(store, file).left_out == 0


def test_a_deletion_from_before_the_backup_does_not_count(store: Store, tmp_path: Path) -> None:
    delete(store, "A")
    with store.write() as transaction:
        transaction.people.put(PersonRow("A", {"name": "Ann"}, 1, 5, 1000))
    write_backup(store, tmp_path / "later")
    assert restore(store, tmp_path / "later").left_out == 0


def test_another_box_s_backup_does_not_bring_back_whom_this_box_ever_deleted(
    new_box: Store, file: Path
) -> None:
    delete(new_box, "A")
    assert restore(new_box, file) == Restored(people=1, events=0, left_out=1)


def test_a_backup_from_before_a_wipe_must_be_asked_for(store: Store, file: Path) -> None:
    with store.write() as transaction:
        transaction.people.clear()
        transaction.erasures.clear(transaction.inbox.next_seq())
    with pytest.raises(SophonError, match="--with-deleted"):
        restore(store, file)
    assert people(store) == set()
    assert restore(store, file, with_deleted=True).people == 2


def test_what_is_remembered_of_deletions_says_nobody_s_name(store: Store) -> None:
    delete(store, "Li-Lei-4711")
    store.scrub()
    kept = b"".join(one.read_bytes() for one in store.data_dir.iterdir())
    assert b"Li-Lei" not in kept


def test_a_file_with_any_byte_changed_cut_or_added_is_refused_and_nothing_changed(
    store: Store, file: Path, tmp_path: Path
) -> None:
    whole = file.read_bytes()
    delete(store, "A")
    places = [0, 5, 17, 40, whole.index(b"\n", 17) + 3, len(whole) // 2, len(whole) - 1]
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    damaged += [b"", whole[:10], whole[:100], whole[: len(whole) // 2], whole[:-1], whole + b"x"]
    damaged += [b"sophon backup 1\n" + b"x" * 10_000, b"PK\x03\x04" * 1000]
    for number, content in enumerate(damaged):
        bad = tmp_path / f"bad {number}"
        bad.write_bytes(content)
        with pytest.raises(BackupError):
            restore(store, bad)
    assert people(store) == {"B"}
    assert list(store.scratch.iterdir()) == []


def test_it_may_come_in_pieces_of_any_size(new_box: Store, file: Path) -> None:
    whole = file.read_bytes()
    with Restoration(new_box) as restoration:
        for start in range(400):
            restoration.feed(whole[start : start + 1])
        restoration.feed(whole[400:])
        assert restoration.put_in_place().people == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda database: database.execute("PRAGMA user_version = 999"), "newer version"),
        (lambda database: database.execute("DROP TABLE crops"), "tables are others"),
        (lambda database: database.execute("CREATE VIEW v AS SELECT 1"), "tables are others"),
        (
            lambda database: database.execute(
                "CREATE TRIGGER t AFTER INSERT ON people BEGIN DELETE FROM photos; END"
            ),
            "tables are others",
        ),
    ],
)
def test_a_database_that_is_not_ours_is_refused_though_its_checksum_is_right(
    store: Store,
    file: Path,
    tmp_path: Path,
    change: Callable[[sqlite3.Connection], object],
    problem: str,
) -> None:
    foreign = tmp_path / "foreign"
    with Store(foreign):
        pass
    with closing(sqlite3.connect(foreign / "sophon.db", isolation_level=None)) as database:
        change(database)

    class Foreign:
        """Stands where a store would: its file is copied as it is."""

        data_dir = foreign
        is_restoring = False
        schema_version = store.schema_version

        def copy_to(self, copy: Path) -> None:
            copy.write_bytes((foreign / "sophon.db").read_bytes())

    write_backup(Foreign(), tmp_path / "forged")  # type: ignore[arg-type]
    with pytest.raises(BackupError, match=problem):
        restore(store, tmp_path / "forged")
    assert people(store) == {"A", "B"}


def test_a_backup_of_a_newer_version_is_refused_by_its_head(store: Store, file: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    known = f'"schema_version":{store.schema_version}'.encode()
    assert known in file.read_bytes()
    newer.write_bytes(file.read_bytes().replace(known, b'"schema_version":999'))
    with pytest.raises(BackupError, match="newer version"):
        restore(store, newer)


def disk_full(*_arguments: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_restoration_that_can_not_begin_changes_nothing(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(store, "A")
    with monkeypatch.context() as full:
        full.setattr("sophon.store.restoring.Takeover._insert", disk_full)
        with pytest.raises(SophonError, match="disk is full"):
            restore(store, file)
    assert people(store) == {"B"}
    assert not store.is_restoring
    assert restore(store, file).people == 1


def test_a_restoration_that_can_not_go_on_is_completed_with_the_next(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as full:
        full.setattr("sophon.store.restoring.Takeover._bring", disk_full)
        with pytest.raises(SophonError, match="disk is full"):
            restore(store, file)
    with pytest.raises(SophonError, match="under way"):
        write_backup(store, tmp_path / "half")
    assert store.finish_restoration() == Restored(people=2, events=0, left_out=0)
    assert people(store) == {"A", "B"}
    assert list(store.data_dir.glob("restoring")) == []


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_restoration_that_a_crash_ends_is_complete_when_the_box_starts_again(
    new_box: Store, file: Path, steps: int
) -> None:
    with new_box.write() as transaction:
        enrol(transaction, "Z")
    new_box.close()
    crash = """
import os, signal, sys
from sophon.backups import Restoration
from sophon.store import Store
from sophon.store.restoring import Takeover
step, left = Takeover.step, int(sys.argv[3])
def and_crash(self):
    global left
    left -= 1
    taken = step(self)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return taken
Takeover.step = and_crash
with Store(__import__("pathlib").Path(sys.argv[1])) as store, Restoration(store) as restoration:
    restoration.feed(open(sys.argv[2], "rb").read())
    restoration.put_in_place()
"""
    ended = subprocess.run([sys.executable, "-c", crash, str(new_box.data_dir), str(file), str(steps)])
    assert ended.returncode == -signal.SIGKILL
    with Store(new_box.data_dir, exclusive=False) as looked_at:
        assert looked_at.is_restoring
    with Store(new_box.data_dir) as again:
        assert people(again) == {"A", "B"}
        assert not again.is_restoring
        assert again.check() == []
        with again.read() as snapshot:
            assert snapshot.events.pictures(1).face == b"face"
            assert snapshot.people.photo("A") == b"photo"
    assert list(new_box.data_dir.glob("restoring")) == []


def restore_beside(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch, deeds: list[Callable[[Transaction], object]]
) -> set[str]:
    """Restore, and do a deed after each group; who was told of as changed."""
    changed: set[str] = set()

    def do(_seconds: float) -> None:
        if deeds:
            with store.write() as transaction:
                deeds.pop(0)(transaction)

    monkeypatch.setattr("sophon.store.database.time.sleep", do)
    with Restoration(store) as restoration:
        restoration.feed(file.read_bytes())
        restoration.put_in_place(follow=lambda _transaction, ids: changed.update(ids))
    assert deeds == []
    return changed


def test_what_is_done_during_a_restoration_counts_as_done_after_it(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as transaction:
        enrol(transaction, "C")

    def erase(transaction: Transaction) -> None:
        transaction.people.delete("B")
        transaction.erasures.note("B", 1)

    changed = restore_beside(
        store,
        file,
        monkeypatch,
        [
            lambda transaction: enrol(transaction, "A", "newer"),
            erase,
            lambda transaction: enrol(transaction, "D"),
        ],
    )
    assert people(store) == {"A", "D"}
    assert changed == {"B", "C"}
    with store.read() as snapshot:
        person = snapshot.people.get("A")
        assert person is not None
        assert person.name == "newer"


def test_a_wipe_during_a_restoration_is_the_end_of_it(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wipe(transaction: Transaction) -> None:
        seq = transaction.inbox.next_seq()
        transaction.people.clear()
        transaction.counters.set(WIPED_AT, seq)

    restore_beside(store, file, monkeypatch, [wipe])
    assert people(store) == set()
    assert not store.is_restoring


def test_events_made_during_a_restoration_come_after_those_it_brings(
    new_box: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore_beside(
        new_box,
        file,
        monkeypatch,
        [lambda transaction: transaction.events.add(sighting("B"), EventPictures())],
    )
    with new_box.read() as snapshot:
        assert [(event.id, event.identity_id) for event in snapshot.events.after(0)] == [(1, "A"), (2, "B")]


def test_many_people_come_in_groups_and_others_write_in_between(
    store: Store, new_box: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as transaction:
        for number in range(130):
            enrol(transaction, f"{number:03}")
    with new_box.write() as transaction:
        for number in range(100, 230):
            enrol(transaction, f"{number:03}", "former")
    write_backup(store, tmp_path / "large")
    between = [lambda transaction: transaction.counters.add("between")] * 7
    restore_beside(new_box, tmp_path / "large", monkeypatch, [*between])
    with new_box.read() as snapshot:
        assert snapshot.people.all_ids() == {f"{number:03}" for number in range(130)}
        assert {person.name for person in snapshot.people.page(200)} == {"Ann"}
        assert snapshot.counters.get("between") == 7


def test_a_backup_is_one_moment_while_others_write(store: Store, tmp_path: Path) -> None:
    """Whoever is in the backup is there wholly, and so is everybody before."""
    stopping = threading.Event()

    def go_on() -> None:
        number = 0
        while not stopping.is_set():
            with store.write() as transaction:
                enrol(transaction, f"{number:06}")
            number += 1

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        for number in range(5):
            write_backup(store, tmp_path / f"backup {number}")
    finally:
        stopping.set()
        writer.join()
    for number in range(5):
        with Store(tmp_path / f"box {number}") as box:
            count = restore(box, tmp_path / f"backup {number}").people
            assert people(box) == {f"{one:06}" for one in range(count)}
            with box.read() as snapshot:
                assert len(list(snapshot.people.gallery("m"))) == count

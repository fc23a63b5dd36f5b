"""The store on real SQLite files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sophon.errors import ConfigError
from sophon.store import (
    FaceRow,
    Kind,
    Lane,
    PersonRow,
    SettledItem,
    State,
    Store,
    StoreUnavailableError,
    Transaction,
)
from sophon.store.schema import MIGRATIONS

PHOTO = b"\xff\xd8 the only photograph of Li Lei " * 40


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as store:
        yield store


def person(identity_id: str, seq: int = 1) -> PersonRow:
    return PersonRow(identity_id, {"name": "Li Lei", "card": "A-77"}, 1, seq, 1000)


def face(photo: bytes = PHOTO) -> FaceRow:
    return FaceRow(photo, b"s" * 32, "high", "making-1", np.array([0.6, 0.8], np.float32), b"crop")


def enrol(transaction: Transaction, identity_id: str) -> None:
    transaction.people.put(person(identity_id))
    transaction.people.put_face(identity_id, face())
    transaction.groups.ensure("default_group")
    transaction.groups.add_members("default_group", [identity_id])
    transaction.permissions.set_of_person(identity_id, ["1046", "0"])


def test_a_person_comes_back_with_everything(store: Store) -> None:
    with store.write() as transaction:
        enrol(transaction, "E1")
    with store.read() as snapshot:
        assert snapshot.people.get("E1") == person("E1")
        (row,) = snapshot.people.gallery("making-1")
        assert row.identity_id == "E1"
        assert row.groups == ("default_group",)
        assert sorted(row.permissions) == ["0", "1046"]
        np.testing.assert_array_equal(row.embedding, np.array([0.6, 0.8], np.float32))
        assert list(snapshot.people.gallery("making-2")) == []
        assert [group.name for group in snapshot.permissions.all()] == ["0", "1046"]


def test_a_block_that_raises_changes_nothing_and_runs_no_action(store: Store) -> None:
    ran: list[str] = []
    with suppress(ZeroDivisionError), store.write() as transaction:
        enrol(transaction, "E1")
        transaction.after_commit(lambda: ran.append("whole"))
        raise ZeroDivisionError
    with store.write() as transaction:
        with suppress(ZeroDivisionError), transaction.savepoint():
            enrol(transaction, "E2")
            transaction.after_commit(lambda: ran.append("part"))
            raise ZeroDivisionError
        enrol(transaction, "E3")
        transaction.after_commit(lambda: ran.append("kept"))
    with store.read() as snapshot:
        assert snapshot.people.all_ids() == {"E3"}
    assert ran == ["kept"]


def test_a_deleted_face_is_nowhere_in_the_files(store: Store) -> None:
    with store.write() as transaction:
        enrol(transaction, "E1")
    store.scrub()
    assert PHOTO[:30] in (store.data_dir / "sophon.db").read_bytes()
    with store.write() as transaction:
        assert transaction.people.delete("E1")
        assert not transaction.people.delete("E1")
    store.scrub()
    for file in store.data_dir.iterdir():
        assert PHOTO[:30] not in file.read_bytes()
    with store.read() as snapshot:
        assert snapshot.groups.of_person("E1") == []


def test_a_second_process_is_refused_and_a_looking_one_is_not(store: Store) -> None:
    with pytest.raises(ConfigError, match="in use by another sophon process"):
        Store(store.data_dir)
    with store.write() as transaction:
        enrol(transaction, "E1")
    with Store(store.data_dir, exclusive=False) as other, other.read() as snapshot:
        assert snapshot.people.count() == 1


def test_a_committed_command_survives_sigkill(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from sophon.store import Lane, Store
store = Store(Path({str(tmp_path)!r}))
with store.write() as transaction:
    transaction.inbox.add(key="k", lane=Lane.COMMAND, method="m", message_id=None, body=b"b", body_sha256=b"s", at=1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with Store(tmp_path) as store, store.read() as snapshot:
        row = snapshot.inbox.by_key("k")
        assert row is not None
        assert row.state is State.NEW
        assert snapshot.inbox.body(row.seq) == b"b"


def test_a_newer_schema_is_refused_with_a_remedy(tmp_path: Path) -> None:
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "sophon.db")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(ConfigError, match=r"newer version.*install that version"):
        Store(tmp_path)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"data_dir: .*file"):
        Store(tmp_path / "file" / "below")


def test_a_locked_database_is_unavailable_and_then_works_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.store.database.BUSY_TIMEOUT_S", 0.05)
    store._recover()  # a writer with the short time-out
    other = sqlite3.connect(store.data_dir / "sophon.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailableError, match="locked"), store.write() as transaction:
        transaction.counters.add("never")
    other.execute("ROLLBACK")
    with store.write() as transaction:
        assert transaction.counters.add("again") == 1
        assert transaction.counters.get("never") == 0
    other.close()


def test_the_sequence_never_goes_back(store: Store) -> None:
    with store.write() as transaction:
        first = transaction.inbox.next_seq()
        second = transaction.inbox.add(
            key="k", lane=Lane.COMMAND, method="", message_id=None, body=b"", body_sha256=b"", at=0
        )
        transaction.inbox.delete(second)
        assert transaction.inbox.next_seq() == first + 2


def test_a_tombstone_outlives_its_person(store: Store) -> None:
    with store.write() as transaction:
        enrol(transaction, "E1")
        transaction.people.delete("E1")
        transaction.people.bury(["E1"], 7)
        transaction.people.bury(["E1"], 3)
        assert transaction.people.last_written("E1") == 7
        transaction.people.forget_tombstones(before=8)
        assert transaction.people.last_written("E1") == 0


def test_an_older_name_of_a_permission_group_never_wins(store: Store) -> None:
    with store.write() as transaction:
        transaction.permissions.ensure(["1"])
        transaction.permissions.rename("1", "north gate", 5)
        transaction.permissions.rename("1", "old name", 4)
        (group,) = transaction.permissions.all()
        assert group.name == "north gate"


def test_an_item_is_settled_once(store: Store) -> None:
    with store.write() as transaction:
        seq = transaction.inbox.add(
            key="k", lane=Lane.COMMAND, method="", message_id=None, body=b"", body_sha256=b"", at=0
        )
        batches = transaction.batches
        batches.plan(seq, ["A", "B"])
        assert batches.underway(["A", "C"], before=seq + 1) == {"A"}
        assert batches.underway(["A"], before=seq) == set()
        batches.supersede(["A"], seq + 1, 40000, "superseded")
        batches.settle(seq, SettledItem(0, "A", 0, "Li Lei"))
        batches.settle(seq, SettledItem(1, "B", 40006, "Han", ("clarity", "mask")))
        assert batches.settled(seq) == [
            SettledItem(0, "A", 40000, detail="superseded"),
            SettledItem(1, "B", 40006, "Han", ("clarity", "mask")),
        ]
        assert not batches.any_underway(before=seq + 1)


def test_results_are_owed_in_order_and_by_receiver(store: Store) -> None:
    with store.write() as transaction:
        outbox = transaction.outbox
        for number, path in enumerate([None, "/a", "/b", "/a"]):
            outbox.add(message_id=f"m{number}", kind=Kind.RESULT, notify_path=path, body=b"{}", at=0)
        assert [row.message_id for row in outbox.oldest([Kind.RESULT], 3)] == ["m0", "m1", "m2"]
        assert outbox.oldest([Kind.FIQA], 3) == []
        assert set(outbox.receivers([Kind.RESULT])) == {None, "/a", "/b"}
        first, second = outbox.oldest_for("/a", [Kind.RESULT, Kind.FIQA], 9)
        outbox.failed(first.id)
        outbox.delivered([second.id])
        (left,) = outbox.oldest_for("/a", [Kind.RESULT], 9)
        assert (left.message_id, left.attempts) == ("m1", 1)
        assert outbox.counts() == {"result": 3}


def test_keys_are_remembered_by_age_and_number(store: Store) -> None:
    with store.write() as transaction:
        inbox = transaction.inbox
        for number in range(10):
            seq = inbox.add(
                key=f"k{number}",
                lane=Lane.COMMAND,
                method="",
                message_id=None,
                body=b"",
                body_sha256=b"",
                at=0,
            )
            state = State.DEAD if number < 4 else State.DONE
            inbox.finish(seq, state=state, code=0, result=b"{}", reason="", notify_path=None, at=number)
        assert inbox.forget(finished_before=8, keep_done=5, keep_dead=3) == 1 + 1
        assert inbox.counts() == {"dead": 3, "done": 5}


def test_what_an_answered_command_held_is_not_there_any_more_and_soon_nowhere_on_disk(tmp_path: Path) -> None:
    held = b"a face, base64 " * 10_000
    with Store(tmp_path) as store:
        with store.write() as transaction:
            seq = transaction.inbox.add(
                key="k",
                lane=Lane.FIQA,
                method="fiqa",
                message_id=None,
                body=held,
                body_sha256=b"",
                at=0,
            )
        # When it is answered
        with store.write() as transaction:
            transaction.inbox.finish(
                seq, state=State.DONE, code=0, result=b"{}", reason="", notify_path=None, at=0
            )
            # Then it can't be had any more
            assert transaction.inbox.body(seq) == b""
            assert transaction.inbox.has_spent_bodies()
        # And when the disk is scrubbed, then it is not there either
        store.scrub()
        assert all(held[:100] not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        with store.read() as snapshot:
            assert not snapshot.inbox.has_spent_bodies()

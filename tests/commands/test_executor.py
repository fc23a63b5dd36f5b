"""Order, repetition and restarts: each accepted command has the effect of one execution, and an answer."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from sophon.commands import Intake
from sophon.contract import Person, RefusedPerson, encode_photo
from sophon.engine import FaceEngine
from sophon.erasure import find_bytes
from sophon.errors import Code, SophonError
from sophon.platform import PlatformClient
from sophon.store import InboxRow, Kind, State, StoreUnavailableError
from tests.commands.rig import Rig

Json = dict[str, Any]


def add(photo: str, *ids: str, **fields: Any) -> Json:
    return {
        "method": "add_users_plus",
        "user_info_list": [{"identity_id": one, "reg_photo": photo, "info": {"name": one}} for one in ids],
        **fields,
    }


def delete(*ids: str, **fields: Any) -> Json:
    return {"method": "delete_users", "userid_list": list(ids), **fields}


def wipe(**fields: Any) -> Json:
    return {"method": "wipe_data", "wipe_options": {"users": True, "events": True}, **fields}


def test_the_same_id_with_the_same_bytes_is_answered_again_and_not_done_again(rig: Rig, photo: str) -> None:
    first = rig.do(add(photo, "E1", messageId="m1"))
    rig.do(delete("E1"))
    assert rig.send(add(photo, "E1", messageId="m1")) is Intake.REPEATED
    rig.executor.run_until_idle()
    assert rig.answers() == [first]
    assert rig.people() == set()


def test_a_command_repeated_before_its_turn_is_done_once_and_answered_for_each(rig: Rig, photo: str) -> None:
    for _ in range(3):
        rig.send(delete("E1", messageId="m1"))
    rig.executor.run_until_idle()
    answers = rig.answers()
    assert len(answers) == 3
    assert answers[0] == answers[1] == answers[2]
    with rig.store.read() as snapshot:
        assert snapshot.counters.get("commands") == 1


def test_every_copy_of_a_result_carries_the_same_message_id(rig: Rig) -> None:
    rig.send(delete("E1", messageId="m1"))
    rig.executor.run_until_idle()
    rig.restart()
    rig.send(delete("E1", messageId="m1"))
    with rig.store.read() as snapshot:
        first, second = snapshot.outbox.oldest([Kind.RESULT], 9)
    assert first.message_id == second.message_id
    assert first.body == second.body


def test_the_same_id_with_other_bytes_is_a_new_command(rig: Rig, photo: str) -> None:
    rig.do(add(photo, "E1", messageId="m1"))
    assert rig.do(delete("E1", messageId="m1"))["result"]["success_users"][0]["userid"] == "E1"


@pytest.mark.parametrize("message_id", ["", None])
def test_without_an_id_commands_are_done_again_in_order(rig: Rig, photo: str, message_id: str | None) -> None:
    for command in (delete("E1"), add(photo, "E1"), delete("E1"), add(photo, "E1"), delete("E1")):
        rig.send({**command, "messageId": message_id})
    rig.executor.run_until_idle()
    assert [len(one["result"]["success_users"]) for one in rig.answers()] == [0, 1, 1, 1, 1]
    assert rig.people() == set()


def test_only_the_newest_command_sent_again_first_thing_is_absorbed(rig: Rig) -> None:
    rig.send(wipe())
    assert rig.send(wipe(), redelivered=True, first_of_link=True) is Intake.ABSORBED
    assert rig.send(wipe(), redelivered=True) is Intake.NEW
    assert rig.send(wipe(), first_of_link=True) is Intake.NEW
    assert rig.send(delete("E1"), redelivered=True, first_of_link=True) is Intake.NEW


def test_a_replay_of_commands_with_and_without_id_revives_nobody(rig: Rig, photo: str) -> None:
    added, deleted = add(photo, "E1"), delete("E1") | {"messageId": "m2"}
    rig.send(added)
    rig.send(deleted)
    rig.executor.run_until_idle()
    rig.answers()
    # The acknowledgements are lost: the broker sends both again, the first of them over two links.
    rig.send(added, redelivered=True, first_of_link=True)
    rig.executor.run_until_idle()
    assert rig.people() == {"E1"}
    assert rig.send(deleted, redelivered=True, first_of_link=True) is Intake.REPEATED
    rig.executor.run_until_idle()
    assert rig.people() == set()
    assert [one.get("messageId") for one in rig.answers()] == [None, "m2"]
    # And once more: it has been done after the copy of the first.
    rig.send(deleted, redelivered=True)
    with rig.store.read() as snapshot:
        assert snapshot.inbox.oldest_open_seq() is None


def test_a_replay_after_a_repetition_revives_nobody_either(rig: Rig, photo: str) -> None:
    # Given a person who is deleted, added, deleted again and, by a repetition that counts for nothing, added again
    added = add(photo, "E1") | {"messageId": "m1"}
    commands = [delete("E1"), added, delete("E1"), added]
    for command in commands:
        rig.send(command)
    rig.executor.run_until_idle()
    assert rig.people() == set()
    # When the broker sends all of it again
    for number, command in enumerate(commands):
        rig.send(command, redelivered=True, first_of_link=number == 0)
        rig.executor.run_until_idle()
    # Then it counts for nothing still
    assert rig.people() == set()


@pytest.mark.parametrize("message_id", [5, 1.5, True, ["a"], {"a": 1}, "x" * 10_000, "\u0000", "人"])
def test_an_odd_message_id_is_echoed_as_sent_and_recognised(rig: Rig, message_id: Any) -> None:
    command = delete("E1", messageId=message_id)
    assert rig.do(command)["messageId"] == message_id
    assert rig.send(command) is Intake.REPEATED


def test_a_message_id_that_no_float_holds_is_recognised(rig: Rig) -> None:
    one, other = (
        b'{"method": "delete_users", "userid_list": [], "messageId": %d}' % id_
        for id_ in (10**30, 10**30 + 1)
    )
    assert [rig.send(body) for body in (one, other, one)] == [Intake.NEW, Intake.NEW, Intake.REPEATED]
    rig.executor.run_until_idle()
    assert [answer["code"] for answer in rig.answers()] == [0, 0, 0]


def test_an_empty_message_id_is_echoed_and_null_is_absent(rig: Rig) -> None:
    assert rig.do(delete("E1", messageId=""))["messageId"] == ""
    assert "messageId" not in rig.do(delete("E1", messageId=None))


def test_nothing_is_lost_by_a_restart_between_any_two_steps(rig: Rig, photo: str) -> None:
    commands = [add(photo, "E1", "E2"), delete("E1"), add(photo, "E3", "E1"), delete("E2", "E3")]
    for command in commands:
        rig.send(command)
        rig.restart()
    for step in (rig.executor.run_commands, rig.enroller.run_next):
        assert step is not None
    while True:
        worked = rig.executor.run_commands()
        rig.restart()
        worked |= rig.executor.run_enrolment(threading.Event())
        rig.restart()
        if not worked:
            break
    assert len(rig.answers()) == len(commands)
    assert rig.people() == {"E1"}


def test_what_a_stopped_enrolment_left_is_carried_on(rig: Rig, photo: str) -> None:
    rig.send(add(photo, *(f"E{number}" for number in range(20))))
    assert rig.executor.run_commands()
    stopping = threading.Event()
    stopping.set()
    rig.executor.run_enrolment(stopping)
    assert rig.answers() == []
    rig.restart()
    rig.executor.run_until_idle()
    (answer,) = rig.answers()
    assert len(answer["result"]["success_users"]) == 20


class SlowPlatform:
    """Gives a photograph only when it is told to."""

    def __init__(self, photo: bytes) -> None:
        self._photo = photo
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def fetch_people(self, path: str, ids: Iterable[str]) -> Iterable[Person | RefusedPerson]:
        assert not list(ids)
        return []

    def fetch_photo(self, person: Person) -> bytes:
        self.asked.set()
        assert self.go_on.wait(30)
        return self._photo


def test_a_long_enrolment_is_overtaken_and_never_revives_whom_a_newer_command_deleted(
    tmp_path: Path, engine: FaceEngine, people: Path
) -> None:
    # Given an enrolment that waits for a slow photograph
    platform = SlowPlatform((people / "barack_obama" / "obama.jpg").read_bytes())
    rig = Rig(tmp_path / "data", engine, platform, patience_s=0.2)
    rig.send(add("-", "E1", "E2", messageId="slow"))
    assert rig.executor.run_commands()
    enrolling = threading.Thread(target=rig.executor.run_enrolment, args=(threading.Event(),))
    enrolling.start()
    assert platform.asked.wait(10)

    # When one of its people is deleted meanwhile
    rig.send(delete("E1", "E9"))
    assert not rig.executor.run_commands()  # patient at first
    while not rig.executor.run_commands():
        pass

    # Then the deletion is answered before the photograph comes, and what comes later changes nothing
    (deleted,) = rig.answers()
    assert [one["userid"] for one in deleted["result"]["success_users"]] == ["E1"]
    assert [one["userid"] for one in deleted["result"]["failed_users"]] == ["E9"]
    platform.go_on.set()
    enrolling.join(30)
    (added,) = rig.answers()
    assert [one["userid"] for one in added["result"]["success_users"]] == ["E2"]
    (superseded,) = added["result"]["failed_users"]
    assert (superseded["userid"], superseded["detail"]) == ("E1", "superseded by a newer command")
    assert rig.people() == {"E2"}
    rig.close()


def test_a_wipe_supersedes_an_enrolment_and_enrolling_works_after_it(
    tmp_path: Path, engine: FaceEngine, people: Path
) -> None:
    platform = SlowPlatform((people / "barack_obama" / "obama.jpg").read_bytes())
    rig = Rig(tmp_path / "data", engine, platform, patience_s=0.0)
    rig.send(add("-", *(f"E{number}" for number in range(50))))
    rig.executor.run_commands()
    enrolling = threading.Thread(target=rig.executor.run_enrolment, args=(threading.Event(),))
    enrolling.start()
    assert platform.asked.wait(10)
    rig.send(wipe())
    assert rig.executor.run_commands()
    platform.go_on.set()
    enrolling.join(30)
    _, added = rig.answers()
    assert {one["code"] for one in added["result"]["failed_users"]} == {40000}
    assert rig.people() == set()
    assert len(rig.do(add("-", "E1"))["result"]["success_users"]) == 1
    rig.close()


def test_fiqa_does_not_wait_for_an_enrolment(
    tmp_path: Path, engine: FaceEngine, people: Path, photo: str
) -> None:
    platform = SlowPlatform(b"")
    rig = Rig(tmp_path / "data", engine, platform)
    rig.send(add("-", "E1"))
    rig.executor.run_commands()
    enrolling = threading.Thread(target=rig.executor.run_enrolment, args=(threading.Event(),))
    enrolling.start()
    assert platform.asked.wait(10)
    rig.send({"method": "fiqa", "info": {"image_base64_str": photo}})
    assert rig.executor.run_fiqa()
    (answer,) = rig.answers()
    assert answer["result"]["data"][0]["fiqa_result"] is True
    platform.go_on.set()
    enrolling.join(30)
    rig.close()


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("", 40003),
        ("@@@", 40003),
        (encode_photo(b"<html>"), 40003),
        (encode_photo(b"\xff\xd8\xff\xe0 cut"), 40003),
    ],
)
def test_fiqa_of_what_is_no_photograph(rig: Rig, image: str, code: int) -> None:
    answer = rig.do({"method": "fiqa", "messageId": 1, "info": {"image_base64_str": image}})
    assert (answer["success"], answer["code"], answer["messageId"]) == (False, code, 1)
    assert answer["result"] == {}


def test_fiqa_takes_prefix_line_breaks_and_missing_padding(rig: Rig, photo: str) -> None:
    lines = "\r\n".join(photo[start : start + 76] for start in range(0, len(photo), 76))
    image = "data:image/jpeg;base64," + lines.rstrip("=")
    answer = rig.do({"method": "fiqa", "info": {"image_base64_str": image, "fiqa_level": ""}})
    assert answer["code"] == 0
    bad_level = rig.do({"method": "fiqa", "info": {"image_base64_str": image, "fiqa_level": "HIGH"}})
    assert bad_level["code"] == 40071


def test_permission_groups_are_named_and_the_last_name_wins(rig: Rig) -> None:
    def sync(*groups: tuple[Any, Any]) -> Json:
        return {
            "method": "sync_permissions",
            "permissions_info_list": [{"id": one, "info": {"name": name}} for one, name in groups],
        }

    rig.do(sync(("1", "old"), ("1", "new"), ("2", "two")))
    answer = rig.do(sync(("2", "second"), ("3", None)))
    assert [one["permission_id"] for one in answer["result"]["success_permission"]] == ["2"]
    (failed,) = answer["result"]["failed_permission"]
    assert (failed["permission_id"], failed["code"]) == ("3", 40071)
    with rig.store.read() as snapshot:
        assert {one.permission_id: one.name for one in snapshot.permissions.all()} == {
            "1": "new",
            "2": "second",
        }


def test_control_config_changes_the_matching_and_stays(rig: Rig) -> None:
    answer = rig.do(
        {"method": "control_config", "config_field": {"threshold": 82.0, "support_stranger_group": 1}}
    )
    assert answer["result"] == {
        "success_field": {"threshold": 82.0},
        "faild_field": {"support_stranger_group": 1},
    }
    assert rig.box.match_threshold == pytest.approx(0.82)
    rig.restart()
    assert rig.box.match_threshold == pytest.approx(0.82)


def test_a_wipe_needs_both_options_and_gives_back_what_came(rig: Rig, photo: str) -> None:
    rig.do(add(photo, "E1"))
    options = {"users": False, "events": True, "colour": "red"}
    assert rig.do({"method": "wipe_data", "wipe_options": options})["result"] == {"wipe_options": options}
    assert rig.people() == {"E1"}
    for broken in ({"users": True}, {"users": 1, "events": True}, {"users": "true", "events": False}, None):
        assert rig.do({"method": "wipe_data", "wipe_options": broken})["code"] == 40071
    assert rig.people() == {"E1"}
    rig.do(wipe())
    assert rig.people() == set()
    with rig.store.read() as snapshot:
        assert [group.name for group in snapshot.groups.all()] == ["default_group"]
        assert snapshot.permissions.all() == []


def test_a_defect_is_answered_set_aside_and_can_be_tried_again(
    rig: Rig, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.do(add(photo, "E1"))

    def defect(*_: object) -> set[str]:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(rig.box, "delete", defect)
        rig.send(delete("E1", messageId="m"))
        rig.executor.run_until_idle()
    with rig.store.read() as snapshot:
        (first,) = snapshot.outbox.oldest([Kind.RESULT], 9)
    (answer,) = rig.answers()
    assert (answer["code"], answer["messageId"]) == (50072, "m")
    assert rig.people() == {"E1"}
    with rig.store.write() as transaction:
        (row,) = transaction.inbox.newest_first([State.DEAD], 9)
        transaction.inbox.reopen(row.seq)
    rig.executor.run_until_idle()
    with rig.store.read() as snapshot:
        (again,) = snapshot.outbox.oldest([Kind.RESULT], 9)
    # Not a copy of the first answer, which a platform would drop
    assert again.message_id != first.message_id
    assert rig.answers()[0]["code"] == 0
    assert rig.people() == set()


def test_a_person_whose_enrolment_fails_inside_is_answered(
    rig: Rig, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(rig.box, "portrait", defect)
    (failed,) = rig.do(add(photo, "E1"))["result"]["failed_users"]
    assert (failed["code"], failed["detail"]) == (50072, "failed inside: ZeroDivisionError")


def test_a_feature_that_is_unusable_is_refused(rig: Rig, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.box._is_usable", lambda *_: False)
    (failed,) = rig.do(add(photo, "E1"))["result"]["failed_users"]
    assert failed["code"] == 40010
    assert rig.people() == set()


@pytest.mark.parametrize("path", ["http://[", "http://a:b/c", "//", "?", "http://"])
def test_a_path_that_is_no_address_fails_its_people_and_blocks_nobody(rig: Rig, path: str) -> None:
    answer = rig.do({"method": "add_users_plus", "userid_list": ["E1"], "extend_params": {"path": path}})
    assert answer["success"] is True
    assert [one["userid"] for one in answer["result"]["failed_users"]] == ["E1"]


def test_an_enrolment_that_fails_inside_is_set_aside_after_three_tries(
    rig: Rig, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> object:
        raise ZeroDivisionError

    rig.send(add(photo, "E1", messageId="m"))
    monkeypatch.setattr(rig.box, "enrol", defect)
    rig.executor.run_until_idle()
    (answer,) = rig.answers()
    assert (answer["code"], answer["messageId"]) == (50072, "m")
    assert rig.do(delete("E1"))["code"] == 0


BAD_JSON = [b"", b"   ", b"null", b"5", b"[]", b'"x"', b"\xff\xfe{\x00}\x00", b'{"method": "\xb7\xa2"}', b'{"method": "\\ud800"}',
            b'{"a": NaN}', b'{"a": 1e400}', b"[" * 1025, b'{"a":' * 2000 + b"1" + b"}" * 2000, b"{" * 1_000_000]  # fmt: skip


@pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_no_json_object_is_answered_and_set_aside(rig: Rig, body: bytes) -> None:
    answer = rig.do(body)
    assert (answer["success"], answer["code"], answer["messageKey"]) == (False, 40071, "")
    with rig.store.read() as snapshot:
        assert snapshot.inbox.counts() == {"dead": 1}


def test_a_message_over_the_limit_is_answered_and_its_body_not_kept(rig: Rig) -> None:
    answer = rig.do(b'{"method": "delete_users", "x": "' + b"y" * (40 << 20) + b'"}')
    assert answer["code"] == 40071
    assert "larger than" in answer["detail"]
    with rig.store.read() as snapshot:
        (row,) = snapshot.inbox.newest_first([State.DEAD], 9)
        assert len(snapshot.inbox.body(row.seq)) <= 256


def test_whom_a_killed_box_had_deleted_is_nowhere_on_disk_soon_after_the_next_start(
    rig: Rig, photo: str, tmp_path: Path, engine: FaceEngine, client: PlatformClient
) -> None:
    # given a box that is killed after a deletion, before it has scrubbed: its files as they are at that moment
    rig.do(add(photo, "E1"))
    with rig.store.read() as snapshot:
        (row,) = snapshot.people.gallery(rig.box.engine.making_id)
    embedding = row.embedding.tobytes()
    rig.send(delete("E1"))
    assert rig.executor.run_commands()
    killed = tmp_path / "killed"
    shutil.copytree(rig.data_dir, killed)
    assert find_bytes(killed, embedding)
    # when it starts again
    again = Rig(killed, engine, client)
    again.executor.run_until_idle()
    # then
    assert again.people() == set()
    assert not find_bytes(killed, embedding)
    again.close()


def test_a_byte_order_mark_is_allowed(rig: Rig) -> None:
    assert rig.do(b"\xef\xbb\xbf" + orjson.dumps(delete("E1")))["code"] == 0


@pytest.mark.parametrize("method", ["ADD_USERS_PLUS", " fiqa", "explode", 5, ["fiqa"], None, {}])
def test_an_unknown_method_is_answered(rig: Rig, method: Any) -> None:
    answer = rig.do({"method": method, "messageId": "m"})
    assert (answer["code"], answer["messageId"]) == (40071, "m")
    assert answer["messageKey"] == (method if isinstance(method, str) else "")


def test_the_store_being_away_loses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.send(delete("E1"))

    def full(*_: object) -> set[str]:
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(rig.box, "delete", full)
        with pytest.raises(SophonError) as caught:
            rig.executor.run_commands()
    assert caught.value.code is Code.SERVER_PROCESS_FAILED
    assert rig.answers() == []
    rig.executor.run_until_idle()
    assert len(rig.answers()) == 1


def test_a_photograph_judged_while_the_store_is_away_is_judged_again_without_a_restart(
    rig: Rig, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.store.database.BUSY_TIMEOUT_S", 0.05)
    rig.store._recover()  # a writer with the short time-out
    other = sqlite3.connect(rig.store.data_dir / "sophon.db", isolation_level=None)
    times: list[int] = []
    assess = rig.box.assess

    def assess_and_lock(*args: Any) -> Any:
        times.append(row().attempts)
        if len(times) < 3:
            other.execute("BEGIN IMMEDIATE")
        return assess(*args)

    def row() -> InboxRow:
        with rig.store.read() as snapshot:
            row = snapshot.inbox.by_seq(1)
        assert row is not None
        return row

    # Given a command whose answer the store can't take, nor the one after that
    monkeypatch.setattr(rig.box, "assess", assess_and_lock)
    rig.send({"method": "fiqa", "messageId": "f", "info": {"image_base64_str": photo}})
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            rig.executor.run_fiqa()
        # While it is away, nothing happens
        with pytest.raises(StoreUnavailableError):
            rig.executor.run_fiqa()
        assert row().state is State.RUNNING
        other.execute("ROLLBACK")
    # When it is back, then the command is carried out, and the attempts in vain don't speak against it
    rig.executor.run_until_idle()
    (answer,) = rig.answers()
    assert (answer["code"], answer["messageId"]) == (0, "f")
    assert times == [1, 1, 1]
    assert row().state is State.DONE
    other.close()


def test_each_command_leaves_one_line_with_its_id_duration_and_counts(rig: Rig, photo: str) -> None:
    with structlog.testing.capture_logs() as lines:
        rig.do(add(photo, "E1", messageId="m1"))
        rig.do(delete("E1", "E2", messageId="m2"))
    told = [line for line in lines if line["event"] == "command done"]
    assert [line["message_id"] for line in told] == ['"m1"', '"m2"']
    assert (told[0]["enrolled"], told[0]["refused"]) == (1, 0)
    assert (told[1]["success_users"], told[1]["failed_users"]) == (1, 1)
    assert all(line["seconds"] >= 0 for line in told)

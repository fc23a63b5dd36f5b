"""What a deleted person's name leaves behind: nothing, also where results are kept for repeated commands."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sophon.commands import forget_names
from sophon.commands.jobs import file_job
from sophon.erasure import find_bytes
from sophon.store import SettledItem
from tests.commands.rig import Rig

NAMES = {"E1": "Xanthippe Quuxington", "E2": "Zebulon Vance"}


def adding(photo: str) -> dict[str, Any]:
    people = [{"identity_id": one, "reg_photo": photo, "info": {"name": name}} for one, name in NAMES.items()]
    return {"method": "add_users_plus", "messageId": "m1", "user_info_list": people}


def kept(rig: Rig, name: str) -> bool:
    return bool(find_bytes(rig.data_dir, name.encode()))


def deleting(identity_id: str) -> dict[str, Any]:
    return {"method": "delete_users", "userid_list": [identity_id]}


WIPE = {"method": "wipe_data", "wipe_options": {"users": True, "events": True}}


def test_a_deleted_name_leaves_a_kept_result_and_the_disk(rig: Rig, photo: str) -> None:
    # given two people, of whom one is deleted
    first = rig.do(adding(photo))
    assert [one["username"] for one in first["result"]["success_users"]] == list(NAMES.values())
    rig.do(deleting("E1"))
    # when the box tidies up: at first the answer is kept to the letter, for repetitions
    assert forget_names(rig.store) == 0
    assert kept(rig, NAMES["E1"])
    # and later not
    assert forget_names(rig.store, keep_s=0) == 1
    # then the name is nowhere, and a repetition of the command is answered as before but for it
    assert not kept(rig, NAMES["E1"])
    assert kept(rig, NAMES["E2"])
    again = rig.do(adding(photo))
    assert again["result"]["success_users"][0].pop("username") == ""
    assert first["result"]["success_users"][0].pop("username") == NAMES["E1"]
    assert again == first
    assert rig.people() == {"E2"}
    # and there is nothing more to do
    rig.answers()
    assert forget_names(rig.store, keep_s=0) == 0


def test_a_name_that_is_answered_after_its_deletion_goes_too(rig: Rig, photo: str) -> None:
    # given an enrolment under way, one of whose people is done and deleted again
    rig.send(adding(photo))
    rig.executor.run_commands()
    with rig.store.write() as transaction:
        enrolment = transaction.inbox.oldest_planned()
        assert enrolment is not None
        transaction.batches.settle(enrolment.seq, SettledItem(0, "E1", 0, NAMES["E1"], (), ""))
        rig.box.delete(transaction, transaction.inbox.next_seq(), ["E1"])
    # when the box tidies up before it is answered, and again later
    assert forget_names(rig.store, keep_s=0) == 0
    rig.executor.run_until_idle()
    (answer,) = rig.answers()
    assert answer["result"]["success_users"][0]["username"] == NAMES["E1"]
    assert forget_names(rig.store, keep_s=0) == 1
    # then the name is gone
    assert not kept(rig, NAMES["E1"])


def test_a_job_has_no_result_and_hinders_nothing(rig: Rig, photo: str) -> None:
    with rig.store.write() as transaction:
        file_job(transaction, "add_users_plus", orjson.dumps(adding(photo)))
    rig.executor.run_until_idle()
    rig.do(deleting("E1"))
    assert forget_names(rig.store, keep_s=0) == 0
    assert not kept(rig, NAMES["E1"])


def test_a_wipe_takes_all_names(rig: Rig, photo: str) -> None:
    rig.do(adding(photo))
    rig.do(WIPE)
    assert forget_names(rig.store, keep_s=0) == 1
    assert not any(kept(rig, name) for name in NAMES.values())


@pytest.mark.parametrize("ending", [deleting("E1"), WIPE], ids=["deleted", "wiped"])
def test_who_came_back_keeps_the_name_in_the_newer_result(
    rig: Rig, photo: str, ending: dict[str, Any]
) -> None:
    rig.do(adding(photo))
    rig.do(ending)
    newer = rig.do({**adding(photo), "messageId": "m2"})
    forget_names(rig.store, keep_s=0)
    assert rig.do({**adding(photo), "messageId": "m2"}) == newer

"""One box, two front doors: what MQ and REST do to the same people ends as the later one says."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest

from sophon.commands import Enroller, Executor
from sophon.contract import AddUsersPlus, Person, PersonInfo, RefusedPerson, decode_photo
from tests.api.conftest import RunningApi, data, enrol, error

pytestmark = pytest.mark.slow

USERS = "/SophonFogSys/api/users"


class SlowPlatform:
    """A platform whose photographs come only when the test lets them."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let = threading.Event()

    def fetch_people(self, path: str, ids: Sequence[str]) -> Iterator[Person | RefusedPerson]:
        yield from ()

    def fetch_photo(self, person: Person) -> bytes:
        self.asked.set()
        assert self.let.wait(30)
        return decode_photo(person.reg_photo or "")


@pytest.fixture
def platform() -> SlowPlatform:
    return SlowPlatform()


@pytest.fixture
def executor(api: RunningApi, platform: SlowPlatform) -> Iterator[Executor]:
    enroller = Enroller(api.store, api.box, platform, dev_sno="BOXA0001")
    yield Executor(api.store, api.box, enroller, dev_sno="BOXA0001", patience_s=0)
    platform.let.set()
    enroller.close()


def command(photo: str, name: str = "by MQ") -> bytes:
    person = Person(identity_id="E1", reg_photo=photo, fiqa_level="no", info=PersonInfo(name=name))
    return AddUsersPlus(message_id="m", user_info_list=[person]).encode()


def names(client: httpx.Client) -> list[str]:
    return [one["info"]["name"] for one in data(client.get(USERS))["identities_list"]]


def test_who_comes_by_either_door_is_the_same(
    admin: httpx.Client, executor: Executor, platform: SlowPlatform, api: RunningApi, obama: str
) -> None:
    platform.let.set()
    executor.take_in(command(obama))
    executor.run_until_idle()
    [by_mq] = data(admin.get(USERS))["identities_list"]
    data(enrol(admin, obama, ignore_exist=True, info={"name": "by MQ"}))
    [by_rest] = data(admin.get(USERS))["identities_list"]
    assert by_mq == by_rest
    assert len(api.box) == 1


@pytest.mark.parametrize("door", ["users", "wipe", "group"])
def test_a_rest_delete_during_an_mq_enrolment_is_the_later_word(
    admin: httpx.Client,
    executor: Executor,
    platform: SlowPlatform,
    api: RunningApi,
    obama: str,
    biden: str,
    door: str,
) -> None:
    data(enrol(admin, biden, info={"name": "before"}))
    executor.take_in(command(obama))
    enrolling = threading.Thread(target=executor.run_until_idle)
    enrolling.start()
    assert platform.asked.wait(30)
    if door == "users":
        data(admin.request("DELETE", USERS, json={"identity_id": "E1"}))
    elif door == "group":
        body = {"group_name": "default_group", "user_recursive_delete": True}
        data(admin.request("DELETE", "/SophonFogSys/api/groups", json=body))
    else:
        wipe = {"wipe_options": {"users": True, "events": False}}
        data(admin.post("/SophonFogSys/api/WipeData", json=wipe))
    platform.let.set()
    enrolling.join(60)
    assert names(admin) == []
    assert len(api.box) == 0


def test_a_rest_enrolment_during_an_mq_enrolment_is_the_later_word(
    admin: httpx.Client, executor: Executor, platform: SlowPlatform, obama: str, biden: str
) -> None:
    executor.take_in(command(obama))
    enrolling = threading.Thread(target=executor.run_until_idle)
    enrolling.start()
    assert platform.asked.wait(30)
    data(enrol(admin, biden, info={"name": "by REST"}))
    platform.let.set()
    enrolling.join(60)
    assert names(admin) == ["by REST"]


def test_an_mq_enrolment_after_a_rest_delete_is_the_later_word(
    admin: httpx.Client, executor: Executor, platform: SlowPlatform, obama: str
) -> None:
    platform.let.set()
    data(enrol(admin, obama))
    data(admin.request("DELETE", USERS, json={"identity_id": "E1"}))
    executor.take_in(command(obama))
    executor.run_until_idle()
    assert names(admin) == ["by MQ"]


def test_a_person_whom_a_command_is_about_to_enrol_can_be_deleted(
    admin: httpx.Client, executor: Executor, platform: SlowPlatform, obama: str
) -> None:
    executor.take_in(command(obama))
    enrolling = threading.Thread(target=executor.run_until_idle)
    enrolling.start()
    assert platform.asked.wait(30)
    data(admin.request("DELETE", USERS, json={"identity_id": "E1"}))
    platform.let.set()
    enrolling.join(60)
    assert error(admin.get(USERS, params={"identity_id": "E1"})) == 40401

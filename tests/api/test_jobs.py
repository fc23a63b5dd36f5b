"""Many people at once: a job with progress, through the same inbox as the platform's commands."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import sophon
from sophon.commands import Enroller, Executor
from sophon.erasure import find_bytes, find_person
from sophon.photo_key import photo_keeping
from sophon.store import Kind, PhotoMode
from sophon.tokens import Role
from tests.api.conftest import RunningApi, data, error

ENROLMENTS = "/api/v1/enrolments"
NAME = "Xanthippe Quuxington"


@pytest.fixture
def start_executor() -> Iterator[Callable[[RunningApi], Executor]]:
    """What a start of the box makes: an executor that goes on with what is in the store."""
    enrollers: list[Enroller] = []

    def start(api: RunningApi) -> Executor:
        enroller = Enroller(api.store, api.box, api.station.platform, dev_sno="BOXA0001")
        enrollers.append(enroller)
        executor = Executor(api.store, api.box, enroller, dev_sno="BOXA0001", patience_s=0)
        executor.recover()
        return executor

    yield start
    for enroller in enrollers:
        enroller.close()


@pytest.fixture
def executor(start_executor: Callable[[RunningApi], Executor], api: RunningApi) -> Executor:
    return start_executor(api)


def someone(identity_id: object, photo: str, **fields: Any) -> dict[str, Any]:
    return {
        "identity_id": identity_id,
        "reg_photo": photo,
        "fiqa_level": "no",
        "info": {"name": NAME},
        **fields,
    }


def test_a_job_says_how_far_it_is_and_how_it_went_with_each(
    admin: httpx.Client, executor: Executor, api: RunningApi, obama: str, biden: str
) -> None:
    people = [someone("A", obama), someone("B", "@@@@"), "nobody", someone("C", biden), someone("A", obama)]
    filed = data(admin.post(ENROLMENTS, json={"people": people}))
    assert (filed["state"], filed["total"], filed["done"], filed["refused"]) == ("waiting", 4, 1, 1)
    assert api.station.woken == 1

    executor.run_until_idle()

    job = data(admin.get(f"/api/v1/jobs/{filed['id']}"))
    assert (job["state"], job["total"], job["done"], job["refused"]) == ("done", 4, 4, 2)
    assert job["finished_at"] >= job["received_at"]
    assert [(one["identity_id"], one["code"]) for one in job["outcomes"]] == [
        ("A", 0),
        ("B", 40003),
        ("", 40071),
        ("C", 0),
    ]
    second = data(admin.get(f"/api/v1/jobs/{filed['id']}", params={"after": 0, "limit": 1}))
    assert [one["identity_id"] for one in second["outcomes"]] == ["B"]
    assert len(api.box) == 2


def test_the_platform_is_not_answered_for_a_job_it_did_not_send(
    admin: httpx.Client, executor: Executor, api: RunningApi, obama: str
) -> None:
    data(admin.post(ENROLMENTS, json={"people": [someone("A", obama)]}))
    executor.run_until_idle()
    with api.store.read() as snapshot:
        assert snapshot.outbox.oldest(list(Kind), 10) == []


def test_a_job_is_carried_out_after_a_restart(
    admin: httpx.Client,
    start_executor: Callable[[RunningApi], Executor],
    api: RunningApi,
    obama: str,
    biden: str,
) -> None:
    filed = data(admin.post(ENROLMENTS, json={"people": [someone("A", obama), someone("B", biden)]}))
    before = start_executor(api)
    before.run_commands()  # the job is planned, and then the box ends
    assert data(admin.get(f"/api/v1/jobs/{filed['id']}"))["state"] == "running"

    start_executor(api).run_until_idle()

    job = data(admin.get(f"/api/v1/jobs/{filed['id']}"))
    assert (job["state"], job["done"], job["refused"]) == ("done", 2, 0)


@pytest.mark.parametrize("carried_out", [False, True], ids=["before its turn", "after it"])
def test_who_is_deleted_is_gone_from_the_job_too(
    admin: httpx.Client, executor: Executor, api: RunningApi, obama: str, biden: str, carried_out: bool
) -> None:
    people = [someone("A/1", obama), someone("B", biden, info={"name": "Bob"})]
    filed = data(admin.post(ENROLMENTS, json={"people": people}))
    if carried_out:
        executor.run_until_idle()
    data(admin.request("DELETE", "/SophonFogSys/api/users", json={"identity_id": "A/1"}))
    executor.run_until_idle()
    api.store.scrub()

    job = data(admin.get(f"/api/v1/jobs/{filed['id']}"))
    assert [one["identity_id"] for one in job["outcomes"]] == ["", "B"]
    assert (job["total"], job["done"]) == (2, 2)
    assert find_person(api.store, "A/1") == []
    assert find_bytes(api.store.data_dir, NAME.encode()) == []
    assert find_bytes(api.store.data_dir, base64.b64decode(obama)) == []
    assert find_bytes(api.store.data_dir, obama.encode()) == []
    assert [person["identity_id"] for person in data(admin.get("/api/v1/people"))["people"]] == ["B"]


@pytest.mark.parametrize("mode", ["encrypt", "none"])
def test_no_photograph_of_a_job_stays_in_the_clear_where_none_is_kept_so(
    start_api: Callable[..., RunningApi],
    start_executor: Callable[[RunningApi], Executor],
    obama: str,
    mode: PhotoMode,
) -> None:
    api = start_api(photos=photo_keeping(mode, "5a" * 32))
    with api.client() as admin:
        data(admin.post(ENROLMENTS, json={"people": [someone("A", obama)]}))
    assert find_bytes(api.store.data_dir, obama.encode())  # it waits for its turn
    start_executor(api).run_until_idle()
    assert len(api.box) == 1
    assert find_bytes(api.store.data_dir, obama.encode()) == []
    assert find_bytes(api.store.data_dir, base64.b64decode(obama)) == []


def test_a_job_fetches_no_photograph_from_where_the_box_calls_nobody(
    admin: httpx.Client, executor: Executor
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.2)
        port = inside.getsockname()[1]
        urls = [
            f"http://127.0.0.1:{port}/x",
            f"http://[::ffff:127.0.0.1]:{port}/x",
            "http://169.254.169.254/",
            "file:///etc/passwd",
        ]
        people = [
            {"identity_id": f"E{number}", "reg_url": url, "info": {"name": "Ann"}}
            for number, url in enumerate(urls)
        ]
        filed = data(admin.post(ENROLMENTS, json={"people": people}))
        executor.run_until_idle()
        with pytest.raises(TimeoutError):
            inside.accept()
    job = data(admin.get(f"/api/v1/jobs/{filed['id']}"))
    assert (job["done"], job["refused"]) == (4, 4)
    assert all(one["code"] >= 40000 for one in job["outcomes"])


def test_a_wipe_leaves_nobody_in_a_job(
    admin: httpx.Client, executor: Executor, api: RunningApi, obama: str, biden: str
) -> None:
    done = data(admin.post(ENROLMENTS, json={"people": [someone("A", obama)]}))
    executor.run_until_idle()
    waiting = data(admin.post(ENROLMENTS, json={"people": [someone("B", biden)]}))
    data(admin.post("/SophonFogSys/api/WipeData", json={"wipe_options": {"users": True, "events": False}}))
    executor.run_until_idle()
    for job in (done, waiting):
        [outcome] = data(admin.get(f"/api/v1/jobs/{job['id']}"))["outcomes"]
        assert outcome["identity_id"] == ""
    assert len(api.box) == 0


def test_what_is_no_list_of_people_is_refused_and_nothing_is_filed(
    admin: httpx.Client, api: RunningApi, obama: str
) -> None:
    bad: list[Any] = [[], {}, "x", None, [1] * 10_001]
    for people in bad:
        assert error(admin.post(ENROLMENTS, json={"people": people})) == 40091
    assert error(admin.post(ENROLMENTS, data={"people": "[]"})) == 41591
    assert error(admin.get("/api/v1/jobs/1")) == 40400
    with api.client(Role.VIEWER) as viewer:
        assert error(viewer.post(ENROLMENTS, json={"people": [someone("A", obama)]})) == 40300
    api.station.no_room = True
    assert error(admin.post(ENROLMENTS, json={"people": [someone("A", obama)]})) == 50300
    with api.store.read() as snapshot:
        assert snapshot.inbox.counts() == {}


def test_a_command_of_the_platform_is_no_job(
    admin: httpx.Client, executor: Executor, api: RunningApi
) -> None:
    executor.take_in(b'{"method": "delete_users", "userid_list": []}')
    assert error(admin.get("/api/v1/jobs/1")) == 40400


def test_a_script_enrols_in_as_many_requests_as_it_takes(
    api: RunningApi,
    executor: Executor,
    obama: str,
    biden: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sophon.client.REQUEST_PEOPLE", 2)
    photos = [base64.b64decode(obama), base64.b64decode(biden), b"no photograph"]
    people = [sophon.NewPerson(f"E{n}", photo, "Ann", {"n": n}, "no") for n, photo in enumerate(photos)]
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        jobs = list(client.enrol_many(people))
        assert [job.total for job in jobs] == [2, 1]
        executor.run_until_idle()
        assert [client.wait_for_job(job.id).refused for job in jobs] == [0, 1]
        assert [one.code for job in jobs for one in client.outcomes(job.id)] == [0, 0, 40003]
        assert client.person("E1").info["n"] == 1

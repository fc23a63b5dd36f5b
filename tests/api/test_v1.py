"""/api/v1."""

from __future__ import annotations

import httpx
import orjson

import sophon
from sophon.store import DeviceRow, EventPictures, EventRow
from sophon.tokens import Role
from tests.api.conftest import RunningApi, data, enrol, error

V1 = "/api/v1"


def test_the_status_says_how_the_box_is(admin: httpx.Client) -> None:
    assert data(admin.get(f"{V1}/status"))["phase"] == "consuming"


def test_people_are_searched_read_and_deleted(
    admin: httpx.Client, api: RunningApi, obama: str, biden: str
) -> None:
    data(enrol(admin, obama, "A/1", info={"name": "Ann"}))
    data(enrol(admin, biden, "B2", info={"name": "Bob", "desk": 7}))
    everybody = data(admin.get(f"{V1}/people"))
    assert (everybody["total"], [one["name"] for one in everybody["people"]]) == (2, ["Ann", "Bob"])
    found = data(admin.get(f"{V1}/people", params={"search": "bO", "limit": 1}))
    [bob] = found["people"]
    assert found["total"] == 1
    assert data(admin.get(f"{V1}/people", params={"group": "default_group", "limit": 1}))["total"] == 2
    assert data(admin.get(f"{V1}/people", params={"group": "nobody's"})) == {"total": 0, "people": []}
    assert (bob["identity_id"], bob["info"]["desk"], bob["groups"]) == ("B2", 7, ["default_group"])
    assert data(admin.get(f"{V1}/people/A%2F1"))["name"] == "Ann"
    assert data(admin.delete(f"{V1}/people/A%2F1"))["name"] == "Ann"
    assert error(admin.get(f"{V1}/people/A%2F1")) == 40401
    assert len(api.box) == 1


def test_a_picture_is_searched_and_compared(admin: httpx.Client, obama: str, biden: str) -> None:
    data(enrol(admin, obama, info={"name": "Ann"}))
    [face] = data(admin.post(f"{V1}/search", json={"image_base64": obama}))
    assert [(one["identity_id"], one["name"]) for one in face["people"]] == [("E1", "Ann")]
    [stranger] = data(admin.post(f"{V1}/search", json={"image_base64": biden}))
    assert stranger["people"] == []
    same = data(admin.post(f"{V1}/compare", json={"image_a_base64": obama, "image_b_base64": obama}))
    assert same["is_match"]
    other = data(admin.post(f"{V1}/compare", json={"image_a_base64": obama, "image_b_base64": biden}))
    assert not other["is_match"]
    assert error(admin.post(f"{V1}/search", data={"image_base64": obama})) == 41591
    assert error(admin.post(f"{V1}/search", json={"image_base64": obama, "k": 0})) == 40091


def test_events_are_read_by_id_and_streamed(admin: httpx.Client, api: RunningApi) -> None:
    with api.store.write() as transaction:
        for number in range(3):
            event = EventRow(number, f"E{number}", "Ann", 1, "default_group", "192.168.1.3", "0", 0.9, {})
            transaction.events.add(event, EventPictures())
    page = data(admin.get(f"{V1}/events", params={"limit": 2}))
    assert [event["identity_id"] for event in page["events"]] == ["E0", "E1"]
    assert [
        one["id"] for one in data(admin.get(f"{V1}/events", params={"after": page["last_id"]}))["events"]
    ] == [3]
    of_a_time = data(admin.get(f"{V1}/events", params={"since": 1, "until": 2}))
    assert [(event["id"], event["at"]) for event in of_a_time["events"]] == [(2, 1)]
    assert error(admin.get(f"{V1}/events", params={"since": -1})) == 40091
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        assert [event.id for event in client.events(since=1)] == [2, 3]
    with admin.stream("GET", f"{V1}/events/stream", headers={"Last-Event-ID": "2"}) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "id: 3"
        assert next(lines) == "event: event"
        assert orjson.loads(next(lines).removeprefix("data: "))["identity_id"] == "E2"


def test_devices_are_listed_without_their_secrets(admin: httpx.Client, api: RunningApi) -> None:
    with api.store.write() as transaction:
        transaction.devices.put(
            DeviceRow("192.168.1.31", "0", "gate", ftp_password="hidden", stream_url="rtsp://u:p@x")
        )
    answer = admin.get(f"{V1}/devices")
    assert [one["ip"] for one in data(answer)] == ["192.168.1.31"]
    assert "hidden" not in answer.text
    assert "rtsp" not in answer.text


def test_models_are_listed_with_their_licences(admin: httpx.Client) -> None:
    models = data(admin.get(f"{V1}/models"))
    assert {"detector", "embedding"} <= {one["role"] for one in models}
    assert all(one["licence"] for one in models)

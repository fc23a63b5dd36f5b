"""All reports together, to the reference platform, in both versions of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from pydantic import SecretStr

from sophon.contract import LoginResponse, RabbitMq
from sophon.platform import PlatformClient
from sophon.reports import DevicePresence, Reports
from sophon.sim import ReferencePlatform
from sophon.store import DeviceRow, Store
from tests.reports.conftest import add_events
from tests.reports.test_event_message import keys
from tests.reports.test_history import wait_until

STATUS = "/box/monitor/status/report"
DEVICES = "/box/device/sync"
OPERATIONS = "/brain/service/device/operate"
RECORDS = ("/box/cross/record/report", "/box/cross/record/backup")
PAD = DeviceRow("192.168.1.195", "0", "exit 1", 1, permission_id="1046", memo="", location="1046")
CAMERA = DeviceRow("192.168.1.101", "3", "hall", stream_url="rtsp://me:secret@192.168.1.101:554/ch2")

LINES = RabbitMq(
    host="127.0.0.1", port=1, login="x", password=SecretStr("x"), queue="q", un_need_bind_exchange=True
)
Version = Literal["V2R2C01", "V2R1C01"]


@contextmanager
def reporting(
    store: Store, version: Version, change: Callable[[LoginResponse], LoginResponse] = lambda login: login
) -> Iterator[tuple[ReferencePlatform, DevicePresence]]:
    with ReferencePlatform(protocol_version=version) as platform:
        platform.add_box("BOXA0001", LINES)
        with PlatformClient(platform.login_url, "BOXA0001") as client:
            login = change(client.login())
            presence = DevicePresence()
            with Reports(
                store,
                client,
                presence,
                login=lambda: login,
                identity=lambda: (platform.login_url, "BOXA0001"),
                version=version,
                sdk_version="making-1",
            ):
                yield platform, presence


def put(store: Store, *devices: DeviceRow) -> None:
    with store.write() as transaction:
        for device in devices:
            transaction.devices.put(device)


def example(name: str) -> Any:
    folder = Path(__file__).resolve().parents[3] / "shared" / "spec" / "examples"
    if not folder.is_dir():
        pytest.skip(f"no examples of the contract at {folder}")
    return orjson.loads((folder / f"{name}.json").read_bytes())


def test_the_status_has_the_contracts_fields_and_real_figures(store: Store) -> None:
    put(store, PAD, CAMERA)
    with reporting(store, "V2R2C01") as (platform, _presence):
        status = platform.wait_for(STATUS)[0].body
    assert keys({**status, "sub_devices": {}}) == keys({**example("device_status"), "sub_devices": {}})
    camera, pad = status["sub_devices"]
    assert set(camera) == set(example("device_status")["sub_devices"][0])
    assert camera["ep_url"] == "rtsp://192.168.1.101:554/ch2"
    assert (pad["ep_location"], pad["ep_status"], pad["ep_type"]) == ("1046", "offline", "0")
    figures = status["gateway_ext_data"]
    assert figures["memory_size"] > 0.1
    assert 0 < figures["memory_usage"] < 1
    assert 0 < figures["disk_free_size"] <= figures["disk_size"]
    assert figures["sdk_version"] == "making-1"
    assert figures["temperature"] is None or isinstance(figures["temperature"], int)


def test_the_status_of_v2r1_has_its_own_fields(store: Store) -> None:
    put(store, PAD)

    def monitored(login: LoginResponse) -> LoginResponse:
        return login.model_copy(update={"device_monitor_addr": STATUS})

    with reporting(store, "V2R1C01", monitored) as (platform, _presence):
        status = platform.wait_for(STATUS)[0].body
    (pad,) = status["sub_devices"]
    assert pad["ep_ext_data"] == {"sw_version": "", "group_name": "default_group"}
    assert "ep_location" not in pad
    figures = status["gateway_ext_data"]
    assert {"cpu_use", "memory_use", "disk_use", "cpu_usage", "memory_usage"} <= set(figures)


def test_the_whole_list_comes_at_the_start_and_on_every_change(store: Store) -> None:
    put(store, PAD)
    with reporting(store, "V2R2C01") as (platform, presence):
        first = platform.wait_for(DEVICES)[0].body
        presence.saw(CAMERA.ip)
        put(store, CAMERA)
        second = platform.wait_for(DEVICES, 2)[1].body
        with store.write() as transaction:
            transaction.devices.remove(PAD.ip)
        third = platform.wait_for(DEVICES, 3)[2].body
    wanted = example("device_list")
    wanted["deviceList"][0] |= {"epStatus": "offline", "lastMonitorTime": 0}
    assert first == wanted
    assert [(one["epIp"], one["epStatus"]) for one in second["deviceList"]] == [
        (CAMERA.ip, "online"),
        (PAD.ip, "offline"),
    ]
    assert second["deviceList"][0]["epStreamUrl"] == "rtsp://192.168.1.101:554/ch2"
    assert [one["epIp"] for one in third["deviceList"]] == [CAMERA.ip]


def test_the_whole_list_comes_again_with_each_login_even_if_it_answers_the_same(store: Store) -> None:
    put(store, PAD)
    with ReferencePlatform() as platform:
        platform.add_box("BOXA0001", LINES)
        with PlatformClient(platform.login_url, "BOXA0001") as client:
            logins = [client.login()]
            with Reports(
                store,
                client,
                DevicePresence(),
                login=lambda: logins[-1],
                identity=lambda: (platform.login_url, "BOXA0001"),
                version="V2R2C01",
                sdk_version="",
            ):
                platform.wait_for(DEVICES)
                logins.append(client.login())
                assert logins[0] == logins[1]
                first, second = platform.wait_for(DEVICES, 2)
    assert first.body == second.body


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (200, b'{"status": 1, "message": "no"}'), (200, b"<html>")]
)
def test_a_list_that_is_not_acknowledged_is_sent_again(store: Store, status: int, body: bytes) -> None:
    with ReferencePlatform() as platform:
        platform.add_box("BOXA0001", LINES)
        platform.misbehave(DEVICES, status=status, body=body)
        with PlatformClient(platform.login_url, "BOXA0001") as client:
            login = client.login()
            with Reports(
                store,
                client,
                DevicePresence(),
                login=lambda: login,
                identity=lambda: (platform.login_url, "BOXA0001"),
                version="V2R2C01",
                sdk_version="",
            ):
                first, second = platform.wait_for(DEVICES, 2)
    assert first.body == second.body


def test_v2r1_gets_one_operation_per_change_over_restarts(store: Store) -> None:
    put(store, PAD)
    with reporting(store, "V2R1C01") as (platform, _presence):
        added = platform.wait_for(OPERATIONS)[0].body
    wanted = example("device_operation_v2r1")
    assert keys(added) == keys(wanted)
    assert (added["actionType"], added["deviceInfo"]["epStatus"]) == (1, "3")
    with store.write() as transaction:
        transaction.devices.remove(PAD.ip)
    with reporting(store, "V2R1C01") as (platform, _presence):
        (deleted,) = platform.wait_for(OPERATIONS)
    assert (deleted.body["actionType"], deleted.body["deviceInfo"]["epIp"]) == (2, PAD.ip)


def test_both_record_addresses_get_every_event_with_the_token(store: Store) -> None:
    add_events(store, 3)
    with reporting(store, "V2R2C01") as (platform, _presence):
        for path in RECORDS:
            calls = platform.wait_for(path, 3)
            assert [call.body["identity_id"] for call in calls] == ["E0", "E1", "E2"]
            assert calls[0].query == {"dev_sno": "BOXA0001", "token": platform.token}
        with store.read() as snapshot:
            assert set(snapshot.event_receivers.active()) == set(RECORDS)


def test_the_logins_switches_leave_pictures_out(store: Store) -> None:
    add_events(store, 1)

    def without(login: LoginResponse) -> LoginResponse:
        return login.model_copy(
            update={"record_upload_reg": 0, "record_upload_spot_pic": 0, "record_upload_recognize_face": 0}
        )

    with reporting(store, "V2R2C01", without) as (platform, _presence):
        (call,) = platform.wait_for(RECORDS[0])
    assert "reg_pic" not in call.body
    assert {"spot_pic", "recognize_face"}.isdisjoint(call.body["ext_data"])


def test_urls_set_by_the_api_are_followed_at_once(store: Store) -> None:
    add_events(store, 1)
    with reporting(store, "V2R2C01") as (platform, _presence):
        with store.write() as transaction:
            transaction.settings.set(
                "history_event_url",
                {
                    "content-type": "json",
                    "history_upload_event_url": [f"{platform.root}/event"],
                    "history_need_reg_pic": False,
                    "reported_peroid": 20,
                },
            )
            transaction.settings.set(
                "monitor_server_url", {"monitor_server_url": f"{platform.root}/mine", "reported_peroid": 1}
            )
        (call,) = platform.wait_for("/event")
        assert "reg_pic" not in call.body
        assert platform.wait_for("/mine")[0].body["dev_sno"] == "BOXA0001"
        wait_until(lambda: _delivered_to_all(store) == 1)


def _delivered_to_all(store: Store) -> int | None:
    with store.read() as snapshot:
        return snapshot.event_receivers.delivered_to_all()

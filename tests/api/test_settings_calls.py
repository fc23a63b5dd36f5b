"""SophonMQ, and the settings of SophonFogSys: every call, good and bad."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import orjson
import pytest

from tests.api.conftest import RunningApi, data, error

FOG = "/SophonFogSys/api"


def test_dev_sno_is_answered_under_both_names(admin: httpx.Client) -> None:
    assert data(admin.get("/SophonMQ/api/DevSno")) == {"dev_sno": "BOXA0001", "response": "BOXA0001"}


def test_dev_sno_is_set_and_the_box_moves(admin: httpx.Client, api: RunningApi) -> None:
    assert data(admin.put("/SophonMQ/api/DevSno", json={"dev_sno": "BOXB0002"})) == {"response": "BOXB0002"}
    assert data(admin.get("/SophonMQ/api/DevSno"))["dev_sno"] == "BOXB0002"
    assert api.station.moves == [{"dev_sno": "BOXB0002", "login_url": None}]


def test_login_url_is_set_and_answered_under_both_names(admin: httpx.Client, api: RunningApi) -> None:
    url = "https://platform.example/login?x=1"
    assert data(admin.put("/SophonMQ/api/LoginUrl", json={"login_url": url})) == {"response": url}
    assert data(admin.get("/SophonMQ/api/LoginUrl")) == {"login_url": url, "response": url}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("DevSno", {}),
        ("DevSno", {"dev_sno": ""}),
        ("DevSno", {"dev_sno": None}),
        ("DevSno", {"dev_sno": 7}),
        ("DevSno", {"dev_sno": "a b"}),
        ("LoginUrl", {}),
        ("LoginUrl", {"login_url": "ftp://platform.example/"}),
        ("LoginUrl", {"login_url": "platform.example/login"}),
        ("LoginUrl", {"login_url": "http://user:pass@platform.example/login"}),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(
    admin: httpx.Client, api: RunningApi, path: str, body: dict[str, Any]
) -> None:
    assert error(admin.put(f"/SophonMQ/api/{path}", json=body)) == 40091
    assert api.station.moves == []


def test_the_controller_mode_is_kept(admin: httpx.Client) -> None:
    path = f"{FOG}/GateControllerMode"
    assert data(admin.get(path)) == {"controller_mode": "opendoor"}
    assert data(admin.post(path, json={"controller_mode": "alarm"})) == {"controller_mode": "alarm"}
    assert data(admin.post(path, data={"controller_mode": "avoid"})) == {"controller_mode": "avoid"}
    assert data(admin.get(path)) == {"controller_mode": "avoid"}
    assert error(admin.post(path, json={"controller_mode": "explode"})) == 40091


def test_the_event_server_is_kept(admin: httpx.Client) -> None:
    path = f"{FOG}/EventServerUrl"
    settings = {
        "content-type": "form-data",
        "event_server_url": ["http://192.168.1.9/e"],
        "real_need_reg_pic": False,
    }
    assert data(admin.get(path)) == {
        "content-type": "json",
        "event_server_url": [],
        "real_need_reg_pic": True,
    }
    assert data(admin.post(path, json=settings)) == settings
    assert data(admin.get(path)) == settings


def test_form_data_carries_lists_and_booleans_as_json_text(admin: httpx.Client) -> None:
    form = {
        "content-type": "json",
        "event_server_url": '["http://192.168.1.9/e"]',
        "real_need_reg_pic": "false",
    }
    settings = {
        "content-type": "json",
        "event_server_url": ["http://192.168.1.9/e"],
        "real_need_reg_pic": False,
    }
    assert (
        data(admin.post(f"{FOG}/EventServerUrl", files={k: (None, v) for k, v in form.items()})) == settings
    )


def test_the_history_server_is_kept(admin: httpx.Client) -> None:
    path = f"{FOG}/HistoryEventUrl"
    settings = {
        "history_upload_event_url": ["http://a.example/h"],
        "history_need_reg_pic": False,
        "content-type": "json",
        "reported_peroid": 30,
    }
    answer = data(admin.post(path, json=settings))
    assert answer.pop("message")
    assert answer == settings
    assert {**data(admin.get(path)), "message": ""} == {**settings, "message": ""}


def test_the_monitor_server_is_kept(admin: httpx.Client) -> None:
    path = f"{FOG}/MonitorServerUrl"
    assert data(admin.get(path)) == {"monitor_server_url": "", "reported_peroid": 20}
    body = {"monitor_server_url": "http://a.example/m", "content-type": "json", "reported_peroid": 1}
    assert data(admin.post(path, json=body)) == "ok"
    assert data(admin.get(path)) == {"monitor_server_url": "http://a.example/m", "reported_peroid": 1}


@pytest.mark.parametrize(
    ("call", "body", "code"),
    [
        ("EventServerUrl", {"event_server_url": ["http://a.example/"]}, 40091),
        ("EventServerUrl", {"event_server_url": "http://a.example/", "content-type": "json"}, 40091),
        ("EventServerUrl", {"event_server_url": ["gopher://a/"], "content-type": "json"}, 40091),
        ("EventServerUrl", {"event_server_url": [], "content-type": "xml"}, 40091),
        ("EventServerUrl", {"event_server_url": [], "content-type": "json", "real_need_reg_pic": 1}, 40005),
        (
            "HistoryEventUrl",
            {"history_upload_event_url": [], "content-type": "json", "reported_peroid": 19},
            40091,
        ),
        ("MonitorServerUrl", {"monitor_server_url": "http://a.example/", "content-type": "form-data"}, 40091),
        (
            "MonitorServerUrl",
            {"monitor_server_url": "http://a.example/", "content-type": "json", "reported_peroid": 0},
            40091,
        ),
        ("WipeData", {"wipe_options": {"users": True}}, 40091),
        ("WipeData", {"wipe_options": {"users": "yes", "events": False}}, 40005),
        ("WipeData", {}, 40091),
    ],
)
def test_wrong_parameters_have_their_codes(
    admin: httpx.Client, call: str, body: dict[str, Any], code: int
) -> None:
    assert error(admin.post(f"{FOG}/{call}", json=body)) == code


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5555/",
        "http://localhost/",
        "http://2130706433/",
        "http://127.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
    ],
)
def test_the_box_is_not_steered_into_itself_or_special_addresses(admin: httpx.Client, url: str) -> None:
    for path, body in (
        (f"{FOG}/EventServerUrl", {"event_server_url": [url], "content-type": "json"}),
        (f"{FOG}/HistoryEventUrl", {"history_upload_event_url": [url], "content-type": "json"}),
        (f"{FOG}/MonitorServerUrl", {"monitor_server_url": url, "content-type": "json"}),
    ):
        assert error(admin.post(path, json=body)) == 40091
    assert error(admin.put("/SophonMQ/api/LoginUrl", json={"login_url": url})) == 40091
    assert data(admin.get(f"{FOG}/EventServerUrl"))["event_server_url"] == []


def test_a_gate_is_ordered_and_its_failure_told(
    admin: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Any] = []

    class Gate(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            orders.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    monkeypatch.setattr(
        api.station, "check_callable", lambda _url: None
    )  # the gate of this test is on loopback
    with HTTPServer(("127.0.0.1", 0), Gate) as gate:
        threading.Thread(target=gate.serve_forever, daemon=True).start()
        action = {"action_ip": "127.0.0.1", "action_port": gate.server_port, "action_mode": "opendoor"}
        answer = data(admin.put(f"{FOG}/EventAction", json={"action": [{**action, "action_duration": 255}]}))
        gate.shutdown()
    assert answer["action_mode"] == "opendoor"
    assert orders == [{"action_mode": "opendoor", "logic_port": 0, "action_duration": 255}]
    assert error(admin.put(f"{FOG}/EventAction", json={"action": [action]})) == 50073


@pytest.mark.parametrize(
    "action",
    [
        {"action_ip": "gate.example", "action_port": 80, "action_mode": "opendoor"},
        {"action_ip": "192.168.1.9", "action_port": 0, "action_mode": "opendoor"},
        {"action_ip": "192.168.1.9", "action_port": 80, "action_mode": "explode"},
        {"action_ip": "192.168.1.9", "action_port": 80, "action_mode": "opendoor", "action_duration": 256},
        {"action_ip": "127.0.0.1", "action_port": 80, "action_mode": "alarm"},
        {"action_ip": "169.254.169.254", "action_port": 80, "action_mode": "alarm"},
    ],
)
def test_a_wrong_order_is_refused(admin: httpx.Client, action: dict[str, Any]) -> None:
    assert error(admin.put(f"{FOG}/EventAction", json={"action": [action]})) == 40091


def test_event_action_takes_json_only(admin: httpx.Client) -> None:
    assert error(admin.put(f"{FOG}/EventAction", data={"action": "[]"})) == 41591

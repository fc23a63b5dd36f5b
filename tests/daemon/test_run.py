"""The daemon as a process, over a real RabbitMQ node and the reference platform."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson
import pytest

from sophon.contract import (
    AddUsersPlus,
    ControlConfig,
    DeleteUsers,
    ExtendParams,
    Fiqa,
    FiqaRequest,
    RabbitMq,
    SyncPermissions,
    WipeData,
    WipeOptions,
    encode_photo,
)
from sophon.photo_key import photo_keeping
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from sophon.store import DeviceRow, Store
from tests.daemon.box_process import BoxProcess

DEV_SNO = "BOXA0001"
FETCHED = ExtendParams(path="/getSendPerson")


@pytest.fixture
def lines(broker: BrokerNode, platform: ReferencePlatform, request: pytest.FixtureRequest) -> RabbitMq:
    """Queues of the test's own; the box logs in as always."""
    lines = broker.add_box(f"{DEV_SNO}-{request.node.name}")
    platform.add_box(DEV_SNO, lines)
    return lines


@pytest.fixture
def desk(lines: RabbitMq) -> Iterator[PlatformDesk]:
    with PlatformDesk(lines) as desk:
        yield desk


@pytest.fixture
def box(tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq) -> Iterator[BoxProcess]:
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO) as box:
        yield box


@pytest.fixture
def people(portraits: Path) -> Path:
    return portraits / "people"


def add_everybody(platform: ReferencePlatform, people: Path) -> None:
    platform.add_person("E1", "Barack", people / "barack_obama" / "obama.jpg")
    platform.add_person("E2", "Joe", people / "joe_biden" / "biden.jpg", way="absolute")
    platform.add_person(
        "E3", "Eileen", people / "eileen_collins" / "astronaut.png", way="inline", fiqa_level="no"
    )


def result_of(desk: PlatformDesk) -> dict[str, object]:
    """The newest result, as it went over the wire."""
    value = orjson.loads(desk.messages[-1].body)
    assert isinstance(value, dict)
    return value


def test_all_six_commands_are_answered(
    box: BoxProcess, desk: PlatformDesk, platform: ReferencePlatform, people: Path
) -> None:
    add_everybody(platform, people)
    desk.call(AddUsersPlus(message_id="a", userid_list=["E1", "E2", "E3", "E4"], extend_params=FETCHED))
    assert result_of(desk) == {
        "success": True,
        "code": 0,
        "message": "下发人员MQ命令执行成功",
        "dev_sno": DEV_SNO,
        "messageKey": "add_users_plus",
        "messageId": "a",
        "result": {
            "success_users": [
                {"userid": "E1", "username": "Barack", "message": "人员下发成功", "code": 0},
                {"userid": "E2", "username": "Joe", "message": "人员下发成功", "code": 0},
                {"userid": "E3", "username": "Eileen", "message": "人员下发成功", "code": 0},
            ],
            "failed_users": [
                {
                    "userid": "E4",
                    "username": "",
                    "message": "远程服务数据错误",
                    "code": 50074,
                    "detail": "the platform's answer does not hold this person",
                }
            ],
        },
    }

    photo = encode_photo((people / "barack_obama" / "obama2.jpg").read_bytes())
    desk.call(Fiqa(message_id="f", info=FiqaRequest(image_base64_str=photo)))
    assert desk.messages[-1].queue == "topic.fiqa.upload"
    (face,) = result_of(desk)["result"]["data"]  # type: ignore[index]
    assert face["fiqa_result"] is True
    assert face["fails"] == []

    desk.call(SyncPermissions(message_id="s", permissions_info_list=[{"id": "0", "info": {"name": "北门"}}]))
    assert result_of(desk)["result"] == {
        "success_permission": [
            {"permission_id": "0", "permission_name": "北门", "message": "权限组信息同步成功", "code": 0}
        ],
        "failed_permission": [],
    }

    desk.call(ControlConfig(message_id="c", config_field={"threshold": 40.0, "threshold_range": [3, 2, 1]}))
    assert result_of(desk)["result"] == {
        "success_field": {"threshold": 40.0},
        "faild_field": {"threshold_range": [3, 2, 1]},
    }

    desk.call(DeleteUsers(message_id="d", userid_list=["E1", "E9"]))
    assert result_of(desk)["result"] == {
        "success_users": [{"userid": "E1", "message": "人员删除成功", "code": 0}],
        "failed_users": [{"userid": "E9", "message": "人员删除失败", "code": 40401, "detail": "no such id"}],
    }

    desk.call(WipeData(message_id="w", wipe_options=WipeOptions(users=True, events=False)))
    assert result_of(desk)["message"] == "重置数据成功"
    assert result_of(desk)["result"] == {"wipe_options": {"users": True, "events": False}}


def test_bad_messages_are_answered_and_do_not_stop_the_box(box: BoxProcess, desk: PlatformDesk) -> None:
    for body in (
        b"not json",
        b"",
        b"[]",
        b'{"method": "explode", "messageId": "x"}',
        b'{"method": "delete_users"}',
    ):
        desk.send(body)
    answers = list(islice(desk.results(20), 5))
    assert [answer.code for answer in answers] == [40071] * 5
    assert [answer.message_key for answer in answers] == ["", "", "", "explode", "delete_users"]
    assert answers[3].message_id == "x"
    assert desk.call(DeleteUsers(userid_list=[])).code == 0


@pytest.mark.slow
def test_without_an_upload_queue_results_go_to_the_notify_path(
    tmp_path: Path, broker: BrokerNode, platform: ReferencePlatform
) -> None:
    lines = broker.add_box(f"{DEV_SNO}-notify")
    one_way = lines.model_copy(
        update={"upload_queue": None, "fiqa_upload_queue": None, "fiqa_down_queue": None}
    )
    platform.add_box(DEV_SNO, one_way)
    platform.misbehave("/getResult", status=503, times=1)
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO), PlatformDesk(lines) as desk:
        desk.send(DeleteUsers(userid_list=["E9"], extend_params=ExtendParams(notify_path="/getResult")))
        refused, taken = platform.wait_for("/getResult", 2)
    assert refused.body == taken.body
    assert taken.body["messageKey"] == "delete_users"
    assert taken.query["dev_sno"] == DEV_SNO


@pytest.mark.slow
def test_a_restart_remembers_people(
    box: BoxProcess, desk: PlatformDesk, platform: ReferencePlatform, people: Path
) -> None:
    add_everybody(platform, people)
    desk.call(AddUsersPlus(userid_list=["E1", "E2"], extend_params=FETCHED))
    assert box.terminate() == 0
    box.start()
    done = desk.call(DeleteUsers(userid_list=["E1", "E3"]))
    assert [one.userid for one in done.result.success_users] == ["E1"]  # type: ignore[union-attr]


@pytest.mark.slow
def test_status_and_inbox_say_how_the_box_is(box: BoxProcess, desk: PlatformDesk) -> None:
    desk.send(b"not json")
    next(desk.results(20))
    listed = _sophon("inbox", "list", "--json", "--data-dir", str(box.data_dir))
    assert [(one["state"], one["code"]) for one in listed] == [("dead", 40071)]
    assert box.terminate() == 0
    command = [sys.executable, "-m", "sophon", "status", "--json", "--data-dir", str(box.data_dir)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert orjson.loads(done.stdout)["phase"] == "stopped"


@pytest.mark.slow
def test_status_is_watched_until_it_is_interrupted(box: BoxProcess) -> None:
    command = [sys.executable, "-m", "sophon", "status", "--watch", "--json", "--data-dir", str(box.data_dir)]
    # A shell that runs the tests in the background has them, and their children, ignore the interrupt.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds
    ) as watching:
        assert watching.stdout is not None
        seen = [orjson.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    assert [one["pid"] for one in seen] == [box.pid, box.pid]
    assert seen[0]["written_at"] < seen[1]["written_at"]


@pytest.mark.slow
def test_metrics_tell_what_the_status_tells(
    tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq, desk: PlatformDesk
) -> None:
    port = free_port()
    frames = tmp_path / "frames"
    frames.mkdir()
    assert cv2.imwrite(str(frames / "1.png"), np.zeros((48, 64, 3), np.uint8))
    with Store(tmp_path / "data") as store, store.write() as transaction:
        transaction.devices.put(DeviceRow("10.0.0.11", "3", "hall", stream_url=str(frames)))
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO, metrics_port=port):
        desk.call(DeleteUsers(userid_list=["E9"]))
        found: dict[str, str] = {}
        for _ in range(50):
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
            counted = {"sophon_commands_total": "1.0", "sophon_consuming": "1.0"}.items() <= found.items()
            if counted and 'sophon_frame_age_seconds{device="10.0.0.11"}' in found:
                break
            time.sleep(0.2)
    assert found["sophon_commands_total"] == "1.0"
    assert found['sophon_link_up{link="results"}'] == "1.0"
    assert found["sophon_people"] == "0.0"
    assert float(found['sophon_frame_age_seconds{device="10.0.0.11"}']) >= 0
    assert float(found['sophon_captures_total{what="frames"}']) >= 1


@pytest.mark.slow
def test_the_api_compares_a_picture(
    tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq, desk: PlatformDesk, people: Path
) -> None:
    port = free_port()
    add_everybody(platform, people)

    def compare(**fields: object) -> dict[str, Any]:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/SophonMatch/api/PictureMatch",
            json=fields,
            headers={"Authorization": f"Bearer {token}"},
        )
        value = orjson.loads(answer.content)
        assert answer.status_code == (200 if "data" in value else value["error"]["code"] // 100)
        return dict(value.get("data") or value["error"])

    known = encode_photo((people / "barack_obama" / "obama3.jpg").read_bytes())
    stranger = encode_photo((people / "eileen_collins" / "astronaut.png").read_bytes())
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO, http_port=port) as box:
        # Shown at the first start, once, and good until it is revoked.
        [token] = re.findall(r"^    (sophon_\S+)$", box.log.read_text(), re.MULTILINE)
        assert compare(rgb_image_base64=known)["code"] == 40008
        desk.call(AddUsersPlus(userid_list=["E1", "E2"], extend_params=FETCHED))
        match = compare(rgb_image_base64=known, need_register_photo=True)
        assert (match["retcode"], match["identity_id"], match["name"]) == ("1", "E1", "Barack")
        assert match["score"] > 0.5
        assert match["reg_pic"] == encode_photo((people / "barack_obama" / "obama.jpg").read_bytes())
        assert compare(rgb_image_base64=stranger)["retcode"] == "0"
        assert compare(rgb_image_base64=known, permission_name="nobody's")["code"] == 40491
        assert compare(rgb_image_base64="@@")["code"] == 40003
        assert compare()["code"] == 40091


@pytest.mark.slow
def test_another_code_is_on_disk_before_it_is_answered_and_logged_in_with(
    tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq, broker: BrokerNode
) -> None:
    port = free_port()
    others = broker.add_box("BOXB0002")
    platform.add_box("BOXB0002", others)
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO, http_port=port) as box:
        [token] = re.findall(r"^    (sophon_\S+)$", box.log.read_text(), re.MULTILINE)
        answer = httpx.put(
            f"http://127.0.0.1:{port}/SophonMQ/api/DevSno",
            json={"dev_sno": "BOXB0002"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.json() == {"data": {"response": "BOXB0002"}}
        box.kill()
        box.start()  # as configured, but what was set wins
        with PlatformDesk(others) as desk:
            result = desk.call(DeleteUsers(userid_list=["E9"]))
    assert result.dev_sno == "BOXB0002"
    assert box.log.read_text().count("    sophon_") == 1


@pytest.mark.slow
def test_the_box_moves_without_a_restart(
    tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq, broker: BrokerNode
) -> None:
    port = free_port()
    others = broker.add_box("BOXC0003")
    platform.add_box("BOXC0003", others)
    with BoxProcess(tmp_path / "data", platform.login_url, DEV_SNO, http_port=port) as box:
        [token] = re.findall(r"^    (sophon_\S+)$", box.log.read_text(), re.MULTILINE)
        httpx.put(
            f"http://127.0.0.1:{port}/SophonMQ/api/DevSno",
            json={"dev_sno": "BOXC0003"},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()
        with PlatformDesk(others) as desk:
            assert desk.call(DeleteUsers(userid_list=["E9"])).dev_sno == "BOXC0003"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_wrong_configuration_ends_with_status_78(tmp_path: Path) -> None:
    box = BoxProcess(tmp_path / "data", "ftp://nowhere")
    box.start(wait=False)
    assert box.wait(30) == 78
    assert "login_url: must be an http:// or https:// address" in box.log_tail()
    box.kill()


@pytest.mark.slow
def test_a_missing_or_another_key_of_the_photographs_ends_with_status_78(tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "is required"),
        ({"enrolment_photos_key": "22" * 32}, "not the key"),
    )
    for key, problem in cases:
        with Store(tmp_path / "data", photos=photo_keeping("encrypt", "11" * 32)) as store:
            store.convert_photos()
        box = BoxProcess(tmp_path / "data", "http://127.0.0.1:9/login", enrolment_photos="encrypt", **key)
        box.start(wait=False)
        assert box.wait(30) == 78
        assert "enrolment_photos_key_file" in box.log_tail()
        assert problem in box.log_tail()
        assert "22222222" not in box.log_tail()
        box.kill()


def _sophon(*arguments: str) -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "sophon", *arguments], capture_output=True, check=True)
    value = orjson.loads(done.stdout)
    assert isinstance(value, list)
    return value

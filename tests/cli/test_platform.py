"""`sophon platform`: the running platform, and each command it sends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pika
import pytest
from typer.testing import CliRunner, Result

from sophon.cli import app
from sophon.contract import (
    AddUsersPlus,
    Command,
    ControlConfig,
    ControlConfigResult,
    DeleteUsers,
    Fiqa,
    FiqaResult,
    Message,
    PeopleResult,
    PermissionOutcome,
    Person,
    PersonOutcome,
    SyncPermissions,
    SyncPermissionsResult,
    WipeData,
    WipeDataResult,
    parse_command,
    parse_login,
    succeeded,
)
from sophon.sim import BrokerNode, ReferencePlatform

Send = Callable[..., Result]


def answer(command: Command) -> Message:
    """What a stand-in for the box says: E9 is unknown to it, everything else works. No real box takes part here."""
    match command:
        case AddUsersPlus():
            content: Message = PeopleResult.of(
                [
                    PersonOutcome.added(
                        entry.identity_id if isinstance(entry, Person) else str(entry), "Li Lei"
                    )
                    for entry in command.entries()
                ]
            )
        case DeleteUsers():
            content = PeopleResult.of(
                [
                    PersonOutcome.not_deleted(one) if one == "E9" else PersonOutcome.deleted(one)
                    for one in map(str, command.entries())
                ]
            )
        case WipeData():
            content = WipeDataResult(wipe_options=command.wipe_options)
        case SyncPermissions():
            content = SyncPermissionsResult.of([PermissionOutcome.synced(e) for e in command.entries()])  # type: ignore[arg-type]
        case Fiqa():
            content = FiqaResult(data=[])
        case ControlConfig():
            content = ControlConfigResult(success_field=command.config_field, failed_field={})
    return succeeded(command, "BOXCLI", content)


@pytest.fixture
def send(broker: BrokerNode, platform: ReferencePlatform) -> Iterator[Send]:
    """Runs `sophon platform send` against a reference platform and a stand-in for the box."""
    lines = broker.add_box("BOXCLI")
    platform.add_box("BOXCLI", lines)
    stop = threading.Event()
    credentials = pika.PlainCredentials(lines.login, lines.password.get_secret_value())

    def stand_in() -> None:
        uploads = pika.BlockingConnection(
            pika.ConnectionParameters(lines.host, lines.port, "/upload", credentials)
        )
        commands = pika.BlockingConnection(
            pika.ConnectionParameters(lines.host, lines.port, lines.v_host, credentials)
        )
        upload, command = uploads.channel(), commands.channel()
        while not stop.wait(0.02):
            for channel, queue, back in (
                (command, lines.queue, lines.upload_queue),
                (upload, lines.fiqa_down_queue, lines.fiqa_upload_queue),
            ):
                _, _, body = channel.basic_get(queue, auto_ack=True)
                if body:
                    upload.basic_publish("", back or "", answer(parse_command(body)).encode())
        uploads.close()
        commands.close()

    thread = threading.Thread(target=stand_in)
    thread.start()
    runner = CliRunner()

    def run(*arguments: str, text: str | None = None) -> Result:
        reach = ["--platform", platform.login_url, "--box", "BOXCLI", "--timeout", "10"]
        return runner.invoke(app, ["platform", "send", *reach, *arguments], input=text)

    yield run
    stop.set()
    thread.join()


def one_json(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_people_are_added_by_id(send: Send) -> None:
    result = send("--json", "add-users", "E1", "E2")

    assert result.exit_code == 0, result.output
    assert [user["userid"] for user in one_json(result)["result"]["success_users"]] == ["E1", "E2"]


def test_everybody_the_platform_knows_is_added(send: Send, platform: ReferencePlatform) -> None:
    for number in range(5):
        platform.add_person(f"E{number}", "Li Lei", b"photo")

    result = send("--json", "add-users", "--all", "--at-once", "2")

    assert [len(json.loads(line)["result"]["success_users"]) for line in result.stdout.splitlines()] == [
        2,
        2,
        1,
    ]


def test_people_of_a_folder_are_added_inline(send: Send, tmp_path: Path) -> None:
    (tmp_path / "Li_Lei").mkdir()
    (tmp_path / "Li_Lei" / "1.jpg").write_bytes(b"photo")

    result = send("--json", "add-users", "--folder", str(tmp_path))

    assert [user["userid"] for user in one_json(result)["result"]["success_users"]] == ["Li_Lei"]


def test_a_result_is_a_table_and_a_failure_in_it_the_exit_status(send: Send) -> None:
    result = send("delete-users", "E1", "E9")

    assert result.exit_code == 1
    assert "删除人员MQ命令执行成功" in result.output
    assert "人员删除失败" in result.output
    assert "no such id" in result.output


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (("wipe", "--users"), {"wipe_options": {"users": True, "events": False}}),
        (
            ("control-config", "--threshold", "80", "--no-strangers"),
            {"success_field": {"support_stranger_group": False, "threshold": 80.0}, "faild_field": {}},
        ),
        (
            ("sync-permissions", "1046=研发楼"),
            {
                "success_permission": [
                    {
                        "permission_id": "1046",
                        "permission_name": "研发楼",
                        "message": "权限组信息同步成功",
                        "code": 0,
                    }
                ],
                "failed_permission": [],
            },
        ),
    ],
)
def test_each_command_is_sent_and_answered(
    send: Send, arguments: tuple[str, ...], content: dict[str, Any]
) -> None:
    result = send("--json", *arguments)

    assert result.exit_code == 0, result.output
    assert one_json(result)["result"] == content


def test_photographs_are_judged(send: Send, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")

    assert one_json(send("--json", "fiqa", str(photo)))["messageKey"] == "fiqa"


def test_any_bytes_can_be_sent(send: Send) -> None:
    result = send(
        "--json", "--timeout", "2", "raw", "-", text='{"method": "delete_users", "userid_list": ["E1"]}'
    )

    assert result.exit_code == 0, result.output
    assert one_json(result)["messageKey"] == "delete_users"


@pytest.mark.parametrize(
    "arguments",
    [("add-users",), ("delete-users",), ("wipe",), ("control-config",), ("sync-permissions", "1046")],
)
def test_a_command_without_its_arguments_is_a_usage_error(send: Send, arguments: tuple[str, ...]) -> None:
    assert send(*arguments).exit_code == 2


def test_without_a_running_platform_the_remedy_is_named() -> None:
    result = CliRunner().invoke(
        app, ["platform", "send", "--platform", "http://127.0.0.1:9/login", "wipe", "--users"]
    )

    assert result.exit_code == 1
    assert "start one with: sophon platform" in str(result.exception)


def test_the_platform_runs_until_it_is_interrupted(broker: BrokerNode) -> None:
    lines = broker.add_box("BOXRUN")
    url = f"amqp://{lines.login}:{lines.password.get_secret_value()}@{lines.host}:{lines.port}/%2FBOXRUN"
    command = [sys.executable, "-m", "sophon", "platform", "--port", "0", "--box", "BOXRUN", "--json"]
    process = subprocess.Popen(
        command, env={**os.environ, "SOPHON_AMQP": url}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        started = json.loads(process.stdout.readline())
        login = parse_login(httpx.get(started["login_url"], params={"dev_sno": "BOXRUN"}).content)
        heard = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    assert (login.rabbitmq.v_host, login.rabbitmq.queue) == ("/BOXRUN", "queue-dev-BOXRUN")
    assert heard["path"] == "/login"

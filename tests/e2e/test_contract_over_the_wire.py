"""The contract clause by clause: the daemon, a real RabbitMQ node, and the reference platform over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pika
import pytest

from sophon.contract import (
    AddUsersPlus,
    DeleteUsers,
    ExtendParams,
    Fiqa,
    FiqaRequest,
    PeopleResult,
    Person,
    RabbitMq,
    WipeData,
    WipeOptions,
    encode_photo,
)
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from tests.contract.bad_commands import BAD
from tests.daemon.box_process import BoxProcess

pytestmark = pytest.mark.slow

FETCHED = ExtendParams(path="/getSendPerson")
#: Larger ones fill the queue and nothing else; how they are refused is tested without a broker.
SENT = [(body, detail) for body, detail in BAD if len(body) < 2**20]


@pytest.fixture(scope="module")
def module_platform() -> Iterator[ReferencePlatform]:
    with ReferencePlatform() as platform:
        yield platform


@pytest.fixture(scope="module")
def desk(
    broker: BrokerNode, module_platform: ReferencePlatform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlatformDesk]:
    """The desk of a box that runs."""
    lines = broker.add_box("BOXE2E")
    module_platform.add_box("BOXE2E", lines)
    data = tmp_path_factory.mktemp("e2e") / "data"
    with BoxProcess(data, module_platform.login_url, "BOXE2E"), PlatformDesk(lines) as desk:
        yield desk


@pytest.fixture
def at(module_platform: ReferencePlatform, desk: PlatformDesk) -> ReferencePlatform:
    """The platform, with nobody known to it and nobody enrolled at the box."""
    desk.call(WipeData(wipe_options=WipeOptions(users=True, events=True)))
    module_platform.people.clear()
    return module_platform


@pytest.fixture(scope="session")
def good(portraits: Path) -> Path:
    return portraits / "people" / "barack_obama" / "obama.jpg"


def add(desk: PlatformDesk, *ids: Any) -> PeopleResult:
    result = desk.call(AddUsersPlus(userid_list=list(ids), extend_params=FETCHED)).result
    assert isinstance(result, PeopleResult)
    return result


def delete(desk: PlatformDesk, *ids: Any) -> PeopleResult:
    result = desk.call(DeleteUsers(userid_list=list(ids))).result
    assert isinstance(result, PeopleResult)
    return result


def png(picture: np.ndarray[Any, Any]) -> bytes:
    encoded, data = cv2.imencode(".png", picture)
    assert encoded
    return data.tobytes()


@pytest.mark.parametrize(
    ("body", "detail"), SENT, ids=[f"{i}-{detail[:40]}" for i, (_, detail) in enumerate(SENT)]
)
def test_a_bad_command_is_answered_with_its_code_and_reason(
    desk: PlatformDesk, body: bytes, detail: str
) -> None:
    desk.send(body)

    result = next(desk.results(20))

    assert (result.success, result.code, result.message) == (False, 40071, "参数错误")
    assert (result.detail or "").startswith(detail)
    assert orjson.loads(desk.messages[-1].body)["result"] == {}


@pytest.mark.parametrize("way", ["relative", "absolute", "inline"])
def test_a_photo_comes_by_each_of_the_three_ways(
    at: ReferencePlatform, desk: PlatformDesk, good: Path, way: Any
) -> None:
    at.add_person("E1", "Barack", good, way=way)

    result = add(desk, "E1")

    assert [(one.userid, one.username, one.message, one.code) for one in result.success_users] == [
        ("E1", "Barack", "人员下发成功", 0)
    ]
    assert result.failed_users == []


@pytest.mark.parametrize("way", ["relative", "absolute", "inline"])
def test_people_may_be_inside_the_command(
    at: ReferencePlatform, desk: PlatformDesk, good: Path, way: Any
) -> None:
    person = at.add_person("E1", "Barack", good, way=way, info={"permission_ids": ["1046"], "card": "A-77"})
    asked = len(at.received("/getSendPerson"))

    result = desk.call(AddUsersPlus(user_info_list=[person])).result

    assert isinstance(result, PeopleResult)
    assert [one.userid for one in result.success_users] == ["E1"]
    assert len(at.received("/getSendPerson")) == asked


def test_each_person_fails_alone_and_with_its_own_code(
    at: ReferencePlatform, desk: PlatformDesk, good: Path, portraits: Path
) -> None:
    picture = cv2.imread(str(good))
    assert picture is not None
    at.add_person("good", "Barack", good)
    at.add_person("cut", "", sorted((portraits / "cut").iterdir())[0])
    at.add_person("two", "", png(np.hstack([picture, picture[:, ::-1]])))
    at.add_person("nobody", "", png(np.full((480, 640, 3), 200, np.uint8)))
    at.add_person("text", "", b"this is a text")
    at.add_person("truncated", "", good.read_bytes()[:2000])
    at.add_person("huge", "", png(np.zeros((8000, 8000, 3), np.uint8)))
    at.add_person("small", "", png(cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)))
    at.add_person(
        "stranger", "Joe", portraits / "people" / "joe_biden" / "biden.jpg", register_type=2, info={"type": 4}
    )
    at.people["lost"] = Person.model_validate(
        {"identity_id": "lost", "reg_url": f"{at.root}/photos/-", "info": {"name": ""}}
    )
    ids = [
        "good",
        "cut",
        "two",
        "nobody",
        "text",
        "truncated",
        "huge",
        "small",
        "unknown",
        "stranger",
        "lost",
        "x" * 65,
    ]

    result = add(desk, *ids)

    assert [one.userid for one in result.success_users] == ["good", "stranger"]
    codes = {one.userid: one.code for one in result.failed_users}
    assert list(codes) == [one for one in ids if one not in ("good", "stranger")]
    small = codes.pop("small")
    assert small in (40006, 40009)
    assert codes == {
        "cut": 40006,
        "two": 40006,
        "nobody": 40004,
        "text": 40003,
        "truncated": 40003,
        "huge": 40007,
        "unknown": 50074,
        "lost": 50073,
        "x" * 65: 40071,
    }
    assert all(one.detail for one in result.failed_users)


def test_repeated_ids_are_answered_once_in_the_commands_order(
    at: ReferencePlatform, desk: PlatformDesk, good: Path
) -> None:
    for one in ("b", "a", "7"):
        at.add_person(one, one, good)

    added = add(desk, "b", 7, "a", "b", "7")
    deleted = delete(desk, "a", "c", "b", "a", "c")

    assert [one.userid for one in added.success_users] == ["b", "7", "a"]
    assert [one.userid for one in deleted.success_users] == ["a", "b"]
    assert [(one.userid, one.code, one.message) for one in deleted.failed_users] == [
        ("c", 40401, "人员删除失败")
    ]


def test_of_a_person_given_twice_the_last_counts(
    at: ReferencePlatform, desk: PlatformDesk, good: Path
) -> None:
    first = at.add_person("E1", "the first", good)
    second = at.add_person("E1", "the second", good)

    result = desk.call(AddUsersPlus(user_info_list=[first, second])).result

    assert isinstance(result, PeopleResult)
    assert [(one.userid, one.username) for one in result.success_users] == [("E1", "the second")]


def test_a_bad_person_in_the_command_fails_with_40071(
    at: ReferencePlatform, desk: PlatformDesk, good: Path
) -> None:
    person = at.add_person("E1", "Barack", good).to_wire()
    desk.send(
        orjson.dumps(
            {
                "method": "add_users_plus",
                "user_info_list": [
                    person,
                    {**person, "identity_id": "E2", "fiqa_level": "best"},
                    {"identity_id": "E3"},
                    5,
                ],
            }
        )
    )

    result = next(desk.results(20)).result

    assert isinstance(result, PeopleResult)
    assert [one.userid for one in result.success_users] == ["E1"]
    assert [(one.userid, one.code) for one in result.failed_users] == [
        ("E2", 40071),
        ("E3", 40071),
        ("", 40071),
    ]


@pytest.mark.parametrize("ids", [{"userid_list": []}, {"user_info_list": []}])
def test_an_empty_list_is_a_success_with_two_empty_lists(
    desk: PlatformDesk, ids: dict[str, list[str]]
) -> None:
    desk.call(AddUsersPlus(extend_params=FETCHED, **ids))  # type: ignore[arg-type]

    assert orjson.loads(desk.messages[-1].body)["result"] == {"success_users": [], "failed_users": []}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, b"", 50073),
        (200, b'{"error": {"code": 1, "message": "no", "status": "X"}}', 50074),
        (200, b"<html>", 50074),
    ],
)
def test_a_fetch_that_fails_fails_its_people(
    at: ReferencePlatform, desk: PlatformDesk, good: Path, status: int, body: bytes, code: int
) -> None:
    at.add_person("E1", "Barack", good)
    at.misbehave("/getSendPerson", status=status, body=body, times=3)

    result = desk.call(AddUsersPlus(userid_list=["E1"], extend_params=FETCHED))
    at.misbehave("/getSendPerson", times=0)

    assert result.success
    assert isinstance(result.result, PeopleResult)
    assert [(one.userid, one.code) for one in result.result.failed_users] == [("E1", code)]


def test_a_stale_token_is_renewed_on_the_way(at: ReferencePlatform, desk: PlatformDesk, good: Path) -> None:
    at.add_person("E1", "Barack", good)
    at.refuse_token()

    assert [one.userid for one in add(desk, "E1").success_users] == ["E1"]


@pytest.mark.parametrize("message_id", ["m-1", "", 5, {"a": [1]}])
def test_a_message_id_comes_back_as_it_was_sent(desk: PlatformDesk, message_id: Any) -> None:
    desk.send(orjson.dumps({"method": "delete_users", "userid_list": [], "messageId": message_id}))

    next(desk.results(20))

    assert orjson.loads(desk.messages[-1].body)["messageId"] == message_id


def test_without_a_message_id_the_result_has_none(desk: PlatformDesk) -> None:
    desk.send(b'{"method": "delete_users", "userid_list": [], "messageId": null}')

    next(desk.results(20))

    assert "messageId" not in orjson.loads(desk.messages[-1].body)


def test_a_repeated_command_is_answered_again_with_the_same_result(
    at: ReferencePlatform, desk: PlatformDesk, good: Path
) -> None:
    at.add_person("E1", "Barack", good)
    add(desk, "E1")
    command = DeleteUsers(userid_list=["E1"], message_id="delete-once")

    desk.call(command)
    first = desk.messages[-1]
    desk.call(command)
    second = desk.messages[-1]

    assert first.body == second.body
    assert orjson.loads(first.body)["result"]["success_users"][0]["userid"] == "E1"


@pytest.mark.parametrize("fiqa_queue", [True, False])
def test_fiqa_is_answered_on_its_own_queue_wherever_it_came_from(
    desk: PlatformDesk, good: Path, fiqa_queue: bool
) -> None:
    photo = encode_photo(good.read_bytes())
    desk.send(
        Fiqa(info=FiqaRequest(image_base64_str=f"data:image/jpeg;base64,{photo}"), message_id="q"),
        fiqa_queue=fiqa_queue,
    )

    desk.wait_for("q", 20)

    assert desk.messages[-1].queue == "topic.fiqa.upload"
    (face,) = orjson.loads(desk.messages[-1].body)["result"]["data"]
    assert sorted(face["success"] + face["fails"]) == [
        "brightness", "clarity", "face_size", "headpose", "mask", "occlusion", "partial",
    ]  # fmt: skip
    assert face["fiqa_result"] is (face["fails"] == [])


@pytest.mark.parametrize(
    ("photo", "code"),
    [
        (b"this is a text", 40003),
        (b"", 40003),
        (png(np.full((480, 640, 3), 200, np.uint8)), 40004),
        (png(np.zeros((8000, 8000, 3), np.uint8)), 40007),
    ],
    ids=["text", "empty", "no face", "huge"],
)
def test_a_photo_that_cannot_be_judged_fails_the_command(desk: PlatformDesk, photo: bytes, code: int) -> None:
    result = desk.call(Fiqa(info=FiqaRequest(image_base64_str=encode_photo(photo))))

    assert (result.success, result.code, result.result.to_wire()) == (False, code, {})


def publish(lines: RabbitMq, exchange: str, key: str, body: bytes) -> None:
    credentials = pika.PlainCredentials(lines.login, lines.password.get_secret_value())
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(lines.host, lines.port, lines.v_host, credentials)
    )
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(exchange, key, body, mandatory=True)
    connection.close()


def test_the_box_binds_its_queue_where_it_is_asked_to(
    broker: BrokerNode, platform: ReferencePlatform, tmp_path: Path
) -> None:
    lines = broker.add_box("BOXBIND", bind=True)
    platform.add_box("BOXBIND", lines)
    with BoxProcess(tmp_path / "data", platform.login_url, "BOXBIND"), PlatformDesk(lines) as desk:
        publish(
            lines,
            "exchange-dev-BOXBIND",
            "routing.dev.BOXBIND",
            b'{"method": "delete_users", "userid_list": []}',
        )
        result = next(desk.results(20))

    assert result.message_key == "delete_users"


def test_missing_queues_are_declared_and_those_of_fiqa_found_in_either_virtual_host(
    broker: BrokerNode, platform: ReferencePlatform, tmp_path: Path
) -> None:
    lines = broker.add_box("BOXMISS").model_copy(
        update={
            "queue": "missing-commands",
            "upload_queue": "missing-results",
            "fiqa_down_queue": "fiqa-in-the-boxs-own-host",
            "fiqa_upload_queue": "missing-fiqa-results",
        }
    )
    broker.define(
        {
            "queues": [
                {
                    "name": lines.fiqa_down_queue,
                    "vhost": lines.v_host,
                    "durable": True,
                    "auto_delete": False,
                    "arguments": {},
                }
            ]
        }
    )
    platform.add_box("BOXMISS", lines)

    with BoxProcess(tmp_path / "data", platform.login_url, "BOXMISS"):
        in_own = broker.ctl("list_queues", "-p", lines.v_host, "name", "durable", "consumers").split()
        in_upload = broker.ctl("list_queues", "-p", lines.upload_v_host, "name", "durable").split("\n")

    assert in_own[in_own.index("missing-commands") + 1] == "true"
    assert in_own[in_own.index("fiqa-in-the-boxs-own-host") + 2] == "1"
    assert "missing-results\ttrue" in in_upload
    assert "missing-fiqa-results\ttrue" in in_upload


def test_the_first_versions_login_works_with_results_by_http(broker: BrokerNode, tmp_path: Path) -> None:
    lines = broker.add_box("BOXV2R1", bind=True)
    old = RabbitMq(
        host=lines.host, port=lines.port, login=lines.login, password=lines.password,
        queue=lines.queue, v_host=lines.v_host, upload_v_host=lines.v_host, exchange=lines.exchange,
    )  # fmt: skip
    with ReferencePlatform(protocol_version="V2R1C01") as platform:
        platform.add_box("BOXV2R1", old)
        with BoxProcess(tmp_path / "data", platform.login_url, "BOXV2R1"), PlatformDesk(lines) as desk:
            photo = FiqaRequest(image_base64_str="")
            desk.send(
                Fiqa(info=photo, extend_params=ExtendParams(notify_path="/getResult")), fiqa_queue=False
            )
            (call,) = platform.wait_for("/getResult")

    assert (call.body["messageKey"], call.body["code"]) == ("fiqa", 40003)

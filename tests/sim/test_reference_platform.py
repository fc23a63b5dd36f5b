"""The reference platform as a box sees it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from sophon.contract import ErrorResponse, Exchange, Person, RabbitMq, parse_login, parse_people
from sophon.errors import SophonError
from sophon.sim import ReferencePlatform, people_in

LINES = RabbitMq(
    host="127.0.0.1",
    port=5672,
    login="BOX",
    password=SecretStr("CANARY"),
    queue="q",
    exchange=Exchange(name="x", type="topic"),
)


@pytest.fixture
def box(platform: ReferencePlatform) -> dict[str, str]:
    platform.add_box("BOX", LINES)
    login = parse_login(httpx.get(platform.login_url, params={"dev_sno": "BOX"}).content)
    return {"dev_sno": "BOX", "token": login.token.get_secret_value()}


def test_a_known_box_logs_in(platform: ReferencePlatform) -> None:
    platform.add_box("BOX", LINES)

    answer = httpx.get(platform.login_url, params={"dev_sno": "BOX", "hex_mac": "0x00"})

    assert parse_login(answer.content).rabbitmq == LINES
    assert platform.received("/login")[0].query == {"dev_sno": "BOX", "hex_mac": "0x00"}


def test_the_first_version_answers_the_old_way() -> None:
    with ReferencePlatform(protocol_version="V2R1C01") as platform:
        platform.add_box("BOX", LINES)
        login = parse_login(httpx.get(platform.login_url, params={"dev_sno": "BOX"}).content)

    assert (login.device_info_addr, login.device_list_info_addr) == ("/brain/service/device/operate", None)


def test_an_unknown_box_is_refused_as_the_contract_shows(platform: ReferencePlatform) -> None:
    answer = httpx.get(platform.login_url, params={"dev_sno": "NOBODY"})

    assert answer.status_code != 200
    assert ErrorResponse.model_validate(answer.json()).error.code == 500001


@pytest.mark.parametrize("path", ["/getSendPerson", "/getResult", "/box/monitor/status/report"])
def test_a_stale_token_is_refused(platform: ReferencePlatform, box: dict[str, str], path: str) -> None:
    platform.refuse_token()

    assert httpx.post(platform.root + path, params=box, json={}).status_code == 401


@pytest.mark.parametrize("way", ["relative", "absolute", "inline"])
def test_people_and_their_photographs_are_given_in_three_ways(
    platform: ReferencePlatform, box: dict[str, str], way: str
) -> None:
    platform.add_person("E1", "Li Lei", b"photo", way=way, register_type=2, info={"type": 5})  # type: ignore[arg-type]

    answer = httpx.post(platform.root + "/getSendPerson", params=box, json={"userid_list": ["E1", "E2"]})
    person = parse_people(answer.content, ["E1"])["E1"]

    assert isinstance(person, Person)
    assert (person.name, person.info.type, person.register_type) == ("Li Lei", 5, 2)
    if way != "inline":
        url = person.reg_url or platform.root + (person.relative_pic_url or "")
        assert httpx.get(url).content == b"photo"


def test_everything_received_is_kept(platform: ReferencePlatform, box: dict[str, str]) -> None:
    httpx.post(platform.root + "/getResult", params=box, json={"success": True})
    httpx.post(platform.root + "/event", content=b"not json")

    assert platform.wait_for("/getResult")[0].body == {"success": True}
    assert platform.received("/event")[0].body == b"not json"
    with pytest.raises(SophonError, match="fewer than 2 calls"):
        platform.wait_for("/getResult", 2, seconds=0.1)


def test_it_misbehaves_when_told_to(platform: ReferencePlatform, box: dict[str, str]) -> None:
    platform.misbehave("/getResult", status=503, headers={"Retry-After": "7"})

    first = httpx.post(platform.root + "/getResult", params=box, json={})
    second = httpx.post(platform.root + "/getResult", params=box, json={})

    assert (first.status_code, first.headers["retry-after"], second.status_code) == (503, "7", 200)


def test_a_port_in_use_is_a_clear_error(platform: ReferencePlatform) -> None:
    port = int(platform.root.rpartition(":")[2])

    with pytest.raises(SophonError, match="give another port"):
        ReferencePlatform(port=port).start()


def test_people_of_a_folder(tmp_path: Path) -> None:
    for name in ("Li_Lei/2.jpg", "Li_Lei/1.JPG", "Li_Lei/notes.txt", "empty/notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()

    (person,) = people_in(tmp_path)

    assert (person.identity_id, person.name) == ("Li_Lei", "Li Lei")
    assert [photo.name for photo in person.photos] == ["1.JPG", "2.jpg"]
    with pytest.raises(SophonError, match="no photographs"):
        people_in(tmp_path / "empty")

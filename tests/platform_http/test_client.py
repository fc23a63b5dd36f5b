"""The platform client against the reference platform, over real HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from sophon.contract import Exchange, LoginResponse, Person, PersonInfo, RabbitMq, RefusedPerson
from sophon.errors import Code, SophonError
from sophon.platform import Pauses, PlatformClient, PlatformError, hex_mac
from sophon.sim import ReferencePlatform
from tests.platform_http.hostile_server import hostile_server, response

LINES = RabbitMq(
    host="127.0.0.1",
    port=5672,
    login="BOX",
    password=SecretStr("CANARY"),
    queue="q",
    exchange=Exchange(name="x", type="topic"),
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.platform.client.Pauses", lambda first, longest: Pauses(0.01, 0.02))


@pytest.fixture
def client(platform: ReferencePlatform) -> Iterator[PlatformClient]:
    platform.add_box("BOX", LINES)
    with PlatformClient(platform.login_url, "BOX") as client:
        client.login()
        yield client


def test_a_login_carries_code_and_hardware_address(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    query = platform.received("/login")[0].query

    assert query["dev_sno"] == "BOX"
    assert re.fullmatch("0x[0-9a-f]{12}", query["hex_mac"])


def test_a_refused_login_says_why(platform: ReferencePlatform) -> None:
    with PlatformClient(platform.login_url, "NOBODY") as client, pytest.raises(PlatformError) as caught:
        client.login()

    assert str(caught.value) == "the login was refused: HTTP 400, 500001 unknown dev_sno"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"token": "t"}'])
def test_an_unusable_login_is_refused(platform: ReferencePlatform, body: bytes) -> None:
    platform.misbehave("/login", status=200, body=body)

    with PlatformClient(platform.login_url, "BOX") as client, pytest.raises(SophonError) as caught:
        client.login()

    assert caught.value.code is Code.REMOTE_DATA_FAILED


def test_a_platform_that_is_away_is_a_failed_server() -> None:
    with PlatformClient("http://127.0.0.1:9/login", "BOX") as client, pytest.raises(SophonError) as caught:
        client.login()

    assert caught.value.code is Code.REMOTE_SERVER_FAILED


def test_people_are_fetched_in_chunks_and_in_order(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    ids = [f"E{n}" for n in range(250)]
    for one in reversed(ids):
        platform.add_person(one, f"name of {one}", b"photo")

    people = list(client.fetch_people("/getSendPerson", ids))

    assert [person.identity_id for person in people] == ids
    assert all(isinstance(person, Person) for person in people)
    assert [len(call.body["userid_list"]) for call in platform.received("/getSendPerson")] == [100, 100, 50]


def test_a_person_the_platform_does_not_know_is_refused(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    platform.add_person("E1", "Li Lei", b"photo")

    known, unknown = client.fetch_people("/getSendPerson", ["E1", "E9"])

    assert isinstance(known, Person)
    assert isinstance(unknown, RefusedPerson)
    assert unknown.code is Code.REMOTE_DATA_FAILED


def test_a_chunk_that_fails_fails_alone(platform: ReferencePlatform, client: PlatformClient) -> None:
    ids = [f"E{n}" for n in range(150)]
    for one in ids:
        platform.add_person(one, one, b"photo")
    platform.misbehave("/getSendPerson", status=500, times=3)

    people = list(client.fetch_people("/getSendPerson", ids))

    assert [type(person) for person in people] == [RefusedPerson] * 100 + [Person] * 50
    assert isinstance(people[0], RefusedPerson)
    assert (people[0].code, people[0].detail) == (
        Code.REMOTE_SERVER_FAILED,
        "the people could not be fetched: HTTP 500",
    )


@pytest.mark.parametrize("path", ["/getSendPerson", "/photos/E1.jpg"])
def test_a_fetch_is_tried_three_times(platform: ReferencePlatform, client: PlatformClient, path: str) -> None:
    person = platform.add_person("E1", "Li Lei", b"photo")
    platform.misbehave(path, status=502, times=2)

    assert isinstance(next(client.fetch_people("/getSendPerson", ["E1"])), Person)
    assert client.fetch_photo(person) == b"photo"
    assert len(platform.received(path)) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"data"',
        b'{"code": 401}',
        '{"data": "人"}'.encode("gbk"),
        b'{"error": {"code": 1, "message": "no", "status": "X"}}',
    ],
)
def test_unusable_content_is_not_fetched_again(
    platform: ReferencePlatform, client: PlatformClient, body: bytes
) -> None:
    platform.misbehave("/getSendPerson", status=200, body=body)

    (refused,) = client.fetch_people("/getSendPerson", ["E1"])

    assert isinstance(refused, RefusedPerson)
    assert refused.code is Code.REMOTE_DATA_FAILED
    assert len(platform.received("/getSendPerson")) == 1


@pytest.mark.parametrize("way", ["relative", "absolute", "inline"])
def test_a_photo_is_fetched_whichever_way_it_is_given(
    platform: ReferencePlatform, client: PlatformClient, way: str
) -> None:
    person = platform.add_person("E1", "Li Lei", b"photo", way=way)  # type: ignore[arg-type]

    assert client.fetch_photo(person) == b"photo"
    assert [call.query for call in platform.received("/photos/E1.jpg")] == [{}][: way != "inline"]


def test_a_relative_photo_comes_from_the_image_server(platform: ReferencePlatform) -> None:
    with hostile_server(lambda c, _: c.sendall(response(b"from the image server"))) as (root, requests):
        login = LoginResponse(token=SecretStr("t"), img_server_addr=f"{root}/root", rabbitmq=LINES)
        platform.misbehave("/login", status=200, body=login.encode())
        with PlatformClient(platform.login_url, "BOX") as client:
            client.login()
            photo = client.fetch_photo(
                Person(identity_id="E1", relative_pic_url="p/1.jpg?sign=%2F", info=PersonInfo(name="Li Lei"))
            )

    assert photo == b"from the image server"
    assert requests[0].startswith("GET /root/p/1.jpg?sign=%2F HTTP/1.1")


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ({"reg_url": "http://169.254.169.254/1.jpg"}, Code.REMOTE_SERVER_FAILED),
        ({"reg_url": "http://elsewhere.invalid/1.jpg"}, Code.REMOTE_SERVER_FAILED),
        ({"relative_pic_url": "/photos/none.jpg"}, Code.REMOTE_SERVER_FAILED),
        ({"reg_photo": "@@@"}, Code.IMAGE_ERROR),
    ],
)
def test_a_photo_that_cannot_be_had_fails_with_its_code(
    client: PlatformClient, person: dict[str, str], code: Code
) -> None:
    with pytest.raises(SophonError) as caught:
        client.fetch_photo(Person.model_validate({"identity_id": "E1", "info": {"name": ""}, **person}))

    assert caught.value.code is code


def test_an_empty_photo_is_unusable_and_one_over_20_mib_too_large(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    empty = platform.add_person("E1", "", b"")
    large = platform.add_person("E2", "", bytes(20 * 2**20 + 1))

    codes = []
    for person in (empty, large):
        with pytest.raises(SophonError) as caught:
            client.fetch_photo(person)
        codes.append(caught.value.code)

    assert codes == [Code.REMOTE_DATA_FAILED, Code.IMAGE_TOO_LARGE]


def test_a_result_is_delivered_with_code_token_and_id(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    client.post_result("/getResult", b'{"success": true}', "m-1")

    call = platform.received("/getResult")[0]
    assert (call.query, call.body) == ({"dev_sno": "BOX", "token": platform.token}, {"success": True})


@pytest.mark.parametrize("status", [300, 400, 404, 500])
def test_a_result_that_is_not_taken_is_an_error_with_its_status(
    platform: ReferencePlatform, client: PlatformClient, status: int
) -> None:
    platform.misbehave("/getResult", status=status, headers={"Retry-After": "9"})

    with pytest.raises(PlatformError) as caught:
        client.post_result("/getResult", b"{}")

    assert (caught.value.status, caught.value.retry_after) == (status, 9.0)


def test_a_report_gives_back_the_platforms_answer(client: PlatformClient) -> None:
    assert b'"status":0' in client.post_report("/box/device/sync", b"{}")


def test_the_token_goes_to_no_other_host(platform: ReferencePlatform, client: PlatformClient) -> None:
    with hostile_server(lambda c, _: c.sendall(response())) as (root, requests):
        elsewhere = root.replace("127.0.0.1", "localhost")
        with PlatformClient(platform.login_url, "BOX", allowed_hosts=["localhost"]) as other:
            other.login()
            other.post_report(f"{elsewhere}/records", b"{}")

    assert requests[0].startswith("POST /records HTTP/1.1")


def test_a_stale_token_is_renewed_once_for_all_threads(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    platform.refuse_token()

    threads = [threading.Thread(target=client.post_result, args=("/getResult", b"{}")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    delivered = [call for call in platform.received("/getResult") if call.query["token"] == platform.token]
    assert len(delivered) == 8
    assert len(platform.received("/login")) == 2


def test_a_platform_that_goes_on_refusing_is_not_stormed(
    platform: ReferencePlatform, client: PlatformClient
) -> None:
    platform.misbehave("/getResult", status=403, times=6)

    for _ in range(5):
        with pytest.raises(PlatformError) as caught:
            client.post_result("/getResult", b"{}")
        assert caught.value.token_refused

    assert len(platform.received("/login")) == 2


def test_the_owner_hears_of_every_login(platform: ReferencePlatform) -> None:
    platform.add_box("BOX", LINES)
    heard: list[LoginResponse] = []

    with PlatformClient(platform.login_url, "BOX", on_login=heard.append) as client:
        login = client.login()

    assert heard == [login]


def test_secrets_show_nowhere(platform: ReferencePlatform, client: PlatformClient) -> None:
    platform.misbehave("/getResult", status=500)
    with pytest.raises(SophonError) as caught:
        client.post_result("/getResult", b"{}")

    shown = repr(client) + str(caught.value) + repr(caught.value)
    assert platform.token not in shown
    assert "CANARY" not in shown


def test_pauses_grow_from_one_second_to_sixty_with_jitter() -> None:
    shortest = Pauses(chance=lambda: 0.0)
    longest = Pauses(chance=lambda: 1.0)

    assert [shortest.next() for _ in range(9)] == [1, 1, 2, 4, 8, 16, 30, 30, 30]
    assert [longest.next() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    longest.reset()
    assert longest.next() == 1


def test_the_hardware_address_is_known_even_for_loopback_and_unknown_names() -> None:
    for url in ("http://127.0.0.1:8900/login", "http://no-such-host.invalid/login"):
        assert re.fullmatch("0x[0-9a-f]{12}", hex_mac(url))

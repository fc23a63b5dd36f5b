"""Attacks: each is refused with the right code, and nothing has changed."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sophon.api.lockout import WRONG_TOKENS
from sophon.logs import redact
from sophon.rate_limit import RateLimit
from sophon.tokens import Role, all_tokens, revoke_token
from tests.api.conftest import RunningApi, data, enrol, error

pytestmark = pytest.mark.slow

USERS = "/SophonFogSys/api/users"
CALLS = [
    ("GET", "/SophonMQ/api/DevSno"),
    ("PUT", "/SophonMQ/api/LoginUrl"),
    ("GET", USERS),
    ("DELETE", USERS),
    ("POST", "/SophonFogSys/api/WipeData"),
    ("POST", "/SophonFace/api/FIQA"),
    ("POST", "/SophonMatch/api/PictureMatch"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
]


def address_of(api: RunningApi) -> tuple[str, int]:
    parts = urlsplit(api.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def raw(api: RunningApi, request: bytes, wait: float = 5.0) -> bytes:
    """What the server answers to bytes that no HTTP library would send."""
    with socket.create_connection(address_of(api), timeout=wait) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nobody_gets_in_without_a_token(api: RunningApi, method: str, path: str) -> None:
    with api.client(role=None) as stranger:
        response = stranger.request(method, path)
    assert error(response) == 40100
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("value", ["", "Bearer", "Basic YTpi", "Bearer wrong", "Bearer \xff", "sophon_x"])
def test_a_wrong_token_is_none(api: RunningApi, value: str) -> None:
    with api.client(role=None) as stranger:
        response = stranger.get(USERS, headers=[(b"Authorization", value.encode("latin-1"))])
    assert error(response) == 40100


def test_roles_may_do_what_is_theirs_and_no_more(api: RunningApi, obama: str) -> None:
    with (
        api.client(Role.ADMIN) as admin,
        api.client(Role.DEVICE) as device,
        api.client(Role.VIEWER) as viewer,
    ):
        data(enrol(admin, obama))
        match = {"rgb_image_base64": obama}
        assert data(device.post("/SophonMatch/api/PictureMatch", json=match))["retcode"] == "1"
        assert error(device.get(USERS)) == 40300
        assert error(device.request("DELETE", USERS, json={"identity_id": "E1"})) == 40300
        assert data(viewer.get(USERS))["identities_list"]
        assert error(viewer.request("DELETE", USERS, json={"identity_id": "E1"})) == 40300
        assert error(viewer.post("/SophonMatch/api/PictureMatch", json=match)) == 40300


def test_tokens_that_are_tried_lock_the_address_out(api: RunningApi) -> None:
    with api.client(role=None) as attacker:
        codes = [
            error(attacker.get(USERS, headers={"Authorization": f"Bearer guess{number}"}))
            for number in range(WRONG_TOKENS + 5)
        ]
        locked = attacker.get(USERS, headers={"Authorization": "Bearer another"})
    assert codes == [40100] * WRONG_TOKENS + [42900] * 5
    assert int(locked.headers["Retry-After"]) > 0
    with api.client() as from_the_same_address:
        assert error(from_the_same_address.get(USERS)) == 42900


def test_who_asks_too_often_is_slowed_down_and_others_are_not(start_api: Callable[..., RunningApi]) -> None:
    api = start_api(requests_per_s=0.02)
    with api.client() as greedy, api.client(Role.VIEWER) as other, api.client(role=None) as stranger:
        answers = [greedy.get(USERS) for _ in range(5)]
        assert data(answers[0]) == {"identities_list": []}
        assert [error(one) for one in answers[1:]] == [42900] * 4
        assert all(int(one.headers["Retry-After"]) >= 1 for one in answers[1:])
        assert data(other.get(USERS)) == {"identities_list": []}
        assert [error(stranger.get(USERS)) for _ in range(3)] == [40100, 42900, 42900]


def test_whoever_waits_as_long_as_told_is_listened_to_again() -> None:
    now = 1000.0
    limit = RateLimit(10, now=lambda: now)
    assert [limit.take("a") for _ in range(20)] == [0] * 20
    seconds = limit.take("a")
    assert seconds == pytest.approx(0.1)
    now += seconds
    assert limit.take("a") == 0
    assert limit.take("a") > 0
    assert [RateLimit(0).take("a") for _ in range(1000)] == [0] * 1000


def test_a_revoked_token_is_refused(api: RunningApi) -> None:
    with api.client() as client:
        data(client.get(USERS))
        with api.store.write() as transaction:
            for record in all_tokens(transaction):
                revoke_token(transaction, record.id)
        time.sleep(1.1)
        assert error(client.get(USERS)) == 40100


def test_the_store_holds_hashes_only(api: RunningApi) -> None:
    kept = b"".join(file.read_bytes() for file in api.store.data_dir.iterdir() if file.is_file())
    for token in api.tokens.values():
        assert token.encode() not in kept


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5555", "127.0.0.1.evil.example", "", "[", "10.11.12.13"]
)
def test_another_host_name_is_refused(api: RunningApi, host: str) -> None:
    with api.client(Host=host) as rebound:
        assert error(rebound.get(USERS)) == 40300


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1"]
)
def test_a_page_of_another_site_is_refused(api: RunningApi, origin: str) -> None:
    with api.client(Origin=origin) as page:
        wipe = {"wipe_options": {"users": True, "events": True}}
        assert error(page.post("/SophonFogSys/api/WipeData", json=wipe)) == 40300


def test_no_answer_lets_a_browser_share_it(api: RunningApi, admin: httpx.Client) -> None:
    answer = admin.get(USERS, headers={"Origin": api.url})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert error(admin.options(USERS)) == 40500


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/jsonx", "text/json", "application/json\tx", "*/*"]
)
def test_other_content_types_are_refused(admin: httpx.Client, kind: str) -> None:
    body = b'{"wipe_options": {"users": true, "events": true}}'
    headers = {"Content-Type": kind}
    assert error(admin.post("/SophonFogSys/api/WipeData", content=body, headers=headers)) == 41591
    assert error(admin.post("/SophonFace/api/FIQA", content=body, headers=headers)) == 40001


@pytest.mark.parametrize("body", [b"", b"   "])
def test_an_empty_body_has_its_code(admin: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert error(admin.post("/SophonFogSys/api/WipeData", content=body, headers=headers)) == 40002


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"5",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"info":' + b"[" * 900 + b"]" * 900 + b"}",
        gzip.compress(b"{}"),
    ],
)
def test_what_is_no_sound_json_object_is_refused(admin: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert error(admin.post("/SophonFogSys/api/WipeData", content=body, headers=headers)) == 40091


@pytest.mark.parametrize("text", ["[" * 2000 + "]" * 2000, '{"a":' * 300 + "1" + "}" * 300, "1,2", "}{"])
def test_a_form_field_is_bounded_like_a_body(admin: httpx.Client, text: str) -> None:
    form = {"group_name": "x", "description": "", "info": text}
    assert error(admin.post("/SophonFogSys/api/groups", data=form)) == 40091


def test_a_form_with_files_or_too_many_fields_is_refused(admin: httpx.Client) -> None:
    assert error(admin.post("/SophonFogSys/api/groups", files={"info": ("x.json", b"{}")})) == 40091
    many: dict[str, Any] = {f"f{number}": (None, "x") for number in range(500)}
    assert error(admin.post("/SophonFogSys/api/groups", files=many)) == 40091


def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(admin: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    large = b"x" * (3 * 2**20)
    assert error(admin.post("/SophonFogSys/api/WipeData", content=large, headers=headers)) == 41300
    chunks = (b"x" * 2**16 for _ in range(40))
    assert error(admin.post("/SophonFogSys/api/WipeData", content=chunks, headers=headers)) == 41300
    photo = {"image_base64_str": "A" * (28 * 2**20)}
    assert error(admin.post("/SophonFace/api/FIQA", json=photo)) == 40007


def test_a_head_that_is_too_large_or_no_http_is_cut_off(api: RunningApi) -> None:
    assert b" 400 " in raw(api, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: " + b"a" * 200_000 + b"\r\n\r\n")
    assert b" 400 " in raw(api, b"\x16\x03\x01\x02\x00hello\r\n\r\n")
    assert b" 400 " in raw(api, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n")
    smuggled = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello"
    assert b" 400 " in raw(api, smuggled)
    assert b" 400 " in raw(api, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: x\r\n\r\n")
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 50_000
    assert b" 400 " in raw(api, endless)


def test_what_is_no_body_is_bounded_after_the_head_too(api: RunningApi) -> None:
    head = b"POST /SophonFace/api/FIQA HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 400 " in raw(api, head + b"0\r\nX-Y: " + b"a" * 400_000)
    assert b" 400 " in raw(api, head + b"0\r\n" + b"X-Y: z\r\n" * 100_000)
    assert b" 400 " in raw(api, head + b"1;" + b"a" * 400_000)


def test_a_header_behind_the_body_is_none(api: RunningApi) -> None:
    token = api.tokens[Role.ADMIN].encode()
    late = (
        b"POST /SophonFace/api/FIQA HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    )
    assert b" 401 " in raw(api, late)


def test_requests_that_come_before_the_answer_are_answered_in_order_or_are_too_many(api: RunningApi) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    statuses = re.findall(rb"HTTP/1.1 (\d+)", raw(api, 3 * health + last))
    assert statuses == [b"200", b"200", b"200", b"401"]
    assert raw(api, 2000 * health).count(b"HTTP/1.1 200") < 50


def test_who_dawdles_over_a_head_is_cut_off(
    start_api: Callable[..., RunningApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.api.connection.HEAD_SECONDS", 0.3)
    api = start_api()
    with socket.create_connection(address_of(api), timeout=30) as slow:
        with contextlib.suppress(OSError):
            for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 1000:
                slow.send(bytes([byte]))
                time.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            assert slow.recv(65536) == b""


def test_crowds_of_idle_connections_do_not_shut_others_out(api: RunningApi, admin: httpx.Client) -> None:
    with contextlib.ExitStack() as crowd:
        for _ in range(450):
            crowd.enter_context(socket.create_connection(address_of(api), timeout=5))
        assert data(admin.get(USERS)) == {"identities_list": []}


@pytest.mark.parametrize(
    "identity_id",
    ["../../etc/passwd", "..%2f..%2fetc", "CON", "a.", "' OR 1=1 --", "<script>", "\u202eabc", "a/b"],
)
def test_an_id_is_a_key_and_never_a_path(
    admin: httpx.Client, api: RunningApi, obama: str, identity_id: str
) -> None:
    before = {*api.store.data_dir.rglob("*"), api.store.data_dir / "audit.log"}
    data(enrol(admin, obama, identity_id))
    [person] = data(admin.get(USERS, params={"identity_id": identity_id}))["identities_list"]
    assert person["identity_id"] == identity_id
    data(admin.request("DELETE", USERS, json={"identity_id": identity_id}))
    assert set(api.store.data_dir.rglob("*")) == before


def test_a_value_can_not_forge_a_line_of_the_log() -> None:
    record = redact(None, "", {"address": "x\r\n2026 box stopped\x1b[2J\u2028", "token": "sophon_x"})
    assert record == {"address": "x\\r\\n2026 box stopped\\x1b[2J\\u2028", "token": "…"}


def test_open_networks_need_no_token_for_the_contracts_calls_only(
    start_api: Callable[..., RunningApi],
) -> None:
    api = start_api(open_networks=("127.0.0.0/8",))
    with api.client(role=None) as pad:
        assert data(pad.get("/SophonMQ/api/DevSno"))["dev_sno"] == "BOXA0001"
        assert error(pad.get("/openapi.json")) == 40100
        assert error(pad.get(USERS, headers={"Authorization": "Bearer wrong"})) == 40100
        assert error(pad.get(USERS, headers={"Host": "evil.example"})) == 40300
        assert error(pad.get(USERS, headers={"Origin": "http://evil.example"})) == 40300


def test_other_networks_are_not_open(start_api: Callable[..., RunningApi]) -> None:
    api = start_api(open_networks=("192.168.7.0/24",))
    with api.client(role=None, **{"X-Forwarded-For": "192.168.7.9", "X-Real-IP": "192.168.7.9"}) as liar:
        assert error(liar.get(USERS)) == 40100


def test_a_failure_inside_says_nothing_of_the_inside(
    api: RunningApi, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    data(admin.get("/SophonFogSys/api/groups"))

    def break_down() -> None:
        raise RuntimeError("secret path /root/key")

    monkeypatch.setattr(api.store, "read", break_down)
    for _ in range(2):  # the first fails in the call, the second where its token is looked up
        response = admin.get("/SophonFogSys/api/groups")
        assert error(response) == 50072
        assert "secret" not in response.text
        time.sleep(1.1)

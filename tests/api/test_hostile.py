"""Requests that no decent program sends: each gets an answer of the description, or its connection is cut; never a 5xx."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import socket
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from sophon.tokens import Role
from tests.api.conftest import RunningApi, data, enrol

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

#: How many are sent; the full measure is 5000.
REQUESTS = int(os.environ.get("SOPHON_API_HOSTILE", "200"))
#: Some bodies end before they said they would; the server waits longer for the rest than we do.
PATIENCE_S = 1.0
DESCRIBED = {200, 400, 401, 403, 404, 405, 413, 415, 429, 501, 503}

HEADERS: list[list[bytes]] = [
    [],
    [b"Content-Type: application/json; charset=utf-16"],
    [b"Content-Type: application/json\tx"],
    [b"Content-Type: text/plain"],
    [b"Content-Type: multipart/form-data"],
    [b"Content-Type: multipart/form-data; boundary=" + b"b" * 3000],
    [b"Content-Type: application/x-www-form-urlencoded"],
    [b"Content-Type: application/octet-stream"],
    [b"Content-Type: \xff\xfe"],
    [b"Content-Type: application/json", b"Content-Type: text/plain"],
    [b"Content-Encoding: gzip", b"Content-Type: application/json"],
    [b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: gzip, chunked"],
    [b"Transfer-Encoding: chunked", b"Content-Length: 3"],
    [b"Content-Length: 3", b"Content-Length: 4"],
    [b"Content-Length: -1"],
    [b"Content-Length: 99999999999999999999"],
    [b"Content-Length: 1e3"],
    [b"Content-Length: \xb2"],
    [b"Expect: 100-continue"],
    [b"Range: bytes=0-0,1-1,-5"],
    [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: eA=="],
    [b"X-HTTP-Method-Override: DELETE"],
    [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Host: localhost", b"Forwarded: for=127.0.0.1"],
    [b"Cookie: " + b"a=b; " * 500],
    [b"X-Long: " + b"x" * 30_000],
    [b"X-Many-%d: y" % number for number in range(300)],
    [b"X-Bytes: \x80\xff\xfe\xfd"],
    [b"X-Nul: a\x00b"],
    [b"X-Fold: a\r\n b"],
    [b"X-Split: a\r\nX-Injected: b"],
    [b"Bad Name: x"],
    [b": nameless"],
    [b"Origin: null"],
    [b"Origin: http://evil.example"],
    [b"Referer: javascript:alert(1)"],
    [b"Last-Event-ID: -1"],
    [b"Last-Event-ID: " + b"9" * 5000],
    [b"Accept: */*;q=nan"],
    [b"If-None-Match: *", b'If-Match: "x"'],
    [b"Authorization: Bearer wrong"],
    [b"Authorization: Basic " + b"A" * 5000],
    [b"Authorization: Bearer \xff\xff"],
    [b"Host: evil.example"],
    [b"Host: 127.0.0.1:99999999"],
    [b"Host: [::1"],
]
BODIES: list[bytes] = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"{",
    b"{}",
    b'"' + b"x" * 100_000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"a":' * 63 + b"1" + b"}" * 63,
    b"[" * 100_000,
    b'{"identity_id": 1e999}',
    b'{"identity_id": NaN, "group_name": Infinity}',
    b'{"identity_id": ' + b"9" * 5000 + b"}",
    b'{"identity_id": "\\ud800"}',
    b'{"identity_id": "a\\u0000b", "info": {"name": "\\u0000"}}',
    b'{"identity_id": "' + "\u202e\u0000".encode() + b'"}',
    b'{"identity_id": "X", "identity_id": {"identity_id": []}}',
    b'{"identity_id": {"$ne": null}, "reg_photo": "' + b"A" * 50_000 + b'"}',
    b'{"identity_id": "../../x", "reg_photo": "iVBORw0KGgo=", "group_name": "default_group", "info": {"name": "x"}}',
    b'{"group_name": "\' OR 1=1 --", "description": "", "info": {"__proto__": {"x": 1}}}',
    b'{"group_name": ["a", null, {}], "identity_id": [[], {}], "description": 5}',
    b'{"permission_name": "", "description": null}',
    b'{"wipe_options": {"users": "true", "events": 1}}',
    b'{"wipe_options": [true, true]}',
    b'{"image_base64": "data:image/png;base64,", "k": -5}',
    b'{"image_base64_str": "' + b"/" * 200_000 + b'"}',
    b'{"rgb_image_base64": "iVBORw0KGgoAAAANSUhEUgAAdTAAAHUwCAYAAAAfFcSJ", "device_ip": "127.0.0.1; rm -rf /"}',
    b'{"image_a_base64": {}, "image_b_base64": []}',
    b'{"login_url": "file:///etc/passwd"}',
    b'{"login_url": "http://169.254.169.254/latest"}',
    b'{"dev_sno": "a\\r\\nX: y"}',
    b'{"monitor_server_url": "http://127.0.0.1:1/", "content-type": "json", "reported_peroid": 20}',
    b'{"event_server_url": ["http://[::1]/", "gopher://x", 7], "content-type": "xml"}',
    b'{"people": [{}, null, 5, {"identity_id": "X", "reg_url": "http://127.0.0.1/"}, []]}',
    b'{"people": ' + b"[" * 60 + b"]" * 60 + b"}",
    b'{"controller_mode": "\\ud83d"}',
    b'{"action": [{"action_ip": "127.0.0.1", "action_port": 1e3, "action_mode": "opendoor"}]}',
    b"sophon backup 1\n{}\nx\n",
    b"sophon backup 1\n" + b"{" * 5000,
    b'--b\r\nContent-Disposition: form-data; name="group_name"\r\n\r\nx',
    b"--x\r\n" * 5000,
    b"a=" * 20_000,
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nx",
    b"\xff\xfe{\x00}\x00",
    bytes(range(256)) * 20,
    gzip.compress(b"{}" * 100_000),
]
PIECES = [
    "..%2f..%2fetc",
    "%00",
    "%ff",
    "a" * 300,
    "%2e%2e",
    "'%20OR%201=1",
    "%F0%9F%98%80",
    "-1",
    "1e9",
    "NaN",
    "",
]
QUERIES = [
    "", "?", "?limit=-1", "?limit=1e9&skip=x", "?after=99999999999999999999", "?search=%00%ff", "?group=%27--",
    "?identity_id=%ed%a0%80", "?with_deleted=maybe", "?" + "a=b&" * 2000, "?limit=1&limit=2", "?%", "?since=-1&until=x",
]  # fmt: skip


def test_hostile_requests_are_answered_as_described_and_change_nothing(
    api: RunningApi, admin: httpx.Client, obama: str
) -> None:
    data(enrol(admin, obama))
    groups = data(admin.get("/SophonFogSys/api/groups"))
    calls = [
        (method.upper(), path)
        for path, described in admin.get("/openapi.json").json()["paths"].items()
        for method in described
        if path != "/api/v1/events/stream"
    ]
    dice = random.Random(7)
    seen: Counter[int] = Counter()
    for _ in range(REQUESTS):
        request = hostile_request(dice, calls, api.tokens[Role.ADMIN])
        status, body = send(api, request)
        seen[status] += 1
        assert status in {0, *DESCRIBED}, (status, request[:600], body[:300])
        if status >= 400 and body.startswith(b"{"):
            assert orjson.loads(body)["error"]["code"] // 100 == status, request[:600]
    assert seen[400] > REQUESTS / 10
    assert seen[0] < REQUESTS / 3
    assert len(api.box) == 1
    with api.store.read() as snapshot:
        assert snapshot.people.all_ids() == {"E1"}
        names = [group.name for group in snapshot.groups.all()]
    assert names == [group["name"] for group in groups["groups_list"]]
    assert api.station.moves == []


def hostile_request(dice: random.Random, calls: Sequence[tuple[str, str]], token: str) -> bytes:
    method, path = dice.choice(calls)
    for name in ("{identity_id}", "{job_id}"):
        path = path.replace(name, dice.choice(PIECES))
    if dice.random() < 0.05:
        method = dice.choice(["TRACE", "CONNECT", "PATCH", "OPTIONS", "get", "X" * 100, "HEAD"])
    headers = dice.choice(HEADERS) + (dice.choice(HEADERS) if dice.random() < 0.3 else [])
    body = dice.choice(BODIES)
    names = {header.partition(b":")[0].lower() for header in headers}
    if b"host" not in names:
        headers = [b"Host: 127.0.0.1", *headers]
    # Wrong tokens lock this address out, so most requests have the right one.
    if b"authorization" not in names or dice.random() < 0.97:
        headers = [one for one in headers if not one.startswith(b"Authorization")]
        headers = [*headers, b"Authorization: Bearer " + token.encode()]
    if b"content-type" not in names:
        headers = [*headers, b"Content-Type: application/json"]
    if not names & {b"content-length", b"transfer-encoding"}:
        headers = [*headers, b"Content-Length: %d" % len(body)]
    if b"connection" not in names:
        headers = [*headers, b"Connection: close"]
    line = f"{method} {path}{dice.choice(QUERIES)} HTTP/1.1".encode()
    return b"\r\n".join([line, *headers, b"", body])


def send(api: RunningApi, request: bytes) -> tuple[int, bytes]:
    """The answer's status and body; status 0 if the connection was cut without one."""
    parts = urlsplit(api.url)
    answer = b""
    with (
        contextlib.suppress(ConnectionError, TimeoutError),
        socket.create_connection(
            (str(parts.hostname), int(parts.port or 0)), timeout=PATIENCE_S
        ) as connection,
    ):
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]), body) if head.startswith(b"HTTP/1.1 ") else (0, b"")

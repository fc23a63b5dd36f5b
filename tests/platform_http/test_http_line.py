"""One exchange with servers that stall, lie, flood and redirect: bounded in time, bytes and reach."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time

import pytest
import trustme

from sophon.errors import Code, SophonError
from sophon.platform import RefusedAddressError, UrlPolicy
from sophon.platform.http_line import HttpLine, Reply
from tests.platform_http.hostile_server import Answer, hostile_server, response


def get(
    answer: Answer, path: str = "/x?token=CANARY", *, seconds: float = 5.0, max_bytes: int = 1000
) -> Reply:
    with hostile_server(answer) as (root, _):
        line = HttpLine(UrlPolicy(root))
        try:
            return line.exchange("GET", root + path, seconds=seconds, max_bytes=max_bytes, follow=True)
        finally:
            line.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_an_answer_of_any_status_is_given_back() -> None:
    reply = get(lambda connection, _: connection.sendall(response(b"busy", "503 Busy", Retry_After="7")))

    assert reply == Reply(503, b"busy", 7.0)


@pytest.mark.parametrize("length", [b"Content-Length: 4\r\n", b""], ids=["announced", "until the end"])
def test_a_body_that_comes_after_its_head_is_read_whole(length: bytes) -> None:
    def in_parts(connection: socket.socket, head: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n" + length + b"\r\n")
        for part in (b"lo", b"ng"):
            time.sleep(0.05)
            connection.sendall(part)

    assert get(in_parts).body == b"long"


def never(connection: socket.socket, head: str) -> None:
    time.sleep(1.5)


def one_byte_at_a_time_in_the_head(connection: socket.socket, head: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(40):
        connection.sendall(b"X")
        time.sleep(0.05)


def one_byte_at_a_time_in_the_body(connection: socket.socket, head: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(40):
        connection.sendall(b"X")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [never, one_byte_at_a_time_in_the_head, one_byte_at_a_time_in_the_body])
def test_a_server_that_stalls_or_drips_meets_the_deadline(answer: Answer) -> None:
    with pytest.raises(SophonError, match=r"did not answer within 0\.3 s") as caught:
        get(answer, seconds=0.3)

    assert caught.value.code is Code.REMOTE_SERVER_FAILED


def endless(connection: socket.socket, head: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(4096))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (endless, "sends more than"),
        (lambda c, _: c.sendall(response(bytes(1001))), "sends more than"),
        (
            lambda c, _: c.sendall(response(gzip.compress(bytes(10**6)), Content_Encoding="gzip")),
            "answers compressed",
        ),
    ],
)
def test_a_flood_or_a_bomb_is_cut(answer: Answer, says: str) -> None:
    with pytest.raises(SophonError, match=says) as caught:
        get(answer)

    assert caught.value.code is Code.REMOTE_DATA_FAILED


@pytest.mark.parametrize(
    "answer",
    [
        lambda c, _: None,
        lambda c, _: c.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda c, _: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
    ],
    ids=["closes", "no http", "length lie"],
)
def test_a_broken_answer_is_a_failed_server(answer: Answer) -> None:
    with pytest.raises(SophonError, match="can't be reached") as caught:
        get(answer)

    assert caught.value.code is Code.REMOTE_SERVER_FAILED


def test_who_floods_is_hung_up_on() -> None:
    hung_up = threading.Event()

    def flood(connection: socket.socket, head: str) -> None:
        try:
            endless(connection, head)
        except ConnectionError:
            hung_up.set()

    with pytest.raises(SophonError, match="sends more than"):
        get(flood)

    assert hung_up.is_set()


def test_a_flood_in_chunks_is_cut() -> None:
    def chunks(connection: socket.socket, head: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"400\r\n" + bytes(1024) + b"\r\n")

    with pytest.raises(SophonError, match="sends more than") as caught:
        get(chunks)

    assert caught.value.code is Code.REMOTE_DATA_FAILED


def test_an_answer_that_stops_in_a_chunk_is_a_failed_server() -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nshort"

    with pytest.raises(SophonError, match="its answer is not HTTP") as caught:
        get(lambda connection, _: connection.sendall(cut))

    assert caught.value.code is Code.REMOTE_SERVER_FAILED


def keeping(connection: socket.socket, head: str) -> None:
    """Answer whatever comes on one connection, which stays open."""
    while head:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
        head = connection.recv(65536).decode("latin-1")


def ask_twice(
    answer: Answer, pause: float = 0.0, authority: trustme.CA | None = None
) -> tuple[list[bytes], int]:
    """Two exchanges, a pause between them: the answers, and how many connections there were."""
    tls = server_tls(authority, "127.0.0.1") if authority else None
    with hostile_server(answer, tls) as (root, connections):
        line = HttpLine(UrlPolicy(root), client_tls(authority) if authority else None)
        bodies = []
        for _ in range(2):
            bodies.append(line.exchange("GET", root, seconds=5, max_bytes=10).body)
            time.sleep(pause)
        line.close()
    return bodies, len(connections)


def test_a_connection_serves_one_exchange_after_the_other() -> None:
    assert ask_twice(keeping) == ([b"yes", b"yes"], 1)


def test_so_does_one_by_tls(authority: trustme.CA) -> None:
    assert ask_twice(keeping, 0.1, authority) == ([b"yes", b"yes"], 1)


@pytest.mark.parametrize(
    "parting", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"], ids=["closed", "unasked answer"]
)
def test_a_connection_on_which_something_came_unasked_is_not_used_again(parting: bytes) -> None:
    def once(connection: socket.socket, head: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
        time.sleep(0.05)
        connection.sendall(parting)

    assert ask_twice(once, pause=0.2) == ([b"yes", b"yes"], 2)


def silent(connection: socket.socket, head: str) -> None:
    connection.sendall(connection.recv(1))


def cut_short(connection: socket.socket, head: str) -> None:
    """The end of the connection is the end of the body."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf of it")
    silent(connection, head)


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("answer", [silent, cut_short])
def test_closing_the_line_ends_an_exchange_under_way(
    authority: trustme.CA, answer: Answer, is_tls: bool
) -> None:
    tls = server_tls(authority, "127.0.0.1") if is_tls else None
    with hostile_server(answer, tls) as (root, requests):
        line = HttpLine(UrlPolicy(root), client_tls(authority))

        def close_when_asked() -> None:
            while not requests:
                time.sleep(0.01)
            time.sleep(0.1)
            line.close()

        closing = threading.Thread(target=close_when_asked)
        closing.start()
        started = time.monotonic()
        with pytest.raises(SophonError, match="can't be reached"):
            line.exchange("GET", root, seconds=10, max_bytes=100)
        closing.join()

    assert time.monotonic() - started < 5


def test_errors_never_show_the_query() -> None:
    for answer in (never, endless, lambda c, _: None):
        with pytest.raises(SophonError) as caught:
            get(answer, "/x?token=CANARY", seconds=0.3)
        assert "CANARY" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed() -> None:
    def answer(connection: socket.socket, head: str) -> None:
        moved = response(status="302 Found", Location="/y")
        connection.sendall(moved if head.startswith("GET /x") else response(b"photo"))

    assert get(answer).body == b"photo"


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://169.254.169.254/latest/meta-data", "neither the platform's nor the image server's"),
        ("http://10.0.0.1/", "neither the platform's nor the image server's"),
        ("ftp://127.0.0.1/x", "use http or https"),
        ("file:///etc/passwd", "use http or https"),
        ("http://user:word@127.0.0.1/", "with a user name"),
        ("http://a:b/", "redirects to what is no address"),
        ("/x", "redirects more than 3 times"),
    ],
)
def test_a_redirect_elsewhere_is_refused(location: str, says: str) -> None:
    with pytest.raises(RefusedAddressError, match=says):
        get(lambda c, _: c.sendall(response(status="302 Found", Location=location)))


def test_a_redirect_to_this_box_is_refused() -> None:
    with hostile_server(
        lambda c, _: c.sendall(response(status="302 Found", Location="http://127.0.0.1:5555/"))
    ) as (root, _):
        line = HttpLine(UrlPolicy(root, own_ports=[5555]))
        with pytest.raises(RefusedAddressError, match="this box itself"):
            line.exchange("GET", f"{root}/x", seconds=5, max_bytes=10, follow=True)
        line.close()


def test_a_signed_query_arrives_as_it_was_given() -> None:
    query = "/a%2Fb/%E4%BA%BA.jpg?Expires=1&Signature=a%2Fb%3D+c==&x=~!*'()$,;:@/?-_.&flag"

    with hostile_server(lambda c, _: c.sendall(response())) as (root, requests):
        line = HttpLine(UrlPolicy(root))
        line.exchange("GET", root + query, seconds=5, max_bytes=10)
        line.close()

    assert requests[0].split(" ")[1] == query


def get_by_tls(authority: trustme.CA, name: str, *, trusted: bool, answer: Answer | None = None) -> Reply:
    client = client_tls(authority) if trusted else ssl.create_default_context()
    with hostile_server(
        answer or (lambda c, _: c.sendall(response(b"safe"))), server_tls(authority, name)
    ) as (root, _):
        line = HttpLine(UrlPolicy(root), client)
        try:
            return line.exchange("GET", root, seconds=5, max_bytes=10, follow=True)
        finally:
            line.close()


def test_a_certificate_of_a_trusted_authority_for_this_host_is_accepted(authority: trustme.CA) -> None:
    assert get_by_tls(authority, "127.0.0.1", trusted=True).body == b"safe"


@pytest.mark.parametrize(("name", "trusted"), [("127.0.0.1", False), ("elsewhere.example", True)])
def test_any_other_certificate_is_refused(authority: trustme.CA, name: str, trusted: bool) -> None:
    with pytest.raises(SophonError, match="certificate verify failed") as caught:
        get_by_tls(authority, name, trusted=trusted)

    assert caught.value.code is Code.REMOTE_SERVER_FAILED


def test_a_redirect_from_https_to_http_is_refused(authority: trustme.CA) -> None:
    def answer(connection: socket.socket, head: str) -> None:
        connection.sendall(response(status="302 Found", Location="http://127.0.0.1/"))

    with pytest.raises(RefusedAddressError, match="from https to http"):
        get_by_tls(authority, "127.0.0.1", trusted=True, answer=answer)


def test_names_outside_ascii_are_encoded() -> None:
    with hostile_server(lambda c, _: c.sendall(response())) as (root, requests):
        line = HttpLine(UrlPolicy(root))
        line.exchange("GET", root + "/人.jpg", seconds=5, max_bytes=10)
        line.close()

    assert requests[0].split(" ")[1] == "/%E4%BA%BA.jpg"


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert get(lambda c, _: c.sendall(response(b"direct"))).body == b"direct"


def test_a_name_that_resolves_to_a_special_address_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        return [(2, 1, 6, "", (address, port)) for address in ("93.184.216.34", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    line = HttpLine(UrlPolicy("http://platform.example", ["http://images.example"]))

    with pytest.raises(RefusedAddressError, match=r"special address 169\.254\.169\.254"):
        line.exchange("GET", "http://images.example/1.jpg", seconds=1, max_bytes=10)
    line.close()
    assert asked == ["images.example"]


def test_an_unresolvable_name_is_a_failed_server() -> None:
    line = HttpLine(UrlPolicy("http://no-such-host.invalid"))

    with pytest.raises(SophonError, match="can't be resolved"):
        line.exchange("GET", "http://no-such-host.invalid/", seconds=5, max_bytes=10)
    line.close()


def test_a_closed_line_is_an_error_and_not_a_crash() -> None:
    line = HttpLine(UrlPolicy("http://127.0.0.1"))
    line.close()

    with pytest.raises(SophonError, match="closed"):
        line.exchange("GET", "http://127.0.0.1/", seconds=1, max_bytes=10)

"""The box's line to its management platform."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from pydantic import SecretStr

from sophon.contract import (
    ErrorResponse,
    LoginResponse,
    Person,
    RefusedPerson,
    UserIdList,
    decode_photo,
    parse_login,
    parse_people,
    urls,
)
from sophon.contract.login import MAX_LOGIN_BYTES
from sophon.contract.people import MAX_PEOPLE_ANSWER_BYTES
from sophon.contract.photos import MAX_PHOTO_BYTES
from sophon.errors import Code, SophonError
from sophon.platform.http_line import HttpLine, Reply
from sophon.platform.interface import hex_mac
from sophon.platform.pauses import Pauses
from sophon.platform.url_policy import RefusedAddressError, UrlPolicy

PEOPLE_PER_FETCH = 100
FETCH_TRIES = 3
FETCH_SECONDS = 60.0
JSON_SECONDS = 30.0
PHOTO_SECONDS = 20.0
RESULT_SECONDS = 10.0
MAX_ANSWER_BYTES = 2**20
TOKEN_REFUSED = (401, 403)
#: A platform that refused a fresh token is not asked for another one sooner than this.
FRESH_TOKEN_REFUSED_SECONDS = 30.0

T = TypeVar("T")


class PlatformError(SophonError):
    """The platform answered, but not with success.

    Attributes:
        status: its HTTP status.
        retry_after: the seconds it asks to be left alone, or None.
    """

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(Code.REMOTE_SERVER_FAILED, f"{message}: HTTP {reply.status}{_reason(reply.body)}")
        self.status = reply.status
        self.retry_after = reply.retry_after

    @property
    def token_refused(self) -> bool:
        """Whether the token is stale: log in again."""
        return self.status in TOKEN_REFUSED


class PlatformClient:
    """Calls to one platform for one box; may be used by many threads.

    When the platform refuses the token (401, 403), the client logs in again, once for all threads, tells ``on_login``,
    and repeats the call. The first login, and repeating it until it works, is the owner's.

    Args:
        login_url: where to log in; all relative addresses follow its root.
        dev_sno: the box's authorisation code.
        allowed_hosts, own_ports: see `UrlPolicy`.
        tls: how https servers are verified; the system's authorities by default.
        on_login: hears of every successful login, also of those the client made by itself.
    """

    def __init__(
        self,
        login_url: str,
        dev_sno: str,
        *,
        allowed_hosts: Iterable[str] = (),
        own_ports: Iterable[int] = (),
        tls: ssl.SSLContext | None = None,
        on_login: Callable[[LoginResponse], None] | None = None,
    ) -> None:
        self._login_url, self._dev_sno = login_url, dev_sno
        self._allowed_hosts, self._own_ports = tuple(allowed_hosts), tuple(own_ports)
        self._on_login = on_login
        self._line = HttpLine(UrlPolicy(login_url, (), self._allowed_hosts, self._own_ports), tls)
        self._login_lock = threading.Lock()
        self._fresh_token_refused_at = float("-inf")
        self._token = SecretStr("")
        self._image_server: str | None = None
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"PlatformClient({urls.login_root(self._login_url)!r}, {self._dev_sno!r})"

    def __enter__(self) -> PlatformClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; pauses end and calls under way fail."""
        self._closed.set()
        self._line.close()

    def move(self, login_url: str, dev_sno: str) -> None:
        """Belong to another platform, or be known by another code; nothing is sent before the next login."""
        with self._login_lock:
            self._login_url, self._dev_sno = login_url, dev_sno
            self._token = SecretStr("")  # the old platform's token is not the new one's business
            self._image_server = None
            self._line.policy = UrlPolicy(login_url, (), self._allowed_hosts, self._own_ports)

    def check_callable(self, url: str) -> None:
        """Refuse an address that someone here names, as far as it can be judged before it is called.

        Raises:
            RefusedAddressError: as `UrlPolicy` does, but that the host need not be known already.
        """
        policy = UrlPolicy(self._login_url, (url,), self._allowed_hosts, self._own_ports)
        policy.check_url(url)
        policy.check_literal(url)

    def login(self) -> LoginResponse:
        """Log in once; token and image server are used from then on.

        Raises:
            PlatformError: if the platform refused.
            SophonError: REMOTE_SERVER_FAILED if it can't be reached, REMOTE_DATA_FAILED if its answer is unusable.
        """
        with self._login_lock:
            return self._login()

    def fetch_people(self, path: str, ids: Sequence[str]) -> Iterator[Person | RefusedPerson]:
        """People's details, one for each id, in order, fetched lazily in chunks.

        A chunk that can't be fetched refuses its own ids, with 50073 or 50074; whom the answer does not hold is refused
        with 50074.
        """
        for start in range(0, len(ids), PEOPLE_PER_FETCH):
            yield from self._fetch_chunk(path, ids[start : start + PEOPLE_PER_FETCH])

    def fetch_photo(self, person: Person) -> bytes:
        """The bytes of a person's photograph, whichever way it is given. Nothing is added to a photograph's URL.

        Raises:
            SophonError: IMAGE_ERROR or IMAGE_TOO_LARGE; REMOTE_SERVER_FAILED if it can't be fetched,
                REMOTE_DATA_FAILED if it is empty.
        """
        if person.reg_photo is not None:
            return decode_photo(person.reg_photo)
        if person.reg_url is not None:
            url = urls.platform_url(self._login_url, person.reg_url)
        else:
            url = urls.photo_url(self._login_url, self._image_server, person.relative_pic_url or "")
        return self._tried(lambda seconds: self._get_photo(url, min(seconds, PHOTO_SECONDS)))

    def post_result(self, notify_path: str, body: bytes, message_id: str = "") -> None:
        """Deliver a command's result; one try.

        Args:
            notify_path: as the command gave it.
            body: the result as JSON.
            message_id: makes a repeated delivery recognisable; sent as ``Idempotency-Key``.

        Raises:
            PlatformError: if the answer is not a 2xx.
            SophonError: REMOTE_SERVER_FAILED if there is none.
        """
        headers = {"Idempotency-Key": message_id} if message_id else {}
        reply = self._with_token(
            lambda token: self._post(self._call_url(notify_path, token), body, RESULT_SECONDS, headers)
        )
        _succeeded(reply, "the result was not taken")

    def post_report(
        self,
        address: str,
        body: bytes,
        seconds: float = JSON_SECONDS,
        *,
        content_type: str = "application/json",
        login_again: bool = True,
    ) -> bytes:
        """Deliver a report (records, status, sub-devices, an event) to one receiver; one try.

        ``dev_sno`` and ``token`` go to the platform's and the image server's hosts only. Without ``login_again`` a refused
        token is not renewed, so that the call ends in time. Returns the answer's body.

        Raises:
            PlatformError: if the answer is not a 2xx.
            SophonError: REMOTE_SERVER_FAILED if there is none.
        """

        def post(token: str) -> Reply:
            url = urls.report_url(self._login_url, self._image_server, address, self._dev_sno, token)
            return self._post(url, body, seconds, {"Content-Type": content_type})

        reply = self._with_token(post) if login_again else post(self._token.get_secret_value())
        return _succeeded(reply, "the report was not taken").body

    def _login(self) -> LoginResponse:
        url = urls.login_request_url(self._login_url, self._dev_sno, hex_mac(self._login_url))
        reply = self._line.exchange("GET", url, seconds=JSON_SECONDS, max_bytes=MAX_LOGIN_BYTES)
        if reply.status != 200:
            raise PlatformError("the login was refused", reply)
        login = parse_login(reply.body)
        image_server = (
            urls.platform_url(self._login_url, login.img_server_addr) if login.img_server_addr else None
        )
        named = (*((image_server,) if image_server else ()), *_receivers(login))
        self._line.policy = UrlPolicy(self._login_url, named, self._allowed_hosts, self._own_ports)
        self._image_server = image_server
        self._token = login.token
        if self._on_login is not None:
            self._on_login(login)
        return login

    def _login_again(self, refused: SecretStr) -> bool:
        """Whether there is a newer token than the refused one; another thread may have got it already."""
        with self._login_lock:
            if self._token == refused:
                if time.monotonic() - self._fresh_token_refused_at < FRESH_TOKEN_REFUSED_SECONDS:
                    return False
                self._login()
            return True

    def _with_token(self, call: Callable[[str], Reply]) -> Reply:
        token = self._token
        reply = call(token.get_secret_value())
        if reply.status in TOKEN_REFUSED and self._login_again(token):
            reply = call(self._token.get_secret_value())
            if reply.status in TOKEN_REFUSED:
                self._fresh_token_refused_at = time.monotonic()
        return reply

    def _call_url(self, address: str, token: str) -> str:
        return urls.call_url(self._login_url, address, self._dev_sno, token)

    def _post(self, url: str, body: bytes, seconds: float, headers: dict[str, str] | None = None) -> Reply:
        return self._line.exchange(
            "POST",
            url,
            body=body,
            headers={"Content-Type": "application/json", **(headers or {})},
            seconds=seconds,
            max_bytes=MAX_ANSWER_BYTES,
        )

    def _fetch_chunk(self, path: str, ids: Sequence[str]) -> Iterator[Person | RefusedPerson]:
        try:
            people = self._tried(lambda seconds: self._get_people(path, ids, min(seconds, JSON_SECONDS)))
        except SophonError as error:
            yield from (RefusedPerson(one, "", error.code, str(error)) for one in ids)
        else:
            yield from (people[one] for one in ids)

    def _get_people(self, path: str, ids: Sequence[str], seconds: float) -> dict[str, Person | RefusedPerson]:
        body = UserIdList(userid_list=list(ids)).encode()

        def post(token: str) -> Reply:
            return self._line.exchange(
                "POST",
                self._call_url(path, token),
                body=body,
                headers={"Content-Type": "application/json"},
                seconds=seconds,
                max_bytes=MAX_PEOPLE_ANSWER_BYTES,
            )

        reply = self._with_token(post)
        if reply.status != 200:
            raise PlatformError("the people could not be fetched", reply)
        return parse_people(reply.body, ids)

    def _get_photo(self, url: str, seconds: float) -> bytes:
        reply = self._line.exchange(
            "GET",
            url,
            seconds=seconds,
            max_bytes=MAX_PHOTO_BYTES,
            follow=True,
            too_large=Code.IMAGE_TOO_LARGE,
        )
        if reply.status != 200:
            raise PlatformError("the photo could not be fetched", reply)
        if not reply.body:
            raise SophonError(Code.REMOTE_DATA_FAILED, "the photo's URL answers with nothing")
        return reply.body

    def _tried(self, attempt: Callable[[float], T]) -> T:
        """Up to three tries with growing pauses, all within a minute; only a server that fails is tried again."""
        deadline = time.monotonic() + FETCH_SECONDS
        pauses = Pauses(0.5, 8.0)
        for tries_left in reversed(range(FETCH_TRIES)):
            try:
                return attempt(max(deadline - time.monotonic(), 0.1))
            except RefusedAddressError:  # noqa: PERF203 - a try is a network exchange
                raise
            except SophonError as error:
                if error.code is not Code.REMOTE_SERVER_FAILED or not tries_left:
                    raise
                pause = max(pauses.next(), getattr(error, "retry_after", None) or 0.0)
                if time.monotonic() + pause >= deadline or self._closed.wait(pause):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")


def _receivers(login: LoginResponse) -> Iterator[str]:
    """The receivers of reports that are named by whole URLs; the others are at the platform's host."""
    named = (login.device_list_info_addr, login.device_info_addr, login.device_monitor_addr)
    return filter(urls.is_absolute, (*login.record_addresses, *filter(None, named)))


def _succeeded(reply: Reply, otherwise: str) -> Reply:
    if not 200 <= reply.status < 300:
        raise PlatformError(otherwise, reply)
    return reply


def _reason(body: bytes) -> str:
    """What an error body of the contract says, shortened."""
    try:
        error = ErrorResponse.model_validate_json(body).error
    except ValueError:
        return ""
    return f", {error.code} {error.message[:200]}"

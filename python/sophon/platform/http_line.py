"""One bounded HTTP exchange: in bytes, in seconds, in redirects, and in where it may go."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from sophon import __version__
from sophon.errors import Code, SophonError
from sophon.platform.connection import Connection, Origin
from sophon.platform.url_policy import RefusedAddressError, UrlPolicy

MAX_IDLE = 32
MAX_REDIRECTS = 3
MAX_RETRY_AFTER = 300.0
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Reply:
    """What came back: the HTTP status, the whole body, and the seconds of ``Retry-After`` where it was given."""

    status: int
    body: bytes
    retry_after: float | None


class HttpLine:
    """A client for URLs from outside; may be used by many threads.

    Attributes:
        policy: where it may go; a login can replace it.
    """

    def __init__(self, policy: UrlPolicy, tls: ssl.SSLContext | None = None) -> None:
        self.policy = policy
        self._tls = tls or ssl.create_default_context()
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._closed = False

    def close(self) -> None:
        """Close all connections; exchanges under way fail."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._in_use:
                connection.abort()
        for connection in idle:
            connection.close()

    def exchange(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        max_bytes: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = False,
        too_large: Code = Code.REMOTE_DATA_FAILED,
    ) -> Reply:
        """Send one request and read its whole answer, whatever its status is.

        Args:
            method: the HTTP method.
            url: absolute.
            seconds: for everything together.
            max_bytes: of the answer's body.
            body: of the request.
            headers: further ones.
            follow: whether up to three redirects are followed; each target is checked again.
            too_large: the code of an answer over ``max_bytes``.

        Raises:
            RefusedAddressError: if the policy forbids the URL.
            SophonError: REMOTE_SERVER_FAILED if the server can't be reached or does not answer in time;
                ``too_large``; REMOTE_DATA_FAILED if it compressed the answer though it was asked not to.
        """
        deadline = time.monotonic() + seconds
        for _ in range(MAX_REDIRECTS + 1):
            self.policy.check_url(url)
            try:
                reply, location = self._one(method, url, body, headers or {}, max_bytes, deadline, too_large)
            except TimeoutError:
                raise SophonError(
                    Code.REMOTE_SERVER_FAILED, f"{_shown(url)} did not answer within {seconds:.3g} s"
                ) from None
            except (http.client.HTTPException, OSError, ValueError) as error:
                raise SophonError(
                    Code.REMOTE_SERVER_FAILED, f"{_shown(url)} can't be reached: {_said(error)}"
                ) from None
            if location is None or not follow:
                return reply
            url = _target(url, location)
        raise RefusedAddressError(f"{_shown(url)} redirects more than {MAX_REDIRECTS} times")

    def _one(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
        too_large: Code,
    ) -> tuple[Reply, str | None]:
        parsed = httpx.URL(url)
        is_tls = parsed.scheme == "https"
        origin = Origin(is_tls, parsed.raw_host.decode("ascii"), parsed.port or (443 if is_tls else 80))
        connection = self._take(origin)
        is_reusable = False
        try:
            connection.deadline = deadline
            connection.request(
                method,
                parsed.raw_path.decode("ascii"),
                body,
                {"User-Agent": f"sophon/{__version__}", "Accept": "*/*", **headers},
            )
            with connection.getresponse() as response:
                content = _read(response, url, max_bytes, too_large)
                is_reusable = not response.will_close
            self._check_open()  # closing may have cut short what its connection's end completes
        finally:
            self._give_back(connection, is_reusable=is_reusable)
        location = response.getheader("Location") if response.status in REDIRECTS else None
        return Reply(response.status, content, _retry_after(response)), location

    def _take(self, origin: Origin) -> Connection:
        """The connection to the origin that was used last, if it is still good, or a new one."""
        with self._lock:
            self._check_open()
            alike = [one for one in self._idle if one.origin == origin]
            if alike:
                connection = alike[-1]
                self._idle.remove(connection)
                if not connection.is_usable():
                    connection.close()  # it connects anew
            else:
                connection = Connection(origin, self._tls, self._check_address)
            self._in_use.add(connection)
            return connection

    def _give_back(self, connection: Connection, *, is_reusable: bool) -> None:
        with self._lock:
            self._in_use.discard(connection)
            if is_reusable and not self._closed and len(self._idle) < MAX_IDLE:
                connection.rest()
                self._idle.append(connection)
                return
        connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionError("the line is closed")

    def _check_address(self, host: str, address: str, port: int) -> None:
        self.policy.check_address(host, address, port)


def _read(response: http.client.HTTPResponse, url: str, max_bytes: int, too_large: Code) -> bytes:
    encoding = response.getheader("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise SophonError(
            Code.REMOTE_DATA_FAILED, f"{_shown(url)} answers compressed ({encoding[:20]}), unasked"
        )
    announced = response.length
    content = response.read(max_bytes + 1) if announced is None or announced <= max_bytes else None
    if content is None or len(content) > max_bytes:
        raise SophonError(too_large, f"{_shown(url)} sends more than {max_bytes / 2**20:.3g} MiB")
    if announced is not None and len(content) < announced:
        raise ConnectionError(f"it sent {len(content)} of {announced} bytes")
    return content


def _target(url: str, location: str) -> str:
    """Where a redirect leads."""
    try:
        target = httpx.URL(url).join(location)
    except httpx.InvalidURL:
        raise RefusedAddressError(f"{_shown(url)} redirects to what is no address") from None
    if httpx.URL(url).scheme == "https" and target.scheme != "https":
        raise RefusedAddressError(f"{_shown(url)} redirects from https to {target.scheme}")
    return str(target)


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    value = response.getheader("Retry-After", "")
    return min(float(value), MAX_RETRY_AFTER) if value.isascii() and value.isdigit() else None


def _said(error: Exception) -> str:
    """What is wrong; of what was sent, and so of the token, nothing."""
    name = type(error).__name__
    if isinstance(error, OSError):
        return str(error) or name
    return f"its answer is not HTTP ({name})" if isinstance(error, http.client.HTTPException) else name


def _shown(url: str) -> str:
    """The URL as errors and logs may show it: without its query, which carries the token."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode()}{parsed.path}"[:200]

"""One bounded HTTP exchange: in bytes, in seconds, in redirects, and in where it may go."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore
import httpx

from sophon.errors import Code, SophonError
from sophon.platform.network import BoundedNetwork
from sophon.platform.url_policy import RefusedAddressError, UrlPolicy

MAX_CONNECTIONS = 32
MAX_REDIRECTS = 3
CONNECT_SECONDS = 5.0
MAX_RETRY_AFTER = 300.0


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
        self._network = BoundedNetwork(
            lambda host, address, port: self.policy.check_address(host, address, port)
        )
        context = tls or ssl.create_default_context()
        transport = httpx.HTTPTransport(verify=context, trust_env=False)
        # httpx has no parameter for the network under its connection pool; the pool itself takes one.
        transport._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=15.0,
            network_backend=self._network,
        )
        self._client = httpx.Client(
            transport=transport, trust_env=False, headers={"Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        """Close all connections; exchanges under way fail."""
        self._client.close()

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
        with self._network.within(seconds):
            for _ in range(MAX_REDIRECTS + 1):
                self.policy.check_url(url)
                reply, location = self._one(method, url, body, headers, max_bytes, seconds, too_large)
                if location is None or not follow:
                    return reply
                target = httpx.URL(url).join(location)
                if httpx.URL(url).scheme == "https" and target.scheme != "https":
                    raise RefusedAddressError(f"{_shown(url)} redirects from https to {target.scheme}")
                url = str(target)
        raise RefusedAddressError(f"{_shown(url)} redirects more than {MAX_REDIRECTS} times")

    def _one(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        max_bytes: int,
        seconds: float,
        too_large: Code,
    ) -> tuple[Reply, str | None]:
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        try:
            with self._client.stream(method, url, content=body, headers=headers, timeout=timeout) as response:
                content = _read(response, url, max_bytes, too_large)
                location = response.headers.get("location") if response.is_redirect else None
                return Reply(response.status_code, content, _retry_after(response)), location
        except httpx.TimeoutException:
            raise SophonError(
                Code.REMOTE_SERVER_FAILED, f"{_shown(url)} did not answer within {seconds:.3g} s"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SophonError(
                Code.REMOTE_SERVER_FAILED, f"{_shown(url)} can't be reached: {error or type(error).__name__}"
            ) from None
        except RuntimeError as error:  # httpx's word for a client that was closed meanwhile
            raise SophonError(Code.REMOTE_SERVER_FAILED, f"{_shown(url)}: {error}") from None


def _read(response: httpx.Response, url: str, max_bytes: int, too_large: Code) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise SophonError(
            Code.REMOTE_DATA_FAILED, f"{_shown(url)} answers compressed ({encoding[:20]}), unasked"
        )
    content = bytearray()
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > max_bytes:
            raise SophonError(too_large, f"{_shown(url)} sends more than {max_bytes / 2**20:.3g} MiB")
    return bytes(content)


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER) if value.isascii() and value.isdigit() else None


def _shown(url: str) -> str:
    """The URL as errors and logs may show it: without its query, which carries the token."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode()}{parsed.path}"[:200]

"""The network under the HTTP client: connects to checked addresses only, and ends every exchange by its deadline."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import typing
from collections.abc import Callable, Iterable, Iterator

import httpcore

CheckAddress = Callable[[str, str, int], None]


class BoundedNetwork(httpcore.NetworkBackend):
    """Connections whose host was resolved once and checked, with a deadline per thread over all their waiting.

    A read timeout alone starts anew with every byte, so a sender of one byte per second never meets it.
    """

    def __init__(self, check_address: CheckAddress) -> None:
        self._check_address = check_address
        self._sockets = httpcore.SyncBackend()
        self._deadline = threading.local()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound everything this thread does on the network inside the block."""
        self._deadline.at = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._deadline.at

    def left(self, timeout: float | None) -> float | None:
        """Seconds that a wait may take now."""
        at = getattr(self._deadline, "at", None)
        if at is None:
            return timeout
        left: float = max(at - time.monotonic(), 0.001)
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers, after all of them were checked."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"the name can't be resolved: {error.strerror or error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._check_address(host, address.partition("%")[0], port)
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port, timeout, local_address, socket_options)
        return self._connect(addresses[-1], port, timeout, local_address, socket_options)

    def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
        return _BoundedStream(stream, self)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._sockets.sleep(seconds)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, network: BoundedNetwork) -> None:
        self._stream, self._network = stream, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._network.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._network.left(timeout))
        return _BoundedStream(stream, self._network)

    def get_extra_info(self, info: str) -> typing.Any:
        return self._stream.get_extra_info(info)

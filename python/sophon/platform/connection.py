"""One HTTP/1.1 connection to a checked address, on which no exchange outlasts its deadline.

The standard library's client underneath: it hands a body over as the kernel gave it, in a fifth of the processor time that a
client in pure Python takes to pass a photograph through its parser.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

CONNECT_SECONDS = 5.0
#: Servers close what is idle for longer; a connection is not used again in the moment when they do.
IDLE_SECONDS = 15.0

CheckAddress = Callable[[str, str, int], None]


class Origin(NamedTuple):
    """What a connection leads to; ``host`` is a name in ASCII or an address."""

    is_tls: bool
    host: str
    port: int


class Connection(http.client.HTTPConnection):
    """Connects when it is first used, to the first of the host's addresses that answers, after all of them were checked.

    Attributes:
        deadline: on the monotonic clock; all waiting ends by then, with TimeoutError.
    """

    def __init__(self, origin: Origin, tls: ssl.SSLContext, check_address: CheckAddress) -> None:
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self.default_port = 443 if origin.is_tls else 80  # of which the Host header says nothing
        self.deadline = 0.0
        self._tls, self._check_address = tls, check_address
        self._socket: socket.socket | None = None
        self._used_at = 0.0

    def connect(self) -> None:
        """Connect to a checked address.

        Raises what ``check_address`` raises, and OSError.
        """
        connected = self._connected()
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.origin.is_tls:
                connected.settimeout(self.left())
                connected = self._tls.wrap_socket(connected, server_hostname=self.origin.host)
        except BaseException:
            connected.close()
            raise
        self._socket = connected
        self.sock = cast(socket.socket, _DeadlineSocket(connected, self.left))

    def left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError if it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def rest(self) -> None:
        """Note that an exchange is complete, and the next one may be long in coming."""
        self._used_at = time.monotonic()

    def is_usable(self) -> bool:
        """Whether the connection may take another exchange: nothing has come since the last one, no end either."""
        if self._socket is None or time.monotonic() - self._used_at > IDLE_SECONDS:
            return False
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """End an exchange that another thread waits for; that thread closes the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                # Not a TLS socket's own: that one would let the other thread go on reading, undeciphered.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _connected(self) -> socket.socket:
        host, port = self.origin.host, self.origin.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConnectionError(f"the name can't be resolved: {reason}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._check_address(host, address.partition("%")[0], port)
        failure: OSError = ConnectionError("the name has no address")
        for address in addresses:
            seconds = min(CONNECT_SECONDS, self.left())
            try:
                return socket.create_connection((address, port), seconds)
            except TimeoutError:
                failure = ConnectionError(f"no connection within {seconds:.3g} s")
            except OSError as error:
                failure = error
        raise failure


class _DeadlineSocket:
    """What the standard library's client uses of a socket.

    A socket's own time-out starts anew with every byte, so a sender of one byte per second never meets it.
    """

    def __init__(self, connected: socket.socket, left: Callable[[], float]) -> None:
        self._connected, self._left = connected, left

    def sendall(self, data: Any) -> None:
        self._connected.settimeout(self._left())
        self._connected.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._connected, self._left))

    def close(self) -> None:
        self._connected.close()


class _DeadlineReader(io.RawIOBase):
    """Keeps the socket open, after it was closed, until it is closed itself: an answer may end with its connection."""

    def __init__(self, connected: socket.socket, left: Callable[[], float]) -> None:
        self._connected, self._left = connected, left
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connected.settimeout(self._left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

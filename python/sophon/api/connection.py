"""One HTTP connection, with bounds on what it may send besides a body, and for how long it may say nothing."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: A connection that has not sent a whole request head by then is closed.
HEAD_SECONDS = 10.0
#: Beyond this many, the connection that has been idle longest makes room for a new one.
MAX_CONNECTIONS = 400
#: Of one request's head, and of what stands between the parts of a body.
MAX_HEAD_BYTES = 64 << 10
#: Requests that may be sent before the answer to the one before.
MAX_PIPELINED = 16


class _RefusedHeadError(Exception):
    """The parser ends with it, and the connection with a 400."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that must say what it wants soon and in few words, and gives way to new ones while it wants nothing."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._outside_body = 0
        self._head_is_read = False
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close_if_idle)
        if len(self.connections) > MAX_CONNECTIONS:
            self._close_oldest_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse what goes on and on without being a body: the parser itself would keep all of it."""
        self._outside_body += len(data)
        super().data_received(data)
        if self._outside_body > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request has too much besides its body.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_is_read = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body was not there when the caller was checked, and counts for nothing."""
        if not self._head_is_read:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request on, unless its head is too large or ambiguous."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if size > MAX_HEAD_BYTES or hosts > 1 or len(self.pipeline) >= MAX_PIPELINED:
            raise _RefusedHeadError
        self._head_is_read = True
        self._outside_body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._outside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._outside_body = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        self._head_timer.cancel()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close_if_idle)
        super().on_response_complete()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._is_idle and not self.transport.is_closing():
            self.transport.close()

    def _close_oldest_idle(self) -> None:
        idle = (one for one in self.connections if isinstance(one, BoundedConnection) and one._is_idle)
        # Who never asked for anything goes before who may be about to ask again.
        oldest = min(idle, key=lambda one: (one.cycle is not None, one._head_timer.when()), default=None)
        if oldest is not None and oldest is not self:
            oldest.transport.abort()

"""A relay that moves no door: it keeps the orders it got, over HTTP or TCP."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any, Literal

import orjson

MAX_ORDER_BYTES = 4096


class SimulatedRelay:
    """Listens on the loopback interface while it is open."""

    def __init__(self, scheme: Literal["http", "tcp"] = "http", *, status: int = 200) -> None:
        self._scheme = scheme
        self._orders: list[Any] = []
        self._came = threading.Condition()
        relay = self

        class Posted(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Take an order."""
                length = min(int(self.headers.get("Content-Length", 0)), MAX_ORDER_BYTES)
                relay._take(self.rfile.read(length))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Line(StreamRequestHandler):
            def handle(self) -> None:
                """Take an order."""
                relay._take(self.rfile.readline(MAX_ORDER_BYTES))

        handler: type[BaseRequestHandler] = Posted if scheme == "http" else Line
        self._server = ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, as a sub-device is configured with."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def orders(self) -> list[Any]:
        """The orders so far, oldest first."""
        with self._came:
            return list(self._orders)

    def wait_for(self, number: int = 1, seconds: float = 10.0) -> list[Any]:
        """The orders once there are so many, or the time is over."""
        with self._came:
            self._came.wait_for(lambda: len(self._orders) >= number, seconds)
            return list(self._orders)

    def __enter__(self) -> SimulatedRelay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, order: bytes) -> None:
        with self._came:
            self._orders.append(orjson.loads(order))
            self._came.notify_all()

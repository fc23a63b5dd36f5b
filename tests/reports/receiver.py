"""An HTTP receiver of events that behaves as a test wants, over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import orjson

Behave = Callable[[Any, int], int]
CUT = -1


class Receiver:
    """Keeps what it accepted. ``behave`` (body, number of the call) gives the status, or CUT to hang up without one.

    ``stores_failures`` keeps also what it then answers with an error.
    """

    def __init__(
        self, behave: Behave = lambda _body, _call: 200, *, delay: float = 0.0, stores_failures: bool = False
    ) -> None:
        self.behave, self.delay, self.stores_failures = behave, delay, stores_failures
        self.calls = 0
        self.stored: list[tuple[float, Any]] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                form = self.headers["Content-Type"].startswith("multipart/")
                status = receiver._take(raw if form else orjson.loads(raw))
                if status == CUT:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that hung up is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def _take(self, body: Any) -> int:
        with self._changed:
            self.calls += 1
            status = self.behave(body, self.calls)
        time.sleep(self.delay)
        if 200 <= status < 300 or self.stores_failures:
            with self._changed:
                self.stored.append((time.time(), body))
                self._changed.notify_all()
        return status

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def wait_for(self, number: int, seconds: float = 20.0) -> list[Any]:
        """What was stored, once there is so much."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.stored) >= number, seconds), (
                f"{len(self.stored)} of {number} within {seconds} s"
            )
            return [body for _, body in self.stored]

    def wait_for_calls(self, number: int, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while self.calls < number:
            assert time.monotonic() < end, f"{self.calls} of {number} calls within {seconds} s"
            time.sleep(0.01)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

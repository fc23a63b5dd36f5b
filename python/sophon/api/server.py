"""The HTTP server, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import uvicorn

from sophon.api.app import make_app
from sophon.box import Box
from sophon.errors import ConfigError

CLOSE_SECONDS = 5


class ApiServer:
    """Serves the API at one address while it is open."""

    def __init__(self, box: Box, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_app(box),
                log_config=None,
                access_log=False,
                limit_concurrency=64,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def __enter__(self) -> ApiServer:
        """Bind and begin to serve. Raises ConfigError if the address can't be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._host, self._port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"http_port: {self._host}:{self._port} can't be used ({error.strerror}); set another http_port"
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(CLOSE_SECONDS + 1)
        if self._socket is not None:
            self._socket.close()

    def _serve(self) -> None:
        assert self._socket is not None
        self._server.run(sockets=[self._socket])

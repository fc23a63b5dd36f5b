"""The HTTP server, in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import uvicorn
from starlette.types import ASGIApp

from sophon.api.connection import BoundedConnection
from sophon.errors import ConfigError

CLOSE_SECONDS = 5


@dataclass(frozen=True)
class TlsFiles:
    """A certificate chain and its key, both PEM."""

    certificate: Path
    key: Path


class ApiServer:
    """Serves an application at one address while it is open."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: TlsFiles | None = None) -> None:
        """Raise ConfigError if the certificate or its key can't be used."""
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        config = uvicorn.Config(
            app,
            http=BoundedConnection,
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody may say that they are somebody else
            timeout_keep_alive=10,
            timeout_graceful_shutdown=CLOSE_SECONDS,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"http_tls_certificate: can't be used with http_tls_key: {error}") from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port it serves at."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> ApiServer:
        """Bind and begin to serve. Raises ConfigError if the address can't be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY; without it every answer waits 40 ms for an acknowledgement.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._host, self._port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"http_port: {self._host}:{self._port} can't be used ({error.strerror}); set another http_port"
            ) from error
        self._socket.listen(512)
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

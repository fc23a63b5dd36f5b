"""A server that speaks raw bytes, for answers no decent server gives."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket, str], None]


@contextlib.contextmanager
def hostile_server(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve connections one after the other with ``answer(connection, request head)``; yields root URL and requests."""
    requests: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    if stop.is_set():
                        return
                    connection.settimeout(10)
                    speaker = tls.wrap_socket(connection, server_side=True) if tls else connection
                    with speaker:
                        head = speaker.recv(65536).decode("latin-1")
                        requests.append(head)
                        answer(speaker, head)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", requests
        finally:
            stop.set()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            thread.join(timeout=15)


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A plain HTTP/1.1 response that closes the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body

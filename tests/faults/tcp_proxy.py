"""A TCP proxy that misbehaves on demand: cuts, goes silent in one direction or both, refuses."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

CHUNK = 1 << 16
#: Given what arrived, what passes, and whether the connection lives on.
Gate = Callable[[bytes], tuple[bytes, bool]]
Self = TypeVar("Self", bound="TcpProxy")


class TcpProxy:
    """Listens on a port of its own and forwards to a target; faults concern every connection, old and new.

    With ``tls`` clients speak TLS to it, and it speaks plainly to the target.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._to_target = threading.Event()
        self._from_target = threading.Event()
        self._accepting = threading.Event()
        self.heal()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._listener.close()
        self.heal()
        self.cut()

    def silence(self, *, to_target: bool = True, from_target: bool = True) -> None:
        """Swallow nothing, forward nothing: connections look open and nothing arrives."""
        if to_target:
            self._to_target.clear()
        if from_target:
            self._from_target.clear()

    def refuse(self) -> None:
        """Reset every connection, and each new one at once."""
        self._accepting.clear()
        self.cut()

    def heal(self) -> None:
        """Behave."""
        for flow in (self._to_target, self._from_target, self._accepting):
            flow.set()

    def cut(self) -> None:
        """Reset every connection; new ones are fine."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for one in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._accepting.is_set():
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            try:
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                server = socket.create_connection(self._target, 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            for source, sink, flow, gate in (
                (client, server, self._to_target, self._gate(to_target=True)),
                (server, client, self._from_target, self._gate(to_target=False)),
            ):
                threading.Thread(target=self._pump, args=(source, sink, flow, gate), daemon=True).start()

    def _gate(self, *, to_target: bool) -> Gate:
        """For one direction of a new connection; here everything passes."""
        return lambda data: (data, True)

    def _pump(self, source: socket.socket, sink: socket.socket, flow: threading.Event, gate: Gate) -> None:
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            while not self._closed.is_set():
                # What TLS has decrypted already, the selector can't see.
                waiting = isinstance(source, ssl.SSLSocket) and source.pending() > 0
                if not flow.wait(0.2) or not (waiting or selector.select(0.2)):
                    continue
                data = source.recv(CHUNK)
                if not data:
                    break
                passed, lives = gate(data)
                sink.sendall(passed)
                if not lives:
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

"""A proxy that understands AMQP well enough to cut a connection at a certain message or acknowledgement."""

from __future__ import annotations

import struct
import threading
from enum import Enum

from tests.faults.tcp_proxy import Gate, TcpProxy

_GREETING_BYTES = 8
_FRAME = struct.Struct(">BHI")
_END_BYTES = 1
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER, _ACK = (60, 60), (60, 80)
_BODY_SIZE = struct.Struct(">xxxxQ")


class Cut(Enum):
    """Where a connection ends."""

    AFTER_DELIVERY = "after delivery"
    BEFORE_ACK = "before acknowledgement"
    AFTER_ACK = "after acknowledgement"


class AmqpProxy(TcpProxy):
    """Cuts once, at the ``number``-th delivery to the client or acknowledgement by it; ``has_cut`` is set then."""

    def __init__(self, host: str, port: int, cut: Cut, number: int) -> None:
        super().__init__(host, port)
        self._cut = cut
        self._left = number
        self._counting = threading.Lock()
        self.has_cut = threading.Event()

    def _gate(self, *, to_target: bool) -> Gate:
        frames = _Frames(_GREETING_BYTES if to_target else 0)

        def gate(data: bytes) -> tuple[bytes, bool]:
            passed = b""
            for frame, event in frames.read(data):
                here = event is not None and (event is _ACK) is to_target and self._is_here(event)
                passed += b"" if here and self._cut is Cut.BEFORE_ACK else frame
                if here:
                    return passed, False
            return passed, True

        return gate

    def _is_here(self, event: tuple[int, int]) -> bool:
        if (event is _DELIVER) is not (self._cut is Cut.AFTER_DELIVERY):
            return False
        with self._counting:
            self._left -= 1
            if self._left == 0:
                self.has_cut.set()
            return self._left == 0


class _Frames:
    """One direction of a connection, frame by frame."""

    def __init__(self, greeting_bytes: int) -> None:
        self._greeting_bytes = greeting_bytes
        self._held = b""
        self._delivering = False
        self._missing = 0

    def read(self, data: bytes) -> list[tuple[bytes, tuple[int, int] | None]]:
        """The frames that are whole now, each with what it ends: a delivery, an acknowledgement, or neither."""
        self._held += data
        frames: list[tuple[bytes, tuple[int, int] | None]] = []
        while (size := self._next_size()) and len(self._held) >= size:
            frame, self._held = self._held[:size], self._held[size:]
            is_greeting, self._greeting_bytes = bool(self._greeting_bytes), 0
            frames.append((frame, None if is_greeting else self._event(frame)))
        return frames

    def _next_size(self) -> int:
        if self._greeting_bytes:
            return self._greeting_bytes
        if len(self._held) < _FRAME.size:
            return 0
        return _FRAME.size + int(_FRAME.unpack_from(self._held)[2]) + _END_BYTES

    def _event(self, frame: bytes) -> tuple[int, int] | None:
        kind, _, size = _FRAME.unpack_from(frame)
        payload = frame[_FRAME.size : -_END_BYTES]
        if kind == _METHOD:
            method = struct.unpack_from(">HH", payload)
            self._delivering = method == _DELIVER
            return _ACK if method == _ACK else None
        if kind == _HEADER:
            self._missing = _BODY_SIZE.unpack_from(payload)[0]
        elif kind == _BODY:
            self._missing -= size
        else:
            return None
        return _DELIVER if self._delivering and self._missing == 0 else None

"""Reading FlatBuffers, the format of .tflite files, without generated code.

A table is a position in the buffer; its first four bytes lead back to its vtable, which holds the offset of each field
(0 where the field is left out). Format: the FlatBuffers project's "FlatBuffer Internals".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Table:
    """One table; every method takes the field's number in the schema. Raises ``struct.error`` outside the buffer."""

    buffer: bytes
    position: int

    @classmethod
    def root(cls, buffer: bytes) -> Table:
        """Return the table that the buffer starts with."""
        return cls(buffer, struct.unpack_from("<I", buffer, 0)[0])

    def _field(self, number: int) -> int | None:
        vtable = self.position - struct.unpack_from("<i", self.buffer, self.position)[0]
        entry = 4 + 2 * number
        if entry >= struct.unpack_from("<H", self.buffer, vtable)[0]:
            return None
        offset: int = struct.unpack_from("<H", self.buffer, vtable + entry)[0]
        return self.position + offset if offset else None

    def _follow(self, position: int) -> int:
        offset: int = struct.unpack_from("<I", self.buffer, position)[0]
        return position + offset

    def integer(self, number: int, kind: str = "i", default: int = 0) -> int:
        """Return a scalar field; ``kind`` is a letter of :mod:`struct`."""
        position = self._field(number)
        return default if position is None else int(struct.unpack_from("<" + kind, self.buffer, position)[0])

    def table(self, number: int) -> Table | None:
        """Return the table that a field refers to."""
        position = self._field(number)
        return None if position is None else Table(self.buffer, self._follow(position))

    def tables(self, number: int) -> Sequence[Table]:
        """Return a vector of tables."""
        start, length = self._vector(number)
        places = range(start, start + 4 * length, 4)
        return [Table(self.buffer, self._follow(place)) for place in places]

    def array(self, number: int, dtype: DTypeLike) -> NDArray[np.generic]:
        """Return a vector of scalars."""
        start, length = self._vector(number)
        return np.frombuffer(self.buffer, dtype, length, start) if length else np.empty(0, dtype)

    def text(self, number: int) -> str:
        """Return a string field."""
        start, length = self._vector(number)
        return self.buffer[start : start + length].decode()

    def _vector(self, number: int) -> tuple[int, int]:
        position = self._field(number)
        if position is None:
            return 0, 0
        start = self._follow(position)
        return start + 4, struct.unpack_from("<I", self.buffer, start)[0]

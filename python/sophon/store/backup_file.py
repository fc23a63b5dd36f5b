"""The form of a backup file: a line that names it, a line that describes it, a line with the checksum, the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from pydantic import BaseModel, Field, ValidationError

from sophon.errors import Code, SophonError

MAGIC = b"sophon backup 1\n"
MAX_HEAD_BYTES = 4096
CHUNK_BYTES = 1 << 20


class BackupError(SophonError):
    """The file is no backup that can be restored here; nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.BAD_REQUEST, message)


class Manifest(BaseModel):
    """What a backup says of itself: who made it when (ms since the epoch), its schema, and how long the database is."""

    version: str
    schema_version: int
    made_at: int
    bytes: int = Field(ge=0)


class BackupWriter:
    """A finished backup, ready to be sent. To be closed."""

    def __init__(self, manifest: Manifest, database: BinaryIO) -> None:
        line = manifest.model_dump_json().encode() + b"\n"
        checksum = hashlib.sha256(MAGIC + line)
        while chunk := database.read(CHUNK_BYTES):
            checksum.update(chunk)
        database.seek(0)
        self._head = MAGIC + line + checksum.hexdigest().encode() + b"\n"
        self._database = database
        self.size = len(self._head) + manifest.bytes

    def chunks(self) -> Iterator[bytes]:
        """The whole file, in order."""
        yield self._head
        while chunk := self._database.read(CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Let the copy go."""
        self._database.close()

    def __enter__(self) -> BackupWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BackupReader:
    """Takes a backup apart as it comes in: checks it, and writes its database to a file of its own."""

    def __init__(self, database: Path, known_schema: int) -> None:
        self._head = b""
        self._manifest: Manifest | None = None
        self._wanted = b""
        self._checksum = hashlib.sha256()
        self._known_schema = known_schema
        self._size = 0
        self._file = database.open("xb")

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises BackupError as soon as they can't be a backup's."""
        if self._manifest is None:
            self._head += chunk
            if not MAGIC.startswith(self._head[: len(MAGIC)]):
                raise BackupError("this is no backup of a sophon box")
            if self._head.count(b"\n") < 3:
                if len(self._head) > MAX_HEAD_BYTES:
                    raise BackupError("the backup is damaged: its head is too long")
                return
            _, line, self._wanted, chunk = self._head.split(b"\n", 3)
            self._manifest = self._read(line)
            self._checksum.update(MAGIC + line + b"\n")
        self._size += len(chunk)
        if self._size > self._manifest.bytes:
            raise BackupError("the backup is damaged: it is longer than it says")
        self._checksum.update(chunk)
        self._file.write(chunk)

    def finish(self) -> Manifest:
        """That was all. Raises BackupError unless it is what was written once, to the last bit."""
        self._file.flush()
        if self._manifest is None or self._size < self._manifest.bytes:
            raise BackupError("the backup is damaged: its end is missing")
        if self._checksum.hexdigest().encode() != self._wanted:
            raise BackupError("the backup is damaged: its checksum is wrong")
        return self._manifest

    def close(self) -> None:
        """Close the database's file."""
        self._file.close()

    def __enter__(self) -> BackupReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, line: bytes) -> Manifest:
        try:
            manifest = Manifest.model_validate_json(line)
        except ValidationError:
            raise BackupError("the backup is damaged: its head can't be read") from None
        if manifest.schema_version > self._known_schema:
            raise BackupError(
                f"the backup was made by a newer version ({manifest.version[:40]!r}); restore it there, or upgrade"
            )
        return manifest

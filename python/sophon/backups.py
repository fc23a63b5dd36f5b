"""Backups: a box's whole database as one file, and the way back, wholly or not at all.

A backup holds faces and names: it is worth as much protection as the box. Photographs that are kept encrypted are so in
the backup, too; their key is not in it.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

from sophon import __version__
from sophon.errors import Code, ConfigError, SophonError
from sophon.store import BackupError, BackupReader, BackupWriter, Manifest, Restored, Store
from sophon.store.database import DATABASE, PHOTO_KEY, DamagedError, Follow
from sophon.store.photo_keeping import UnreadablePhotoError

MIN_FREE_BYTES = 64 << 20


def make_backup(store: Store, scratch: Path) -> BackupWriter:
    """Copy the database as it is now, while the box goes on; ``scratch`` is a folder with room for it.

    Raises StoreUnavailableError, or SophonError SERVICE_BUSY, if there is no room.
    """
    if store.is_restoring:
        raise SophonError(Code.SERVICE_BUSY, "a restoration is under way; try again later")
    needed = (store.data_dir / DATABASE).stat().st_size + MIN_FREE_BYTES
    if shutil.disk_usage(scratch).free < needed:
        raise SophonError(Code.SERVICE_BUSY, f"a backup needs {needed >> 20} MiB of free disk in {scratch}")
    copy = scratch / f"{uuid.uuid4().hex}.db"
    made_at = time.time_ns() // 1_000_000
    try:
        store.copy_to(copy)
        database = copy.open("rb")
    finally:
        # From here on it is gone however this process ends.
        copy.unlink(missing_ok=True)
    manifest = Manifest(
        version=__version__,
        schema_version=store.schema_version,
        made_at=made_at,
        bytes=os.fstat(database.fileno()).st_size,
    )
    return BackupWriter(manifest, database)


def write_backup(store: Store, file: Path) -> int:
    """Write a backup to a file, which is complete or not there; return its size."""
    partial = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with make_backup(store, file.parent) as backup:
            with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as opened:
                for chunk in backup.chunks():
                    opened.write(chunk)
                opened.flush()
                os.fsync(opened.fileno())
            partial.replace(file)
            return backup.size
    finally:
        partial.unlink(missing_ok=True)


class Restoration:
    """A backup on its way back: fed piece by piece, checked as a whole, then put in place. A context manager."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owned = ExitStack()
        self._folder = store.scratch / uuid.uuid4().hex

    def __enter__(self) -> Restoration:
        self._folder.mkdir(mode=0o700)
        self._owned.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._reader = self._owned.enter_context(
            BackupReader(self._folder / DATABASE, self._store.schema_version)
        )
        return self

    def __exit__(self, *_exception: object) -> None:
        self._owned.close()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file. Raises BackupError if they can't be a backup's, or SERVICE_BUSY without room."""
        if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
            raise SophonError(Code.SERVICE_BUSY, "the disk has no room for the backup")
        self._reader.feed(chunk)

    def put_in_place(self, *, with_deleted: bool = False, follow: Follow | None = None) -> Restored:
        """Check the whole, bring an older version's up to date, and replace what the box knows.

        ``follow`` is as for `Store.restore_from`. Raises BackupError if the file is damaged or not a box's; SophonError if
        people would come back who were deleted and can't be told apart, or there is no room. Nothing is changed then.
        """
        self._reader.finish()
        self._reader.close()
        try:
            with Store(self._folder, photos=self._store.photos) as other:
                other.convert_photos()
                if _photo_key(other) != _photo_key(self._store):
                    raise BackupError(
                        "the backup's photographs are encrypted with another key than this box's"
                    )
                problems = other.check()
                if problems:
                    raise BackupError(f"the backup is damaged: {problems[0]}")
                if other.layout() != self._store.layout():
                    raise BackupError("this is no backup of a sophon box: its tables are others")
        except (DamagedError, ConfigError, UnreadablePhotoError) as error:
            raise BackupError(f"the backup can't be opened: {error}") from None
        needed = (self._folder / DATABASE).stat().st_size + MIN_FREE_BYTES
        if shutil.disk_usage(self._folder).free < needed:
            raise SophonError(
                Code.SERVICE_BUSY, f"to restore this backup needs {needed >> 20} MiB of free disk"
            )
        return self._store.restore_from(other, with_deleted=with_deleted, follow=follow)


def _photo_key(store: Store) -> object:
    with store.read() as snapshot:
        return snapshot.settings.get(PHOTO_KEY)

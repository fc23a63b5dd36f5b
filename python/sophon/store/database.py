"""The database file: one writer, many readers, durable commits, one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

from sophon.errors import Code, ConfigError, SophonError
from sophon.store.batches import Batches
from sophon.store.counters import Counters
from sophon.store.devices import Devices
from sophon.store.erasures import Erasures
from sophon.store.event_receivers import EventReceivers
from sophon.store.events import Events
from sophon.store.groups import Groups
from sophon.store.inbox import Inbox
from sophon.store.outbox import Outbox
from sophon.store.people import ImageTable, People
from sophon.store.permissions import Permissions
from sophon.store.photo_keeping import PhotoKeeping
from sophon.store.restoring import RESTORATION, Restored, Takeover
from sophon.store.schema import MIGRATIONS
from sophon.store.settings import StoredSettings

_log = logging.getLogger(__name__)

DATABASE = "sophon.db"
BUSY_TIMEOUT_S = 10.0
# Photographs and messages are large: with pages of 32 KiB they are written in three fifths of the time that SQLite's 4 KiB take.
# Small changes become slower with larger ones, and write more. A file that is there already keeps its own.
PAGE_BYTES = 32 << 10
# A commit that finds the log larger than this has to work it off first; `checkpoint` does so beforehand.
LOG_BYTES = 256 << 20
# There are as many readers as were ever at work at once, and each fills its cache in time; the system caches the file too.
READER_CACHE_KIB = 1024
WRITER_CACHE_KIB = 4000
CHECKPOINT_BYTES = 16 << 20
# SQLite in WAL mode needs free space even to delete; this much is set aside and given back when the disk is full.
RESERVE_BYTES = 16 << 20
#: Settings: how enrolment photographs are kept on the disk ("mixed" while that changes), and the fingerprint of their key.
PHOTO_MODE = "enrolment_photos"
PHOTO_KEY = "enrolment_photos_key"
PHOTOS_AT_ONCE = 50
#: The folder that holds the backup being restored.
RESTORING = "restoring"
PICTURE_TABLES = ("photos", "crops", "event_pictures")


class StoreUnavailableError(SophonError):
    """The database can't be written now (disk full, or locked by another process); nothing was changed, try again."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.SERVER_PROCESS_FAILED, message)


class DamagedError(SophonError):
    """The database file is not what SQLite wrote."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.SERVER_PROCESS_FAILED, message)


class Snapshot:
    """One consistent view of all tables."""

    def __init__(self, connection: sqlite3.Connection, photos: PhotoKeeping) -> None:
        self._connection = connection
        self.people = People(connection, photos)
        self.groups = Groups(connection)
        self.permissions = Permissions(connection)
        self.events = Events(connection, photos)
        self.event_receivers = EventReceivers(connection)
        self.devices = Devices(connection)
        self.inbox = Inbox(connection)
        self.batches = Batches(connection)
        self.erasures = Erasures(connection)
        self.outbox = Outbox(connection)
        self.settings = StoredSettings(connection)
        self.counters = Counters(connection)

    def mentions(self, identity_id: str) -> dict[str, int]:
        """How many rows of each table are about a person; of tables that hold people by their id, but for tombstones."""
        tables = self._connection.execute(
            "SELECT DISTINCT t.name FROM sqlite_schema t, pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND c.name = 'identity_id' AND t.name <> 'tombstones'"
        ).fetchall()
        count = "SELECT count(*) FROM {} WHERE identity_id = ?"
        return {
            table: int(self._connection.execute(count.format(table), (identity_id,)).fetchone()[0])
            for (table,) in tables
        }


class Transaction(Snapshot):
    """A snapshot that may be changed; all its changes reach the disk together, or none does."""

    def __init__(self, connection: sqlite3.Connection, photos: PhotoKeeping) -> None:
        super().__init__(connection, photos)
        self._after_commit: list[Callable[[], object]] = []

    def after_commit(self, action: Callable[[], object]) -> None:
        """Run ``action`` once the changes are on disk, before any later transaction starts; drop it on a rollback."""
        self._after_commit.append(action)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done inside if it raises, and only that."""
        actions = len(self._after_commit)
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except sqlite3.OperationalError as error:
            # A full disk may have rolled back the whole transaction already, savepoint included.
            raise _unavailable(error) from error
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            del self._after_commit[actions:]
            raise
        self._connection.execute("RELEASE part")

    def insert_salvaged(self, table: str, row: tuple[object, ...]) -> bool:
        """Put a row of a damaged database into the same table here, if it fits; whether it did."""
        marks = ", ".join("?" * len(row))
        # A new database has settings of its own, such as the key of pseudonyms; the box's former ones count.
        on_conflict = "REPLACE" if table == "settings" else "IGNORE"
        try:
            return (
                self._connection.execute(
                    f"INSERT OR {on_conflict} INTO {table} VALUES ({marks})", row
                ).rowcount
                > 0
            )
        except (sqlite3.IntegrityError, sqlite3.OperationalError):
            return False

    def _committed(self) -> None:
        for action in self._after_commit:
            action()


#: Hears, inside each transaction of a restoration, which people it changes.
Follow = Callable[[Transaction, Iterable[str]], None]


class Store:
    """Everything the box remembers, in ``<data_dir>/sophon.db``.

    A committed transaction survives a power cut (WAL with ``synchronous=FULL``); deleted rows are overwritten
    (``secure_delete``). Thread-safe: writers take turns, readers never wait.
    """

    def __init__(self, data_dir: Path, *, exclusive: bool = True, photos: PhotoKeeping | None = None) -> None:
        """Open the store, creating or migrating it.

        ``exclusive`` takes the data directory for this process, as the daemon does. Without it the store may be opened
        beside a daemon, for looking and for an operator's small changes. ``photos`` is how enrolment photographs are kept
        from now on, by default as before; `convert_photos` brings those on the disk into that form.

        Raises ConfigError if the directory can't be used, is taken, or was written by a newer version.
        """
        self._data_dir = data_dir
        self._path = data_dir / DATABASE
        self._lock_file: int | None = None
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if exclusive:
                self._lock_file = _take(data_dir)
            self._writer = self._connect(WRITER_CACHE_KIB)
            self._migrate()
            self._photos = photos or self._keeping_so_far()
        except sqlite3.DatabaseError as error:
            self._release()
            if isinstance(error, sqlite3.OperationalError):
                raise _unusable(data_dir, error) from error
            raise DamagedError(f"{self._path} is damaged: {error}") from error
        except OSError as error:
            self._release()
            raise _unusable(data_dir, error) from error
        except BaseException:
            self._release()
            raise
        self._turn = threading.Lock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        if exclusive:
            shutil.rmtree(self._data_dir / "scratch", ignore_errors=True)
            self.set_reserve_aside()
            try:
                self.finish_restoration()
            except StoreUnavailableError as error:
                _log.error("a restoration is not complete, and can't go on now: %s", error)

    @property
    def data_dir(self) -> Path:
        """Where it all is."""
        return self._data_dir

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction: committed to disk when the block ends, rolled back if it raises.

        Raises StoreUnavailableError if the disk is full or another process holds the database; nothing was changed then.
        """
        with self._turn:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                transaction = Transaction(self._writer, self._photos)
                try:
                    yield transaction
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            except StoreUnavailableError:
                self._recover()
                raise
            except sqlite3.OperationalError as error:
                self._recover()
                raise _unavailable(error) from error
            transaction._committed()

    @contextlib.contextmanager
    def read(self) -> Iterator[Snapshot]:
        """A consistent view; it sees nothing that is committed after it began."""
        try:
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
            connection.execute("BEGIN")
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error
        try:
            yield Snapshot(connection, self._photos)
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error
        finally:
            connection.execute("ROLLBACK")
            self._readers.put(connection)

    @property
    def photos(self) -> PhotoKeeping:
        """How enrolment photographs are kept."""
        return self._photos

    def convert_photos(self) -> bool:
        """Bring all photographs, crops and events' pictures into the form they are to be kept in; whether there was anything to do.

        It may be interrupted, and goes on the next time. Raises ConfigError if the key is wrong, or needed and missing;
        nothing was changed then.
        """
        photos = self._photos
        with self.write() as transaction:
            photos.check_key(transaction.settings.get(PHOTO_KEY))
            if (transaction.settings.get(PHOTO_MODE) or "keep") == photos.mode:
                return False
            if photos.cipher is not None:
                transaction.settings.set(PHOTO_KEY, photos.cipher.fingerprint)
            # A missing key is missed before anything is changed.
            transaction.people.change_form("photos", "", 1)
            transaction.events.change_form(0, 1)
            transaction.settings.set(PHOTO_MODE, "mixed")
        tables: tuple[ImageTable, ...] = ("photos", "crops")
        for table in tables:
            last: str | None = ""
            while last is not None:
                with self.write() as transaction:
                    last = transaction.people.change_form(table, last, PHOTOS_AT_ONCE)
        last_event: int | None = 0
        while last_event is not None:
            with self.write() as transaction:
                last_event = transaction.events.change_form(last_event, PHOTOS_AT_ONCE)
        with self.write() as transaction:
            transaction.settings.set(PHOTO_MODE, photos.mode)
            if photos.mode != "encrypt":
                transaction.settings.set(PHOTO_KEY, None)
        self.scrub()
        return True

    @property
    def scratch(self) -> Path:
        """A folder for what is put together or taken apart; emptied when a process takes the data directory."""
        folder = self._data_dir / "scratch"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def copy_to(self, file: Path) -> None:
        """Write all tables as they are now into a new database file, while others go on writing.

        Raises StoreUnavailableError if the disk is full.
        """
        self.drop_spent_bodies()
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with (
                contextlib.closing(self._connect()) as source,
                contextlib.closing(sqlite3.connect(file, isolation_level=None)) as target,
            ):
                target.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
                source.backup(target)
        except sqlite3.OperationalError as error:
            raise _unavailable(error) from error

    def restore_from(self, other: Store, *, with_deleted: bool, follow: Follow | None = None) -> Restored:
        """Put another store's people and settings in the place of this one's, a bounded group after the other.

        The other store is to be closed already, and its file is taken. ``follow`` is called in every transaction with the
        people it changes. Raises SophonError if the other is from before deletions that are not known one by one, and
        ``with_deleted`` does not say to bring back whom this box deleted since; nothing is changed then. After any later
        failure, as of a full disk, the restoration goes on with the next one or when the store is next opened.
        """
        self.finish_restoration(follow)
        folder = self._data_dir / RESTORING
        folder.mkdir(mode=0o700)
        other._path.rename(folder / DATABASE)
        for path in (folder / DATABASE, folder, self._data_dir):
            _sync(path)
        try:
            with _open_backup(folder) as backup, self.write() as transaction:
                Takeover(transaction._connection, backup).begin(with_deleted=with_deleted)
                if follow is not None:
                    follow(transaction, ())
        except BaseException:
            shutil.rmtree(folder)
            raise
        restored = self.finish_restoration(follow)
        assert restored is not None
        return restored

    def finish_restoration(self, follow: Follow | None = None) -> Restored | None:
        """Complete the restoration under way, if there is one; others may write between its transactions.

        An exclusive store does so as it opens, too.
        """
        folder = self._data_dir / RESTORING
        restored = None
        if self.is_restoring:
            if not (folder / DATABASE).is_file():
                _log.error("a restoration can't be completed: somebody removed %s; restore again", folder)
                with self.write() as transaction:
                    transaction.settings.set(RESTORATION, None)
                return None
            Store(folder).close()  # a newer version may have been installed since it was begun
            with _open_backup(folder) as backup:
                while restored is None:
                    started = time.monotonic()
                    with self.write() as transaction:
                        step = Takeover(transaction._connection, backup).step()
                        if follow is not None:
                            follow(transaction, step.people)
                    restored = step.restored
                    self.checkpoint()
                    # Half of the time is for what the box does besides: whoever waits for a lock is not given it in turn.
                    if follow is not None:
                        time.sleep(time.monotonic() - started)
            self.scrub()
        shutil.rmtree(folder, ignore_errors=True)
        return restored

    @property
    def is_restoring(self) -> bool:
        """Whether a restoration is not complete yet."""
        with self.read() as snapshot:
            return snapshot.settings.get(RESTORATION) is not None

    def layout(self) -> list[tuple[str, str, str]]:
        """What the file is made of: kind, name and definition of everything in it."""
        with self._turn:
            return sorted(self._writer.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema"))

    def drop_spent_bodies(self) -> None:
        """Delete what answered commands held."""
        with self.read() as snapshot:
            if not snapshot.inbox.has_spent_bodies():
                return
        with self.write() as transaction:
            transaction.inbox.drop_spent_bodies()

    def scrub(self) -> None:
        """Push deleted content out of the write-ahead log too, so that it is nowhere on disk."""
        self.drop_spent_bodies()
        with self._turn:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def checkpoint(self) -> None:
        """Work off the write-ahead log while others go on writing; to be called now and then."""
        log = self._data_dir / f"{DATABASE}-wal"
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            if log.stat().st_size < CHECKPOINT_BYTES:
                return
            with contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @property
    def schema_version(self) -> int:
        """How many migrations made the file what it is."""
        return len(MIGRATIONS)

    def tables(self) -> list[str]:
        """The tables' names; one that others refer to comes before them."""
        with self._turn:
            return self._tables()

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound. Pictures' pages are left out: they are many."""
        with self._turn:
            try:
                return [
                    str(row[0])
                    for table in self._tables()
                    if table not in PICTURE_TABLES
                    for row in self._writer.execute(f"PRAGMA quick_check('{table}')")
                    if row[0] != "ok"
                ]
            except sqlite3.DatabaseError as error:
                return [str(error)]

    def set_reserve_aside(self) -> None:
        """Keep some space to give back to SQLite when the disk is full."""
        with contextlib.suppress(OSError):
            file = os.open(self._reserve, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVE_BYTES)
            finally:
                os.close(file)

    def close(self) -> None:
        """Close every connection; the data directory is free for another process."""
        with self._turn:
            while not self._readers.empty():
                self._readers.get_nowait().close()
            self._writer.close()
            self._release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, cache_kib: int = READER_CACHE_KIB) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.executescript(
            f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
            f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}; "
            "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; "
            f"PRAGMA cache_size = -{cache_kib};"
        )
        return connection

    def _keeping_so_far(self) -> PhotoKeeping:
        mode = StoredSettings(self._writer).get(PHOTO_MODE) or "keep"
        # Half converted, and nobody to say to what: nothing is written in the clear.
        return PhotoKeeping("keep" if mode == "keep" else "none" if mode == "none" else "encrypt")

    def _tables(self) -> list[str]:
        rows = self._writer.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
        return [row[0] for row in rows]

    def _migrate(self) -> None:
        with contextlib.suppress(OSError):
            self._path.chmod(0o600)
        version = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"data_dir: {self._path} was written by a newer version (schema {version}, this one knows "
                f"{len(MIGRATIONS)}); install that version or give another data_dir"
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._writer.execute("BEGIN IMMEDIATE")
            # Two processes may open a new file at once; the second finds the work done.
            if int(self._writer.execute("PRAGMA user_version").fetchone()[0]) < number:
                for statement in script.split(";\n"):
                    self._writer.execute(statement)
                self._writer.execute(f"PRAGMA user_version = {number}")
            self._writer.execute("COMMIT")

    def _recover(self) -> None:
        """After SQLITE_FULL or SQLITE_IOERR a connection is not to be trusted: open a new one."""
        with contextlib.suppress(OSError):
            self._reserve.unlink()
        with contextlib.suppress(sqlite3.Error):
            self._writer.close()
        try:
            self._writer = self._connect(WRITER_CACHE_KIB)
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    @property
    def _reserve(self) -> Path:
        return self._data_dir / "reserve"

    def _release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


@contextlib.contextmanager
def _open_backup(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None, check_same_thread=False)
    with contextlib.closing(connection):
        yield connection


def _sync(path: Path) -> None:
    """Put a file, or a directory's entries, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unusable(data_dir: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"data_dir: {data_dir} can't be used ({error}); give a writable directory on a local disk"
    )


def _unavailable(error: sqlite3.Error) -> StoreUnavailableError:
    return StoreUnavailableError(f"the database can't be used now: {error}")


def _take(data_dir: Path) -> int:
    """Hold the data directory for this process; the kernel lets go of it however the process ends."""
    file = os.open(data_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ConfigError(
            f"data_dir: {data_dir} is in use by another sophon process; stop that one or give another data_dir"
        ) from None
    return file

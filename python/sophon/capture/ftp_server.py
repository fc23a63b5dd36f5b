"""The FTP server that snapshot cameras upload to: a user and a folder for each, and nothing else to be had."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from pyftpdlib.authorizers import AuthenticationFailed
from pyftpdlib.handlers import FTPHandler, ThrottledDTPHandler
from pyftpdlib.servers import FTPServer

from sophon.capture.ftp_password import is_password
from sophon.capture.uploads import Uploads, sweep
from sophon.engine.photo import MAX_PHOTO_BYTES
from sophon.errors import ConfigError
from sophon.recognition import Recogniser
from sophon.reports import DevicePresence
from sophon.store import DeviceRow, Store

# Enter, list, make folders, store, rename; not read, delete or append.
PERMISSIONS = "elmwf"
BYTES_PER_SECOND = 20 << 20
# Cameras may stand behind one gateway, and a transfer is a connection of its own.
CONNECTIONS = 128
CONNECTIONS_PER_ADDRESS = 64
SILENT_SECONDS = 60
SWEEP_S = 30.0
# Cameras rename these when they are complete.
UNFINISHED = (".tmp", ".part")

_log = structlog.get_logger(__name__)


class _Cameras:
    """pyftpdlib's authorizer over the configured sub-devices; folders are named by us, never by a camera."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder

    def device(self, username: str) -> DeviceRow | None:
        with self._store.read() as snapshot:
            found = [one for one in snapshot.devices.all() if one.ftp_user and one.ftp_user == username]
        return found[0] if found else None

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        device = self.device(username)
        if device is None or not is_password(password, device.ftp_password):
            _log.warning("a camera's login is refused", remote=handler.remote_ip)
            raise AuthenticationFailed("wrong user name or password")

    def get_home_dir(self, username: str) -> str:
        device = self.device(username)
        if device is None:
            raise AuthenticationFailed("this user is gone")
        home = self._folder / device.ip.replace(":", "_")
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(home)

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in PERMISSIONS

    def get_perms(self, username: str) -> str:
        return PERMISSIONS

    def get_msg_login(self, username: str) -> str:
        return "ready"

    def get_msg_quit(self, username: str) -> str:
        return "bye"

    def impersonate_user(self, username: str, password: str) -> None:
        """All run as the box."""

    def terminate_impersonation(self, username: str) -> None:
        """All run as the box."""


class _BoundedUpload(ThrottledDTPHandler):  # type: ignore[misc]
    """Slows an upload down to the limit that a subclass sets, and ends one that is larger than any picture."""

    def handle_read(self) -> None:
        super().handle_read()
        if self.tot_bytes_received > MAX_PHOTO_BYTES:
            self.cmd_channel.respond(f"552 A picture has at most {MAX_PHOTO_BYTES >> 20} MiB.")
            self.close()

    # pyftpdlib's loop calls it by this name.
    handle_read_event = handle_read


class _CameraSession(FTPHandler):  # type: ignore[misc]
    """One camera's connection. What belongs to one server is set on a subclass, as pyftpdlib wants it."""

    uploads: Uploads
    presence: DevicePresence
    recogniser: Recogniser
    dtp_handler: type[_BoundedUpload]
    banner = "ready"
    timeout = SILENT_SECONDS

    def on_file_received(self, file: str) -> None:
        if Path(file).suffix.lower() not in UNFINISHED:
            self._take(Path(file))

    def on_incomplete_file_received(self, file: str) -> None:
        Path(file).unlink(missing_ok=True)
        self.recogniser.count("uploads_incomplete")
        _log.warning("an upload broke off, and is dropped", remote=self.remote_ip)

    def ftp_RNTO(self, path: str) -> Any:  # noqa: N802 - pyftpdlib's name
        renamed = super().ftp_RNTO(path)
        if renamed is not None:
            self._take(Path(renamed[1]))
        return renamed

    def _take(self, file: Path) -> None:
        device = self.authorizer.device(self.username)
        if device is None:
            file.unlink(missing_ok=True)
            return
        self.presence.saw(device.ip)
        self.uploads.offer(file, device)


class FtpCameras:
    """Serves cameras while it is open, and recognises who is in what they upload.

    The folder is the box's own; whatever is in it is deleted at the start. ``bytes_per_second`` is each transfer's limit.
    """

    def __init__(
        self,
        store: Store,
        recogniser: Recogniser,
        presence: DevicePresence,
        *,
        folder: Path,
        host: str,
        port: int,
        passive_ports: range | None = None,
        bytes_per_second: int = BYTES_PER_SECOND,
    ) -> None:
        self._folder, self._address = folder, (host, port)
        self._uploads = Uploads(recogniser, folder / "taken")
        self._session: type[_CameraSession] = type(
            "CameraSession",
            (_CameraSession,),
            {
                "authorizer": _Cameras(store, folder / "cameras"),
                "uploads": self._uploads,
                "presence": presence,
                "recogniser": recogniser,
                "passive_ports": passive_ports,
                "dtp_handler": type("Upload", (_BoundedUpload,), {"read_limit": bytes_per_second}),
            },
        )
        self._server: Any = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="ftp", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.address[1])

    def start(self) -> None:
        """Bind and begin to serve. Raises ConfigError if the address can't be had."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        try:
            self._server = FTPServer(self._address, self._session)
        except OSError as error:
            raise ConfigError(
                f"ftp_port: {self._address[0]}:{self._address[1]} can't be used ({error.strerror}); set another"
            ) from error
        self._server.max_cons, self._server.max_cons_per_ip = CONNECTIONS, CONNECTIONS_PER_ADDRESS
        self._uploads.start()
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._stopping.set()
        self._thread.join()
        self._server.close_all()
        self._uploads.close()

    def __enter__(self) -> FtpCameras:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        swept_at = time.monotonic()
        while not self._stopping.is_set():
            self._server.serve_forever(timeout=0.2, blocking=False, handle_exit=False)
            if time.monotonic() - swept_at > SWEEP_S:
                swept_at = time.monotonic()
                sweep(self._folder / "cameras", time.time())

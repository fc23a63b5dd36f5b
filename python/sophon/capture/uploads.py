"""Pictures that cameras uploaded: recognised one by one, then gone."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import structlog

from sophon.engine import load_photo
from sophon.errors import SophonError
from sophon.recognition import Capture, Recogniser
from sophon.store import DeviceRow

QUEUE = 64
# A camera that floods leaves the others their room.
QUEUE_OF_ONE = 16
# A camera that sends a JSON file beside each picture may send it after the picture.
JSON_WAIT_S = 0.15
MAX_JSON_BYTES = 16 << 10
STALE_S = 60.0
UNUSED_S = 24 * 3600.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Upload:
    file: Path
    json: Path
    device: DeviceRow
    at: int
    clock: float


class Uploads:
    """A thread that takes complete pictures and deletes them when it has looked at them.

    They lie in ``folder`` meanwhile, out of the cameras' reach.
    """

    def __init__(self, recogniser: Recogniser, folder: Path) -> None:
        self._recogniser, self._folder = recogniser, folder
        self._numbers = itertools.count()
        self._queue: queue.Queue[_Upload | None] = queue.Queue(QUEUE)
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._send_json: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def offer(self, file: Path, device: DeviceRow) -> None:
        """Take a file that is complete; JSON waits for its picture. What does not fit is deleted and counted."""
        if file.suffix.lower() == ".json":
            self._send_json.add(device.ip)
            return
        self._recogniser.count("uploads")
        taken = self._folder / str(next(self._numbers))
        file.replace(taken)
        json = file.with_suffix(".json")
        upload = _Upload(taken, json, device, time.time_ns() // 1_000_000, time.monotonic())
        if not self._queued(upload):
            _delete(taken)
            self._recogniser.count("uploads_dropped")

    def start(self) -> None:
        """Begin to recognise."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the picture under way; the others are dropped."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Uploads:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _queued(self, upload: _Upload) -> bool:
        with self._lock:
            if self._waiting[upload.device.ip] >= QUEUE_OF_ONE:
                return False
            try:
                self._queue.put_nowait(upload)
            except queue.Full:
                return False
            self._waiting[upload.device.ip] += 1
            return True

    def _run(self) -> None:
        while (upload := self._queue.get()) is not None:
            with self._lock:
                self._waiting[upload.device.ip] -= 1
            try:
                self._recognise(upload)
            except SophonError as error:
                self._recogniser.count("uploads_unusable")
                _log.warning("an uploaded picture is unusable", device_ip=upload.device.ip, reason=str(error))
            except Exception:  # noqa: BLE001 - a thread's edge
                self._recogniser.count("uploads_unusable")
                _log.exception("an uploaded picture failed inside", device_ip=upload.device.ip)
            finally:
                _delete(upload.file)
                _delete(upload.json)

    def _recognise(self, upload: _Upload) -> None:
        image = load_photo(upload.file)
        said = self._camera_says(upload)
        self._recogniser.recognise(Capture(image, upload.device, upload.at, upload.clock, said))

    def _camera_says(self, upload: _Upload) -> dict[str, Any]:
        """The JSON file beside the picture; {} where there is none, or it is unusable."""
        until = upload.clock + (JSON_WAIT_S if upload.device.ip in self._send_json else 0.0)
        while not upload.json.is_file() and time.monotonic() < until:
            time.sleep(0.01)
        try:
            with upload.json.open("rb") as opened:
                value = orjson.loads(opened.read(MAX_JSON_BYTES + 1))
        except (OSError, orjson.JSONDecodeError):
            return {}
        return value if isinstance(value, dict) else {}


def sweep(homes: Path, now: float) -> None:
    """Delete what nobody came for: files that stayed incomplete, JSON without a picture, folders unused for a day.

    The cameras' homes themselves stay: a session may be in one.
    """
    for path in sorted(homes.glob("*/**/*"), reverse=True):
        with contextlib.suppress(OSError):
            age = now - path.lstat().st_mtime
            if path.is_dir():
                if age > UNUSED_S:
                    path.rmdir()
            elif age > STALE_S:
                path.unlink()


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()

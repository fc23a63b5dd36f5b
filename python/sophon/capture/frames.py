"""Frames of a stream: the newest one only, from a source that is opened again whenever it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType

import numpy as np
import structlog

from sophon.capture.video import Picture, pictures_of
from sophon.engine import load_photo
from sophon.engine.photo import Image
from sophon.errors import Code, SophonError
from sophon.platform import Pauses

FOLDER_FPS = 10.0
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Frame:
    """One picture of a stream, and its time in ms since the epoch and by `time.monotonic`."""

    picture: Picture = field(repr=False)
    number: int
    at: int
    clock: float

    @cached_property
    def image(self) -> Image:
        """BGR uint8 (H, W, 3). Raises SophonError where it can't be converted."""
        return self.picture()


class FrameSource:
    """A thread that reads a stream and keeps its newest frame; who is slow misses frames, and sees no old one.

    ``address``: an rtsp:// or other URL that FFmpeg opens, a video file, or a folder of pictures; files and
    folders begin again at their end.
    """

    def __init__(self, address: str, name: str, *, pauses: Pauses | None = None) -> None:
        self._address, self._name = address, name
        self._pauses = pauses or Pauses(1.0, 30.0)
        self._newest: Frame | None = None
        self._number = 0
        self._problem = "not opened yet"
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)

    @property
    def problem(self) -> str:
        """Why there are no frames; "" while there are."""
        return self._problem

    @property
    def frame_age(self) -> float | None:
        """How old the newest frame is in seconds; None before the first."""
        newest = self._newest
        return None if newest is None else time.monotonic() - newest.clock

    def next(self, after: int, seconds: float) -> Frame | None:
        """The newest frame if its number is over ``after``, waiting so long for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._stopping.is_set(), seconds)
            return self._newest if self._number > after else None

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a read that hangs is left to its time-out."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(1.0)

    def __enter__(self) -> FrameSource:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for picture in self._read():
                    self._show(picture)
                    if self._stopping.is_set():
                        return
                self._report("the stream ended")
            except SophonError as error:
                self._report(str(error))
            except (OSError, MemoryError) as error:
                self._report(f"the stream failed: {type(error).__name__}")
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("reading a stream failed inside", stream=self._name)
                self._report("reading failed inside")
            self._stopping.wait(self._pauses.next())

    def _show(self, picture: Picture) -> None:
        if self._problem:
            _log.info("a stream delivers", stream=self._name)
            self._problem = ""
            self._pauses.reset()
        with self._changed:
            self._number += 1
            self._newest = Frame(picture, self._number, time.time_ns() // 1_000_000, time.monotonic())
            self._changed.notify_all()

    def _report(self, problem: str) -> None:
        """Log the reason each time it changes, not each time it comes."""
        if problem != self._problem:
            _log.warning("a stream delivers nothing", stream=self._name, reason=problem)
        self._problem = problem

    def _read(self) -> Iterator[Picture]:
        path = Path(self._address)
        if "://" in self._address:
            return pictures_of(self._address, paced=False)
        if path.is_dir():
            return self._of_folder(path)
        if path.is_file():
            return pictures_of(self._address, paced=True)
        raise SophonError(Code.NOT_FOUND, "its address is neither a URL nor a file or folder of this machine")

    def _of_folder(self, folder: Path) -> Iterator[Picture]:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
        for file in files:
            yield partial(np.asarray, load_photo(file))
            self._stopping.wait(1 / FOLDER_FPS)

"""IP cameras: each configured stream watched by a thread, sampled (static) or followed face by face (dynamic)."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import structlog

from sophon.capture.frames import Frame, FrameSource
from sophon.capture.tracks import Tracker
from sophon.engine import FaceEngine
from sophon.errors import SophonError
from sophon.recognition import Capture, Recogniser
from sophon.reports import DevicePresence
from sophon.store import DeviceRow, Store, StoreUnavailableError

STATIC, DYNAMIC = "2", "3"
SAMPLE_S = 1.0
FOLLOW_S = 1.0
WAIT_S = 0.5

_log = structlog.get_logger(__name__)


class Stream:
    """One camera, with the thread that reads it and the one that looks at it."""

    def __init__(
        self, device: DeviceRow, engine: FaceEngine, recogniser: Recogniser, presence: DevicePresence
    ) -> None:
        self.device = device
        self.source = FrameSource(device.stream_url, device.ip)
        self._engine, self._recogniser, self._presence = engine, recogniser, presence
        self._tracker = Tracker()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.source.start()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self.source.close()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            frame = self.source.next(number, WAIT_S)
            if frame is None:
                continue
            if number and frame.number > number + 1:
                self._recogniser.count("frames_skipped", frame.number - number - 1)
            number = frame.number
            self._recogniser.count("frames")
            self._presence.saw(self.device.ip)
            try:
                self._look(frame)
            except SophonError as error:
                _log.warning("a frame is unusable", stream=self.device.ip, reason=str(error))
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("looking at a frame failed inside", stream=self.device.ip)

    def _look(self, frame: Frame) -> None:
        if self.device.device_type == STATIC:
            self._recogniser.recognise(self._capture(frame))
            self._stopping.wait(max(SAMPLE_S - (time.monotonic() - frame.clock), 0.0))
            return
        for track in self._tracker.follow(frame, self._engine.analyze(frame.image)):
            self._recogniser.count("tracks")
            self._recogniser.recognise(self._capture(track.frame), at=track.face.bbox)

    def _capture(self, frame: Frame) -> Capture:
        return Capture(frame.image, self.device, frame.at, frame.clock)


class Streams:
    """Watches the streams of the configured sub-devices, and follows when they change."""

    def __init__(
        self, store: Store, engine: FaceEngine, recogniser: Recogniser, presence: DevicePresence
    ) -> None:
        self._store, self._engine = store, engine
        self._recogniser, self._presence = recogniser, presence
        self._streams: dict[DeviceRow, Stream] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    @property
    def frame_ages(self) -> dict[str, float | None]:
        """How old each stream's newest frame is in seconds, by address; None before the first."""
        return {device.ip: stream.source.frame_age for device, stream in list(self._streams.items())}

    @property
    def problems(self) -> dict[str, str]:
        """Which streams deliver nothing, and why."""
        return {
            device.ip: stream.source.problem
            for device, stream in list(self._streams.items())
            if stream.source.problem
        }

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join()
        for stream in self._streams.values():
            stream.close()

    def __enter__(self) -> Streams:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except StoreUnavailableError as error:
                _log.warning("the sub-devices can't be read now", reason=str(error))
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("following the sub-devices failed inside")
            self._stopping.wait(FOLLOW_S)

    def _follow(self) -> None:
        with self._store.read() as snapshot:
            wanted = {one for one in snapshot.devices.all() if one.device_type in (STATIC, DYNAMIC)}
        for gone in set(self._streams) - wanted:
            self._streams.pop(gone).close()
        for new in wanted - set(self._streams):
            stream = Stream(new, self._engine, self._recogniser, self._presence)
            self._streams[new] = stream
            stream.start()

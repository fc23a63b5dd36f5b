"""The way of a picture through the box: from a sub-device to a decision, an event, an open door and the reports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from sophon.box import Box
from sophon.capture.ftp_server import FtpCameras
from sophon.capture.streams import Streams
from sophon.config import Settings
from sophon.contract import LoginResponse
from sophon.doors import DoorKeeper
from sophon.platform import PlatformClient
from sophon.recognition import EventLog, Recogniser, RecogniserOptions, Sighting
from sophon.reports import DevicePresence, Reports
from sophon.store import EventsLimit, Store


class RecognitionPipeline:
    """Owns everything between the sub-devices and the receivers of events; pads hand their pictures to `recogniser`.

    ``login`` gives the newest login, ``identity`` the login URL and authorisation code in use; both may change while it
    runs.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        box: Box,
        platform: PlatformClient,
        *,
        login: Callable[[], LoginResponse | None],
        identity: Callable[[], tuple[str, str]],
    ) -> None:
        self.presence = DevicePresence()
        self._reports = Reports(
            store,
            platform,
            self.presence,
            login=login,
            identity=identity,
            version=settings.protocol_version,
            sdk_version=box.engine.making_id,
            history_batch=settings.history_batch,
        )
        self._doors = DoorKeeper(store)
        limit = EventsLimit(
            settings.events_kept,
            settings.events_undelivered,
            settings.events_max_mb << 20,
            settings.events_of_strangers,
        )
        self.recogniser = Recogniser(
            store,
            box,
            EventLog(store, limit),
            self._tell,
            RecogniserOptions(
                settings.filter_level,
                settings.cooldown_s,
                settings.stranger_s,
                settings.stranger_events_per_min,
            ),
        )
        self._streams = Streams(store, box.engine, self.recogniser, self.presence)
        self._ftp = self._ftp_cameras(settings, store) if settings.ftp_port else None
        self._owned = ExitStack()

    @property
    def counts(self) -> dict[str, int]:
        """What happened since the start, by name."""
        return {**self.recogniser.counts, **self._reports.counts, **self._doors.counts}

    @property
    def receivers(self) -> dict[str, str]:
        """Which receivers of the history take nothing now, and why."""
        return self._reports.problems

    @property
    def streams(self) -> dict[str, str]:
        """How each stream is, by address: "" before its first frame."""
        problems = self._streams.problems
        return {
            ip: problems.get(ip) or ("" if age is None else f"newest frame {age:.1f} s old")
            for ip, age in self.frame_ages.items()
        }

    @property
    def frame_ages(self) -> dict[str, float | None]:
        """How old each stream's newest frame is in seconds, by address; None before the first."""
        return self._streams.frame_ages

    def __enter__(self) -> RecognitionPipeline:
        """Begin. Raises ConfigError if the FTP server's address can't be had."""
        with ExitStack() as owned:
            owned.enter_context(self._reports)
            owned.enter_context(self._doors)
            owned.enter_context(self._streams)
            if self._ftp is not None:
                owned.enter_context(self._ftp)
            self._owned = owned.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owned.close()

    def _ftp_cameras(self, settings: Settings, store: Store) -> FtpCameras:
        ports = settings.ftp_passive_ports
        return FtpCameras(
            store,
            self.recogniser,
            self.presence,
            folder=settings.data_dir / "ftp",
            host=settings.ftp_host,
            port=settings.ftp_port,
            passive_ports=range(ports[0], ports[1] + 1) if ports else None,
        )

    def _tell(self, sighting: Sighting) -> None:
        self._doors.offer(sighting)
        self._reports.offer(sighting)

"""All reports of a box: they follow the login, the settings of the HTTP API and the sub-devices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

import structlog

from sophon.contract import DeviceStatus, LoginResponse
from sophon.platform import PlatformClient
from sophon.recognition import Sighting
from sophon.reports.body import Body
from sophon.reports.device_reporter import DeviceReporter
from sophon.reports.event_message import EventForm
from sophon.reports.history import Batch, HistoryUpload
from sophon.reports.machine import read_machine
from sophon.reports.presence import DevicePresence
from sophon.reports.real_time import RealTimePush
from sophon.reports.receivers import (
    HistoryReceiver,
    StatusReceiver,
    history_receivers,
    real_time_receivers,
    status_receivers,
)
from sophon.reports.status_reporter import StatusReporter, device_status
from sophon.store import Store, StoreUnavailableError

FOLLOW_S = 1.0

_log = structlog.get_logger(__name__)


class Reports:
    """Owns the threads that report.

    ``login`` gives the newest login, ``identity`` the login URL and authorisation code in use; both may change while it
    runs. ``sdk_version`` names the models.
    """

    def __init__(
        self,
        store: Store,
        platform: PlatformClient,
        presence: DevicePresence,
        *,
        login: Callable[[], LoginResponse | None],
        identity: Callable[[], tuple[str, str]],
        version: str,
        sdk_version: str,
        history_batch: Batch = "single",
    ) -> None:
        self._store, self._platform, self._presence = store, platform, presence
        self._login, self._identity = login, identity
        self._version, self._sdk_version, self._history_batch = version, sdk_version, history_batch
        self._real_time = RealTimePush(store, self._post_within, self._form)
        self._devices = DeviceReporter(store, self._post, presence, version=version)
        self._history: dict[HistoryReceiver, HistoryUpload] = {}
        self._followed: tuple[list[HistoryReceiver], bool] | None = None
        self._status: dict[StatusReceiver, StatusReporter] = {}
        self._owned = ExitStack()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    @property
    def counts(self) -> dict[str, int]:
        """What the real-time push did since the start, by name."""
        return self._real_time.counts

    @property
    def problems(self) -> dict[str, str]:
        """Which receivers of the history take nothing now, and why."""
        return {one.address: upload.problem for one, upload in self._history.items() if upload.problem}

    def offer(self, sighting: Sighting) -> None:
        """Tell of a sighting in real time; returns at once."""
        self._real_time.offer(sighting)

    def start(self) -> None:
        """Begin to report."""
        self._owned.enter_context(self._real_time)
        self._owned.enter_context(self._devices)
        self._thread.start()

    def close(self) -> None:
        """Stop; what the history still owes is kept."""
        self._stopping.set()
        self._thread.join()
        for upload in self._history.values():
            upload.close()
        for reporter in self._status.values():
            reporter.close()
        self._owned.close()

    def __enter__(self) -> Reports:
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
                _log.warning("the receivers can't be read now", reason=str(error))
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("following the receivers failed inside")
            self._stopping.wait(FOLLOW_S)

    def _follow(self) -> None:
        login = self._login()
        with self._store.read() as snapshot:
            history = history_receivers(snapshot, login)
            status = status_receivers(snapshot, login)
            real_time = real_time_receivers(snapshot)
            devices = snapshot.devices.all()
        self._real_time.set_receivers(real_time)
        self._follow_history(history, logged_in=login is not None)
        self._follow_status(status)
        if login is not None:
            self._devices.offer(login, self._identity()[1], devices)

    def _follow_history(self, wanted: list[HistoryReceiver], *, logged_in: bool) -> None:
        if self._followed == (wanted, logged_in):
            return
        # Out before in: two uploads to one address would send everything twice.
        for gone in set(self._history) - set(wanted):
            self._history.pop(gone).close()
        with self._store.write() as transaction:
            # Until the platform has said who they are, receivers from before count as present.
            transaction.event_receivers.set_active([one.address for one in wanted], only=logged_in)
        for new in wanted:
            if new not in self._history:
                upload = HistoryUpload(self._store, new, self._post, self._form, batch=self._history_batch)
                self._history[new] = upload
                upload.start()
        self._followed = (wanted, logged_in)

    def _follow_status(self, wanted: list[StatusReceiver]) -> None:
        for gone in set(self._status) - set(wanted):
            self._status.pop(gone).close()
        for new in wanted:
            if new not in self._status:
                reporter = StatusReporter(new, self._post, self._read_status)
                self._status[new] = reporter
                reporter.start()

    def _read_status(self) -> DeviceStatus:
        login_url, dev_sno = self._identity()
        with self._store.read() as snapshot:
            devices = snapshot.devices.all()
        return device_status(
            read_machine(self._store.data_dir, login_url),
            devices,
            self._presence,
            dev_sno=dev_sno,
            version=self._version,
            sdk_version=self._sdk_version,
        )

    def _form(self) -> EventForm:
        return EventForm(self._identity()[1], self._version)

    def _post(self, address: str, body: Body) -> bytes:
        return self._platform.post_report(address, body.content, content_type=body.content_type)

    def _post_within(self, address: str, body: Body, seconds: float) -> bytes:
        return self._platform.post_report(
            address, body.content, seconds, content_type=body.content_type, login_again=False
        )

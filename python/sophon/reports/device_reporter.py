"""The sub-devices to the platform: the whole list (V2R2), or one operation per change (V2R1)."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

import structlog

from sophon.contract import Acknowledgement, DeviceList, DeviceOperation, LoginResponse
from sophon.errors import Code, SophonError
from sophon.platform import Pauses
from sophon.reports.body import Body, Post, one
from sophon.reports.presence import DevicePresence
from sophon.reports.sub_devices import list_entry, operation_entry
from sophon.store import DeviceRow, Store

# What the platform was told by operations, over restarts.
_TOLD = "devices_told"
ADDED, DELETED = 1, 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Wanted:
    login: LoginResponse
    dev_sno: str
    devices: tuple[DeviceRow, ...]


class DeviceReporter:
    """A thread that keeps the platform's picture of the sub-devices right; what is not acknowledged is sent again.

    The address that the login names decides: `deviceListInfoAddr` gets lists; only `deviceInfoAddr`, operations.
    """

    def __init__(
        self,
        store: Store,
        post: Post,
        presence: DevicePresence,
        *,
        version: str = "V2R2C01",
        pauses: Pauses | None = None,
    ) -> None:
        self._store, self._post, self._presence, self._version = store, post, presence, version
        self._pauses = pauses or Pauses(1.0, 60.0)
        self._wanted: _Wanted | None = None
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sub-devices", daemon=True)

    def offer(self, login: LoginResponse, dev_sno: str, devices: list[DeviceRow]) -> None:
        """Say how things are; whatever is new, also only a login, is reported."""
        wanted, before = _Wanted(login, dev_sno, tuple(devices)), self._wanted
        # A platform may answer each login alike, so a new one is known by its being another object.
        if before is None or wanted != before or login is not before.login:
            self._wanted = wanted
            self._due.set()

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a call under way is left to itself."""
        self._stopping.set()
        self._due.set()
        self._thread.join(1.0)

    def __enter__(self) -> DeviceReporter:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._stopping.is_set():
                return
            wanted = self._wanted
            if wanted is not None and not self._succeeds(wanted):
                self._due.set()
                self._stopping.wait(self._pauses.next())

    def _succeeds(self, wanted: _Wanted) -> bool:
        try:
            self._report(wanted)
        except SophonError as error:
            _log.warning("the sub-devices can't be reported", reason=str(error))
            return False
        except Exception:  # noqa: BLE001 - a thread's edge
            _log.exception("reporting the sub-devices failed inside")
            return False
        self._pauses.reset()
        return True

    def _report(self, wanted: _Wanted) -> None:
        login = wanted.login
        if login.device_list_info_addr and not (self._version == "V2R1C01" and login.device_info_addr):
            self._acknowledged(login.device_list_info_addr, one(self._list(wanted)))
        elif login.device_info_addr:
            self._report_operations(login.device_info_addr, wanted)

    def _list(self, wanted: _Wanted) -> DeviceList:
        return DeviceList(
            dev_sno=wanted.dev_sno,
            device_list=[
                list_entry(device, self._presence.of(device.ip), wanted.dev_sno) for device in wanted.devices
            ],
        )

    def _report_operations(self, address: str, wanted: _Wanted) -> None:
        """Tell what changed since the platform was told last; a changed sub-device is deleted and added."""
        with self._store.read() as snapshot:
            told: dict[str, Any] = snapshot.settings.get(_TOLD) or {}
        present = {device.ip: asdict(_shown(device)) for device in wanted.devices}
        for ip in [ip for ip in told if told[ip] != present.get(ip)]:
            self._operate(address, DELETED, DeviceRow(**told.pop(ip)), wanted.dev_sno)
            self._note(told)
        for device in wanted.devices:
            if device.ip not in told:
                self._operate(address, ADDED, device, wanted.dev_sno)
                told[device.ip] = present[device.ip]
                self._note(told)

    def _operate(self, address: str, action: int, device: DeviceRow, dev_sno: str) -> None:
        entry = operation_entry(device, self._presence.of(device.ip), dev_sno)
        self._acknowledged(
            address, one(DeviceOperation.model_validate({"action_type": action, "device_info": entry}))
        )

    def _note(self, told: dict[str, Any]) -> None:
        with self._store.write() as transaction:
            transaction.settings.set(_TOLD, told)

    def _acknowledged(self, address: str, body: Body) -> None:
        """Deliver; anything but status 0 is a failure. Raises SophonError."""
        try:
            answer = Acknowledgement.model_validate_json(self._post(address, body))
        except ValueError:
            raise SophonError(
                Code.REMOTE_DATA_FAILED,
                f"{address} answers the sub-devices with something else than a status",
            ) from None
        if answer.status != 0:
            raise SophonError(
                Code.REMOTE_DATA_FAILED,
                f"{address} refuses the sub-devices: {answer.status} {(answer.message or '')[:200]}",
            )


def _shown(device: DeviceRow) -> DeviceRow:
    """The sub-device without what only the box knows."""
    return replace(device, door_url="", ftp_user="", ftp_password="")

"""The box's status, every period, to one receiver."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import structlog

from sophon import __version__
from sophon.contract import DeviceStatus, GatewayData
from sophon.errors import SophonError
from sophon.reports.body import Post, one
from sophon.reports.machine import Machine
from sophon.reports.presence import DevicePresence
from sophon.reports.receivers import StatusReceiver
from sophon.reports.sub_devices import status_entry
from sophon.store import DeviceRow

_log = structlog.get_logger(__name__)


def device_status(
    machine: Machine,
    devices: list[DeviceRow],
    presence: DevicePresence,
    *,
    dev_sno: str,
    version: str,
    sdk_version: str,
) -> DeviceStatus:
    """The status report. ``sdk_version`` names the models; V2R1C01 has older names beside the new ones."""
    figures = {
        "sw_version": __version__,
        "sdk_version": sdk_version,
        "gateway_mac": machine.mac,
        "cpu_usage": machine.cpu_usage,
        "memory_size": machine.memory_size,
        "memory_usage": machine.memory_usage,
        "disk_size": machine.disk_size,
        "disk_free_size": machine.disk_free_size,
        "temperature": machine.temperature,
    }
    if version == "V2R1C01":
        used = None
        if machine.disk_size and machine.disk_free_size is not None:
            used = round(1 - machine.disk_free_size / machine.disk_size, 4)
        figures |= {"cpu_use": machine.cpu_usage, "memory_use": machine.memory_usage, "disk_use": used}
    return DeviceStatus(
        gateway_ip=machine.ip,
        gateway_name=machine.name,
        gateway_status="online",
        gateway_sn=machine.serial,
        dev_sno=dev_sno,
        gateway_ext_data=GatewayData.model_validate(figures),
        sub_devices=[status_entry(device, presence.of(device.ip), dev_sno, version) for device in devices],
    )


class StatusReporter:
    """A thread that posts the status every period. One that is not taken is not sent later: it would be old."""

    def __init__(self, receiver: StatusReceiver, post: Post, read: Callable[[], DeviceStatus]) -> None:
        self._receiver, self._post, self._read = receiver, post, read
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a call under way is left to itself."""
        self._stopping.set()
        self._thread.join(1.0)

    def __enter__(self) -> StatusReporter:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            problem = ""
            try:
                self._post(self._receiver.address, one(self._read()))
            except SophonError as error:
                problem = str(error)
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("reporting the status failed inside")
            if problem and problem != self._problem:
                _log.warning("the status is not taken", receiver=self._receiver.address, reason=problem)
            self._problem = problem
            self._stopping.wait(self._receiver.period_s)

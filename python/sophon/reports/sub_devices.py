"""Sub-devices in the forms that the contract gives them."""

from __future__ import annotations

from urllib.parse import urlsplit

from sophon.contract import Device, SubDevice
from sophon.contract.status import SubDeviceData
from sophon.reports.event_message import ep_id
from sophon.reports.presence import Presence
from sophon.store import DeviceRow

_OPERATION_STATUS = {"online": "1", "offline": "2", "unknown": "3"}


def status_entry(device: DeviceRow, presence: Presence, dev_sno: str, version: str) -> SubDevice:
    """A sub-device in the status report."""
    fields = {
        "ep_id": ep_id(dev_sno, device.ip),
        "ep_name": device.name,
        "ep_ip": device.ip,
        "ep_status": _status(presence),
        "ep_type": device.device_type,
    }
    if version == "V2R1C01":
        data = SubDeviceData(sw_version="", group_name=device.group_name)
        return SubDevice.model_validate({**fields, "ep_ext_data": data})
    url = {"ep_url": without_credentials(device.stream_url)} if device.stream_url else {}
    return SubDevice.model_validate({**fields, "ep_location": device.location, **url})


def list_entry(device: DeviceRow, presence: Presence, dev_sno: str) -> Device:
    """A sub-device in the list (V2R2)."""
    return _device(device, presence, dev_sno, _status(presence))


def operation_entry(device: DeviceRow, presence: Presence, dev_sno: str) -> Device:
    """A sub-device in an operation (V2R1), whose status is a number."""
    status = "unknown" if presence.last_seen == 0 else _status(presence)
    return _device(device, presence, dev_sno, _OPERATION_STATUS[status])


def without_credentials(url: str) -> str:
    """A stream's address as others may see it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _status(presence: Presence) -> str:
    return "online" if presence.is_online else "offline"


def _device(device: DeviceRow, presence: Presence, dev_sno: str, status: str) -> Device:
    return Device(
        ep_id=ep_id(dev_sno, device.ip),
        dev_sno=dev_sno,
        direction=1 if device.direction else 0,
        ep_type=device.device_type,
        memo=device.memo,
        ep_name=device.name,
        ep_ip=device.ip,
        ep_status=status,
        ep_version="",
        ep_group_name=device.group_name,
        ep_stream_url=without_credentials(device.stream_url),
        last_monitor_time=presence.last_seen,
        is_monitor=True,
        privilege_group_key=device.permission_id,
    )

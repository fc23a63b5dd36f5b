"""The list of sub-devices (V2R2) and single operations on it (V2R1)."""

from __future__ import annotations

from typing import Any, Literal

from sophon.contract.message import CamelMessage, Flag, Integer


class Device(CamelMessage):
    """One sub-device; ``direction`` 0 in, 1 out; ``last_monitor_time`` in seconds."""

    ep_id: str
    dev_sno: str
    direction: Literal[0, 1]
    ep_type: str
    memo: str
    ep_name: str
    ep_ip: str
    ep_status: str
    ep_version: str
    ep_group_name: str
    ep_stream_url: str
    last_monitor_time: Integer
    is_monitor: Flag
    privilege_group_key: str


class DeviceList(CamelMessage):
    """The whole list, each time it changes."""

    dev_sno: str
    device_list: list[Device]


class DeviceOperation(CamelMessage):
    """One sub-device added (1) or deleted (2)."""

    action_type: Literal[1, 2]
    device_info: Device


class Acknowledgement(CamelMessage):
    """The platform's answer to both; anything but status 0 is retried."""

    status: Integer
    message: str | None = None
    data: Any = None

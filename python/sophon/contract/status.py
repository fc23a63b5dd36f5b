"""The box's periodic report about itself and its sub-devices."""

from __future__ import annotations

from pydantic import ConfigDict

from sophon.contract.message import Integer, Message, Number


class GatewayData(Message):
    """Real values of the machine; None where it can't be read, never invented. V2R1 adds names of its own."""

    model_config = ConfigDict(extra="allow")

    sw_version: str
    sdk_version: str
    gateway_mac: str | None
    cpu_usage: Number | None
    memory_size: Number | None
    memory_usage: Number | None
    disk_size: Number | None
    disk_free_size: Number | None
    temperature: Integer | None


class SubDeviceData(Message):
    """V2R1's additions to a sub-device."""

    sw_version: str
    group_name: str


class SubDevice(Message):
    """A turnstile pad, camera or door pad attached to the box."""

    ep_id: str
    ep_name: str
    ep_ip: str
    ep_status: str
    ep_location: str | None = None
    ep_type: str
    ep_url: str | None = None
    ep_ext_data: SubDeviceData | None = None


class DeviceStatus(Message):
    """The status report."""

    gateway_ip: str
    gateway_name: str
    gateway_status: str
    gateway_sn: str | None
    dev_sno: str
    gateway_ext_data: GatewayData
    sub_devices: list[SubDevice]

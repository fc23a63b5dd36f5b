"""Who is to get which reports: what the platform's login names, and what the HTTP API was told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sophon.contract import LoginResponse
from sophon.store import Snapshot

ContentType = Literal["json", "form-data"]

# The settings as the HTTP API keeps them, under the wire's names.
EVENT_SERVER = "event_server_url"
HISTORY_SERVER = "history_event_url"
MONITOR_SERVER = "monitor_server_url"


@dataclass(frozen=True)
class RealTimeReceivers:
    """Who hears of recognitions as they happen, in order."""

    addresses: tuple[str, ...] = ()
    content_type: ContentType = "json"
    with_enrolment_photo: bool = True


@dataclass(frozen=True)
class HistoryReceiver:
    """Who gets every event; ``period_s`` between uploads."""

    address: str
    period_s: float
    content_type: ContentType = "json"
    with_enrolment_photo: bool = True
    with_scene: bool = True
    with_face: bool = True


@dataclass(frozen=True)
class StatusReceiver:
    """Who gets the box's status."""

    address: str
    period_s: float


def real_time_receivers(snapshot: Snapshot) -> RealTimeReceivers:
    """As `EventServerUrl` was set; nobody by default."""
    value = _setting(snapshot, EVENT_SERVER)
    return RealTimeReceivers(
        tuple(value.get("event_server_url", ())),
        value.get("content-type", "json"),
        value.get("real_need_reg_pic", True),
    )


def history_receivers(snapshot: Snapshot, login: LoginResponse | None) -> list[HistoryReceiver]:
    """The platform's `recordAddr` and the URLs of `HistoryEventUrl`; an address named twice counts once."""
    receivers = []
    if login is not None:
        receivers += [
            HistoryReceiver(
                address,
                login.record_upload_period,
                with_enrolment_photo=bool(login.record_upload_reg),
                with_scene=bool(login.record_upload_spot_pic),
                with_face=bool(login.record_upload_recognize_face),
            )
            for address in login.record_addresses
        ]
    value = _setting(snapshot, HISTORY_SERVER)
    receivers += [
        HistoryReceiver(
            address,
            value.get("reported_peroid", 20),
            value.get("content-type", "json"),
            with_enrolment_photo=value.get("history_need_reg_pic", True),
        )
        for address in value.get("history_upload_event_url", ())
    ]
    return list({one.address: one for one in reversed(receivers)}.values())[::-1]


def status_receivers(snapshot: Snapshot, login: LoginResponse | None) -> list[StatusReceiver]:
    """The platform's `deviceMonitorAddr` and `MonitorServerUrl`."""
    receivers = []
    if login is not None and login.device_monitor_addr:
        receivers.append(StatusReceiver(login.device_monitor_addr, login.device_monitor_period))
    value = _setting(snapshot, MONITOR_SERVER)
    if value.get("monitor_server_url"):
        receivers.append(StatusReceiver(value["monitor_server_url"], value.get("reported_peroid", 20)))
    return receivers


def _setting(snapshot: Snapshot, name: str) -> dict[str, Any]:
    value = snapshot.settings.get(name)
    return value if isinstance(value, dict) else {}

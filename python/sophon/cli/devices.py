"""`sophon devices`: the pads and cameras attached to a box."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from sophon.capture.ftp_password import hash_password
from sophon.cli.box_data import AsJson, DataDir, note_deed, open_store, print_json
from sophon.config import DEFAULT_DATA_DIR
from sophon.doors.relay import check_relay_url
from sophon.errors import Code, SophonError
from sophon.store import DEFAULT_GROUP, DeviceRow, Snapshot, Store

app = typer.Typer(
    no_args_is_help=True,
    help="Say which pads and cameras are attached to a box; a running box follows at once.",
)


class DeviceType(str, Enum):
    """What a sub-device is; the number is the contract's."""

    TURNSTILE = "turnstile"
    SNAPSHOT = "snapshot"
    STATIC = "static"
    DYNAMIC = "dynamic"
    DOOR = "door"

    @property
    def number(self) -> str:
        """The contract's ``device_type``."""
        return str(list(DeviceType).index(self))


class Direction(str, Enum):
    """Which way people pass there."""

    IN = "in"
    OUT = "out"


@app.command()
def add(
    ip: Annotated[str, typer.Argument(help="Its IP address; one that is there already is replaced.")],
    device_type: Annotated[
        DeviceType,
        typer.Option(
            "--type",
            help="turnstile and door: pads that send pictures by HTTP; snapshot: a camera that uploads them; "
            "static, dynamic: cameras whose stream is sampled, or followed face by face.",
        ),
    ],
    name: Annotated[str, typer.Option(help="What people call it; by default its address.")] = "",
    direction: Annotated[Direction, typer.Option(help="Which way people pass.")] = Direction.IN,
    group: Annotated[str, typer.Option(help="The group that faces are compared with.")] = DEFAULT_GROUP,
    permission: Annotated[
        str,
        typer.Option(
            help="The permission group (id or name) that may pass; by default everybody of the group."
        ),
    ] = "",
    memo: Annotated[str, typer.Option(help="Free text.")] = "",
    location: Annotated[str, typer.Option(help="Free text.")] = "",
    stream: Annotated[
        str,
        typer.Option(help="Of static and dynamic: an rtsp:// address, a video file or a folder of frames."),
    ] = "",
    door: Annotated[
        str,
        typer.Option(
            help="The relay of its door, http://HOST:PORT/PATH or tcp://HOST:PORT: it gets an order in JSON when "
            "someone is recognised."
        ),
    ] = "",
    ftp_user: Annotated[
        str,
        typer.Option(
            help="Of a snapshot camera: the user name that it uploads with; the password is asked for."
        ),
    ] = "",
    ftp_password: Annotated[
        str,
        typer.Option(
            envvar="SOPHON_FTP_PASSWORD", show_default=False, help="Better given by the environment."
        ),
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Attach a sub-device, or change it."""
    _check(ip, device_type, stream)
    if door:
        check_relay_url(door)
    if ftp_user and device_type is not DeviceType.SNAPSHOT:
        raise SophonError(Code.PARAM_ERROR, f"--ftp-user: a {device_type.value} does not upload")
    if ftp_user and not ftp_password:
        ftp_password = typer.prompt("The camera's FTP password", hide_input=True)
    with open_store(data_dir) as store:
        device = DeviceRow(
            ip=ip,
            device_type=device_type.number,
            name=name or ip,
            direction=0 if direction is Direction.IN else 1,
            group_name=group,
            permission_id=_permission_id(store, permission),
            memo=memo,
            location=location,
            stream_url=stream,
            door_url=door,
            ftp_user=ftp_user,
            ftp_password=hash_password(ftp_password) if ftp_user else "",
        )
        with store.write() as transaction:
            _check_user(transaction, device)
            transaction.groups.ensure(group)
            transaction.devices.put(device)
    note_deed(data_dir, "devices add")
    typer.echo(f"{ip} is attached")


@app.command("list")
def list_devices(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the sub-devices."""
    with open_store(data_dir) as store, store.read() as snapshot:
        rows = [_plain(device) for device in snapshot.devices.all()]
    if as_json:
        print_json(rows)
        return
    table = Table("ip", "type", "name", "direction", "group", "permission", "location", "memo", "door")
    for row in rows:
        table.add_row(*(str(value) for key, value in row.items() if key != "stream"))
    Console().print(table)


@app.command()
def remove(
    ip: Annotated[str, typer.Argument(help="Its IP address.")], data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Detach a sub-device; its events stay."""
    with open_store(data_dir) as store, store.write() as transaction:
        if not transaction.devices.remove(ip):
            raise SophonError(Code.NOT_FOUND, f"there is no sub-device {ip}; see: sophon devices list")
    note_deed(data_dir, "devices remove")
    typer.echo(f"{ip} is detached")


def _check(ip: str, device_type: DeviceType, stream: str) -> None:
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise SophonError(Code.PARAM_ERROR, f"{ip!r} is not an IP address, such as 192.168.1.20") from None
    is_stream = device_type in (DeviceType.STATIC, DeviceType.DYNAMIC)
    if is_stream != bool(stream):
        raise SophonError(
            Code.PARAM_ERROR,
            f"--stream: a {device_type.value} camera needs one"
            if is_stream
            else f"--stream: a {device_type.value} has no stream",
        )


def _check_user(snapshot: Snapshot, device: DeviceRow) -> None:
    for other in snapshot.devices.all():
        if device.ftp_user and other.ftp_user == device.ftp_user and other.ip != device.ip:
            raise SophonError(Code.PARAM_ERROR, f"--ftp-user: {other.ip} has {device.ftp_user!r} already")


def _permission_id(store: Store, permission: str) -> str:
    if not permission:
        return ""
    with store.read() as snapshot:
        for known in snapshot.permissions.all():
            if permission in (known.permission_id, known.name):
                return known.permission_id
    raise SophonError(
        Code.NOT_FOUND, f"--permission: there is no permission group {permission!r}; the platform makes them"
    )


def _plain(device: DeviceRow) -> dict[str, str]:
    return {
        "ip": device.ip,
        "type": list(DeviceType)[int(device.device_type)].value,
        "name": device.name,
        "direction": "in" if device.direction == 0 else "out",
        "group": device.group_name,
        "permission": device.permission_id,
        "location": device.location,
        "memo": device.memo,
        "door": device.door_url,
        "stream": _without_password(device.stream_url),
    }


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username}:…@{parts.netloc.rpartition('@')[2]}").geturl()

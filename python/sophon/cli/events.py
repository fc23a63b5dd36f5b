"""`sophon events`: what the box saw."""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sophon.cli.box_data import AsJson, DataDir, PhotosKey, local_time, open_store, print_json
from sophon.config import DEFAULT_DATA_DIR
from sophon.errors import Code, SophonError
from sophon.store import EventFilter, EventRow, Store

app = typer.Typer(no_args_is_help=True, help="Look at the recognition events of a box, and export them.")

PERSON_TYPES = {1: "employee", 2: "visitor", 3: "blacklist", 4: "stranger", 5: "VIP"}
CSV_COLUMNS = ("id", "time", "identity_id", "name", "type", "group", "device", "device_type", "score")

Person = Annotated[str | None, typer.Option("--person", help="Only of this identity_id.")]
Name = Annotated[str | None, typer.Option("--name", help="Only of people of this name.")]
Device = Annotated[str | None, typer.Option("--device", help="Only of the sub-device at this address.")]
Type = Annotated[
    str | None,
    typer.Option("--type", help=f"Only of people of this type: {', '.join(PERSON_TYPES.values())}."),
]
Since = Annotated[
    datetime | None,
    typer.Option("--since", help="Only from this local time on, such as 2026-11-24T08:00:00."),
]
Until = Annotated[datetime | None, typer.Option("--until", help="Only before this local time.")]
MinScore = Annotated[
    float | None, typer.Option("--min-score", min=0, max=1, help="Only of this score or more.")
]
Refused = Annotated[bool, typer.Option("--refused", help="Only those that a receiver refused.")]


@app.command("list")
def list_events(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    person: Person = None,
    name: Name = None,
    device: Device = None,
    person_type: Type = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    refused: Refused = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List events, newest first."""
    wanted = _filter(person, name, device, person_type, since, until, min_score, refused)
    with open_store(data_dir) as store, store.read() as snapshot:
        rows = list(snapshot.events.newest_first(wanted, limit))
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    table = Table(*CSV_COLUMNS)
    for row in rows:
        table.add_row(*_cells(row))
    Console().print(table)


@app.command()
def show(
    event_id: Annotated[int, typer.Argument(metavar="ID", help="As `sophon events list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    save: Annotated[
        Path | None, typer.Option("--save", file_okay=False, help="Write the pictures into this directory.")
    ] = None,
    open_pictures: Annotated[bool, typer.Option("--open", help="Open the pictures in a viewer.")] = False,
    photos_key: PhotosKey = None,
    as_json: AsJson = False,
) -> None:
    """Show one event: all that is known, who refused it, and its pictures."""
    with open_store(data_dir, photos_key) as store:
        plain = _everything(store, event_id)
        if save is not None or open_pictures:
            directory = save or Path(tempfile.mkdtemp(prefix="sophon-event-"))
            files = list(_save_pictures(store, event_id, directory))
            plain["pictures"] = [str(file) for file in files]
            if open_pictures:
                for file in files:
                    typer.launch(str(file))
    if as_json:
        print_json(plain)
        return
    for key, value in plain.items():
        typer.echo(f"{key}: {value}")


@app.command()
def export(
    file: Annotated[
        typer.FileTextWrite, typer.Argument(help="The CSV file to write; - is the standard output.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    person: Person = None,
    name: Name = None,
    device: Device = None,
    person_type: Type = None,
    since: Since = None,
    until: Until = None,
    min_score: MinScore = None,
    refused: Refused = False,
) -> None:
    """Export events as CSV, newest first, without pictures."""
    wanted = _filter(person, name, device, person_type, since, until, min_score, refused)
    writer = csv.writer(file)
    writer.writerow(CSV_COLUMNS)
    number = 0
    with open_store(data_dir) as store, store.read() as snapshot:
        for row in snapshot.events.newest_first(wanted):
            writer.writerow([_inert(cell) for cell in _cells(row)])
            number += 1
    if file is not sys.stdout:
        typer.echo(f"{number} events exported", err=True)


def _filter(
    person: str | None,
    name: str | None,
    device: str | None,
    person_type: str | None,
    since: datetime | None,
    until: datetime | None,
    min_score: float | None,
    refused: bool,
) -> EventFilter:
    types = {label.lower(): number for number, label in PERSON_TYPES.items()}
    if person_type is not None and person_type.lower() not in types:
        raise SophonError(Code.PARAM_ERROR, f"--type: {person_type!r} is none of {', '.join(types)}")
    return EventFilter(
        identity_id=person,
        name=name,
        device_ip=device,
        person_type=None if person_type is None else types[person_type.lower()],
        since=None if since is None else int(since.timestamp() * 1000),
        until=None if until is None else int(until.timestamp() * 1000),
        min_score=min_score,
        refused=refused,
    )


def _cells(row: EventRow) -> list[str]:
    return [
        str(row.id),
        local_time(row.at),
        row.identity_id,
        row.identity_name,
        PERSON_TYPES.get(row.person_type, str(row.person_type)),
        row.group_name,
        row.device_ip,
        row.device_type,
        f"{row.score:.4f}",
    ]


def _inert(cell: str) -> str:
    """A name that a spreadsheet would take for a formula is quoted."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _plain(row: EventRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "timestamp": row.at,
        "identity_id": row.identity_id,
        "identity_name": row.identity_name,
        "person_type": row.person_type,
        "group_name": row.group_name,
        "device_ip": row.device_ip,
        "device_type": row.device_type,
        "score": row.score,
        **row.details,
    }


def _everything(store: Store, event_id: int) -> dict[str, Any]:
    with store.read() as snapshot:
        row = snapshot.events.get(event_id)
        if row is None:
            raise SophonError(Code.NOT_FOUND, f"there is no event {event_id}; see: sophon events list")
        spot_bytes, face_bytes = snapshot.events.picture_bytes(event_id)
        refused = {
            one.address: one.reason for one in snapshot.event_receivers.refused() if one.event_id == event_id
        }
    plain = _plain(row)
    plain["time"] = local_time(row.at)
    plain["spot_picture_bytes"] = spot_bytes
    plain["face_picture_bytes"] = face_bytes
    plain["refused_by"] = refused
    return plain


def _save_pictures(store: Store, event_id: int, directory: Path) -> Iterator[Path]:
    with store.read() as snapshot:
        pictures = snapshot.events.pictures(event_id)
    directory.mkdir(parents=True, exist_ok=True)
    for kind, content in (("spot", pictures.spot), ("face", pictures.face)):
        if content is not None:
            file = directory / f"{event_id}-{kind}.jpg"
            file.write_bytes(content)
            yield file

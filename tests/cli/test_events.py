"""`sophon events` and `sophon devices` on a box's data."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from sophon.cli import app
from sophon.store import EventPictures, EventRow, RefusedEvent, Store


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    with Store(tmp_path / "data") as store, store.write() as transaction:
        transaction.permissions.ensure(["1046"])
        for number in range(3):
            event = EventRow(
                1_700_000_000_000 + number * 1000,
                f"E{number}",
                "=1+1",
                1,
                "default_group",
                "10.0.0.7",
                "0",
                0.5,
                {},
            )
            key = transaction.events.add(event, EventPictures(b"\xff\xd8spot", b"\xff\xd8face"))
        transaction.event_receivers.refuse(RefusedEvent("http://a", key, "HTTP 400"))
    return tmp_path / "data"


def run(data_dir: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_events_are_listed_newest_first_and_filtered(data_dir: Path) -> None:
    assert [row["identity_id"] for row in orjson.loads(run(data_dir, "events", "list", "--json"))] == [
        "E2",
        "E1",
        "E0",
    ]
    one = orjson.loads(run(data_dir, "events", "list", "--json", "--person", "E1", "--type", "employee"))
    assert [row["id"] for row in one] == [2]
    assert [row["id"] for row in orjson.loads(run(data_dir, "events", "list", "--json", "--refused"))] == [3]


def test_an_event_is_shown_with_its_pictures(data_dir: Path, tmp_path: Path) -> None:
    shown = orjson.loads(run(data_dir, "events", "show", "3", "--json", "--save", str(tmp_path / "out")))
    assert shown["refused_by"] == {"http://a": "HTTP 400"}
    assert [Path(file).read_bytes() for file in shown["pictures"]] == [b"\xff\xd8spot", b"\xff\xd8face"]


def test_the_pictures_are_opened_in_a_viewer(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer is feigned: this machine has none."""
    opened: list[bytes] = []
    monkeypatch.setattr(typer, "launch", lambda file: opened.append(Path(file).read_bytes()))
    run(data_dir, "events", "show", "3", "--open")
    assert opened == [b"\xff\xd8spot", b"\xff\xd8face"]


def test_a_csv_holds_no_formula(data_dir: Path, tmp_path: Path) -> None:
    run(data_dir, "events", "export", str(tmp_path / "events.csv"))
    with (tmp_path / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["identity_id"] for row in rows] == ["E2", "E1", "E0"]
    assert {row["name"] for row in rows} == {"'=1+1"}


def test_devices_come_and_go(data_dir: Path) -> None:
    run(
        data_dir,
        "devices",
        "add",
        "10.0.0.7",
        "--type",
        "turnstile",
        "--permission",
        "1046",
        "--direction",
        "out",
    )
    run(
        data_dir,
        "devices",
        "add",
        "10.0.0.8",
        "--type",
        "dynamic",
        "--stream",
        "rtsp://camera:secret@10.0.0.8/1",
    )
    pad, camera = orjson.loads(run(data_dir, "devices", "list", "--json"))
    assert (pad["type"], pad["direction"], pad["permission"]) == ("turnstile", "out", "1046")
    assert camera["stream"] == "rtsp://camera:…@10.0.0.8/1"
    run(data_dir, "devices", "remove", "10.0.0.7")
    assert len(orjson.loads(run(data_dir, "devices", "list", "--json"))) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "../etc", "--type", "door"],
        ["add", "10.0.0.7", "--type", "dynamic"],
        ["add", "10.0.0.7", "--type", "door", "--permission", "nobody"],
        ["remove", "10.9.9.9"],
    ],
)
def test_what_cannot_be_is_refused(data_dir: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["devices", *arguments, "--data-dir", str(data_dir)])
    assert result.exit_code == 1

"""`sophon status`: how a box is."""

from __future__ import annotations

import contextlib
import fcntl
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from sophon.cli.box_data import AsJson, DataDir
from sophon.config import DEFAULT_DATA_DIR
from sophon.errors import Code, SophonError
from sophon.status import StatusReport, read_status

STALE_SECONDS = 10.0


def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show it anew each second, until Ctrl-C; with --json, a line each."),
    ] = False,
) -> None:
    """Say how a box is: its lines and why, what waits, what was done last, counters and rates.

    Exit status 1 if no box runs there, or it is not taking commands in.
    """
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(data_dir, as_json=as_json)
        return
    report, runs = _read(data_dir), _runs(data_dir)
    if as_json:
        _print_json(report, runs, indent=2)
    else:
        Console().print(_render(report, runs))
    if not runs or report.phase != "consuming":
        raise typer.Exit(1)


def _watch(data_dir: Path, *, as_json: bool) -> None:
    with contextlib.nullcontext() if as_json else Live(refresh_per_second=2) as live:
        while True:
            report, runs = _read(data_dir), _runs(data_dir)
            if live is None:
                _print_json(report, runs)
            else:
                live.update(_render(report, runs))
            time.sleep(1)


def _print_json(report: StatusReport, runs: bool, indent: int | None = None) -> None:
    phase = report.phase if runs else "stopped"
    sys.stdout.write(report.model_copy(update={"phase": phase}).model_dump_json(indent=indent) + "\n")
    sys.stdout.flush()


def _read(data_dir: Path) -> StatusReport:
    report = read_status(data_dir)
    if report is None:
        raise SophonError(Code.NOT_FOUND, f"no box has run in {data_dir}; give --data-dir or SOPHON_DATA_DIR")
    return report


def _runs(data_dir: Path) -> bool:
    """A running box holds the lock of its data directory."""
    try:
        with (data_dir / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _render(report: StatusReport, runs: bool) -> Group:
    age = time.time() - report.written_at
    phase = report.phase if runs else "stopped"
    if runs and age > STALE_SECONDS:
        phase += f" (silent for {age:.0f} s)"
    head = Table(show_header=False, box=None)
    head.add_row("box", f"{report.dev_sno}, sophon {report.version}, pid {report.pid}")
    head.add_row("phase", phase)
    for warning in report.warnings:
        head.add_row("[bold red]warning[/]", warning)
    head.add_row("login", report.login)
    head.add_row("people", f"{report.people}, of which {report.recognisable} can be recognised")
    head.add_row("inbox", _counts(report.inbox))
    head.add_row("outbox", _counts(report.outbox))
    head.add_row("events", f"{report.events} kept; since the start: {_counts(report.recognition)}")
    for ip, state in report.streams.items():
        head.add_row("stream", f"{ip}: {state}")
    for address, problem in report.receivers.items():
        head.add_row("not taken", f"{address}: {problem}")
    if report.no_room:
        head.add_row("no room", report.no_room)
    if report.enrolment:
        one = report.enrolment
        head.add_row("enrolment", f"command {one.seq}: {one.settled} of {one.total}")
    head.add_row(
        "counted", _counts({name: value for name, value in report.counters.items() if name != "seq"})
    )
    head.add_row("per second", _counts({name: rate for name, rate in report.rates.items() if rate}))
    links = Table("line", "phase", "since", "connections", "reason")
    for name, link in report.links.items():
        since = time.strftime("%H:%M:%S", time.localtime(link.since))
        links.add_row(name, link.phase, since, str(link.connections), link.reason)
    commands = Table("seq", "method", "state", "code", "seconds", "reason")
    for command in report.last_commands:
        seconds = (
            "" if command.finished_at is None else f"{(command.finished_at - command.received_at) / 1000:.2f}"
        )
        code = "" if command.code is None else str(command.code)
        commands.add_row(str(command.seq), command.method, command.state, code, seconds, command.reason)
    return Group(head, links, commands)


def _counts(values: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "nothing"

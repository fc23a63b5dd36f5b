"""`sophon demo`: the main job on real photographs, from the platform's command to the recognised face."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from sophon.contract import FIQA_LEVELS, FiqaLevel
from sophon.demo.box_under_demo import BoxUnderDemo, daemon_box, in_process_box
from sophon.demo.cast import Candidate, Cast, cast_of
from sophon.demo.contact_sheet import draw
from sophon.demo.finding import MOST_MISSES, Finding, Step, as_expected
from sophon.demo.story import ShowProgress, Story
from sophon.demo.watch import Watch
from sophon.errors import Code, SophonError
from sophon.logs import configure_logs
from sophon.sim import QueueMessage, ReferencePlatform, find_broker, people_in
from sophon.sim.portraits import fetch_portraits
from sophon.sim.reference_platform import PHOTOS_PATH, PhotoWay
from sophon.sim.relay import SimulatedRelay

LINES_PER_STEP = 14
PIPED_WIDTH = 120

T = TypeVar("T")


def demo(
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Your own photographs: one folder per person. People with several are enrolled with the first and looked "
            "for in the others; people with one are strangers. 15 % may go unrecognised. (default: official portraits, fetched once)",
            show_default=False,
            exists=True,
            file_okay=False,
        ),
    ] = None,
    no_broker: Annotated[
        bool,
        typer.Option(
            "--no-broker",
            help="Hand the same messages to the same handlers in this process, without RabbitMQ.",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the contact sheet and the raw messages go.")
    ] = Path("demo-out"),
    level: Annotated[
        str | None,
        typer.Option(
            help=f"The quality that enrolment asks for: one of {', '.join(FIQA_LEVELS)} (default: high; of your own "
            "photographs middle).",
            show_default=False,
        ),
    ] = None,
    people: Annotated[
        int, typer.Option(min=1, help="How many people to enrol at most, and how many strangers.")
    ] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON, one object per line.")
    ] = False,
) -> None:
    """Show the main job: enrol people by message, recognise them, judge photographs, watch who passes, delete.

    People pass a pad with a door and two cameras, one of them on the blacklist, one a stranger; these sub-devices are
    simulated, what they send is not. What the platform received of it is shown beside the truth. A private RabbitMQ node, a management platform and the box's daemon are started for it, in a temporary directory, on
    free ports. Exit status 1 if anything expected did not happen.
    """
    level = level or ("high" if photos is None else "middle")
    if level not in FIQA_LEVELS:
        raise typer.BadParameter(f"{level!r} is not one of {', '.join(FIQA_LEVELS)}", param_hint="--level")
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that everything started is ended
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sophon-demo-")))
        cast = _cast(photos, folder, level, people)
        platform = stack.enter_context(ReferencePlatform(record_upload_period=1))
        _tell_platform(platform, cast.candidates)
        box = _start(stack, platform, folder, no_broker)
        watch = Watch(box, platform, stack.enter_context(SimulatedRelay()), folder / "frames")
        findings = list(Story(box, cast, watch, _Bars()).tell())
        messages = box.messages()
        _write(out, findings, messages)
    as_hoped = as_expected(findings, 0.0 if photos is None else MOST_MISSES)
    if as_json:
        for finding in findings:
            typer.echo(orjson.dumps(_plain(finding)))
    else:
        _print(findings, as_hoped, no_broker)
        typer.echo(f"contact sheet and {len(messages)} raw messages: {out}/")
    if not as_hoped:
        raise typer.Exit(1)


def _cast(photos: Path | None, folder: Path, level: FiqaLevel, most: int) -> Cast:
    made = folder / "made"
    made.mkdir()
    if photos is not None:
        return cast_of(people_in(photos), (), made, level=level, most=most, are_good=False)
    with Console(stderr=True).status("looking for the portraits; they are fetched once"):
        portraits = fetch_portraits()
    return cast_of(
        people_in(portraits / "people"),
        sorted((portraits / "cut").iterdir()),
        made,
        level=level,
        most=most,
        are_good=True,
    )


def _tell_platform(platform: ReferencePlatform, candidates: Sequence[Candidate]) -> None:
    """Make everybody known to the platform, their photographs in all of the contract's ways by turns."""
    ways: Iterable[PhotoWay] = cycle(get_args(PhotoWay))
    for candidate, way in zip(candidates, ways, strict=False):
        if not candidate.known:
            continue
        wish = {} if candidate.level == "high" else {"fiqa_level": candidate.level}
        person = platform.add_person(
            candidate.identity_id, candidate.name, candidate.photo or b"", way=way, **wish
        )
        if candidate.photo is None:
            lost = {"relative_pic_url": f"{PHOTOS_PATH}/not-there.jpg", "reg_photo": None, "reg_url": None}
            platform.people[candidate.identity_id] = person.model_copy(update=lost)


def _start(stack: ExitStack, platform: ReferencePlatform, folder: Path, no_broker: bool) -> BoxUnderDemo:
    messages = Console(stderr=True)
    if no_broker:
        configure_logs("error", "text")
        messages.print("no broker: the messages go to the box's handlers in this process")
        return stack.enter_context(in_process_box(platform, folder))
    if find_broker() is None:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED,
            "RabbitMQ is not installed; get it with: apt-get install rabbitmq-server, or run: sophon demo --no-broker",
        )
    with messages.status("starting a private RabbitMQ node, the platform and the box"):
        return stack.enter_context(daemon_box(platform, folder))


class _Bars(ShowProgress):
    def __call__(self, title: str, items: Sequence[T]) -> Iterable[T]:
        return track(items, description=f"{title:9}", console=Console(stderr=True), transient=True)


def _write(out: Path, findings: Sequence[Finding], messages: Sequence[QueueMessage]) -> None:
    """The contact sheet, and each message as it went over the wire; an earlier run's are replaced."""
    folder = out / "messages"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9]*-*.json"):
        old.unlink()
    for number, message in enumerate(messages, 1):
        body = orjson.loads(message.body)
        name = f"{number:04}-{'to' if message.sent else 'from'}-box-{body.get('method') or body.get('messageKey')}.json"
        (folder / name).write_bytes(message.body)
    draw(findings, out / "contact-sheet.png")


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "step": finding.step.value,
        "title": finding.title,
        "expected": finding.expected,
        "got": finding.got,
        "ok": finding.ok,
        "score": finding.score,
        "quality": finding.face.score if finding.face else None,
        "photo": str(finding.photo) if finding.photo else None,
    }


def _print(findings: Sequence[Finding], as_hoped: bool, no_broker: bool) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    alone = [step for step in Step if step is not Step.WATCH]
    console.print(
        _table(
            "Sophon demo" + (", without a broker" if no_broker else ""),
            ("step", "who or what", "expected", "happened", "score", "quality", ""),
            [[_cells(one) for one in _most_telling(findings, step)] for step in alone],
        )
    )
    console.print(
        _table(
            "people pass simulated sub-devices: HTTP, FTP, frames and the relay's orders are real",
            ("where and who", "the truth", "the platform received", "score", ""),
            [[_watch_cells(one) for one in _most_telling(findings, Step.WATCH)]],
        )
    )
    for step in Step:
        lines = [finding for finding in findings if finding.step is step]
        wrong = sum(not finding.ok for finding in lines)
        misses = sum(finding.is_miss for finding in lines)
        explained = f"; {misses} not recognised, {wrong - misses} otherwise" if misses else ""
        hidden = f"; {len(lines) - LINES_PER_STEP} not shown" if len(lines) > LINES_PER_STEP else ""
        console.print(f"{step.value:9} {len(lines) - wrong} of {len(lines)} as expected{explained}{hidden}")
    console.print(
        "[bold green]everything expected happened[/]" if as_hoped else "[bold red]NOT as expected[/]"
    )


def _table(title: str, columns: Sequence[str], sections: Sequence[Sequence[tuple[str, ...]]]) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right" if column in ("score", "quality") else "left")
    for section in sections:
        for cells in section:
            table.add_row(*cells)
        table.add_section()
    return table


def _most_telling(findings: Sequence[Finding], step: Step) -> list[Finding]:
    """A step's findings, of very many those first that did not come as expected."""
    lines = [finding for finding in findings if finding.step is step]
    if len(lines) <= LINES_PER_STEP:
        return lines
    return sorted(lines, key=lambda finding: finding.ok)[:LINES_PER_STEP]


def _cells(finding: Finding) -> tuple[str, ...]:
    return (
        finding.step.value,
        escape(finding.title),
        escape(finding.expected),
        escape(finding.got),
        "" if finding.score is None else f"{finding.score:.3f}",
        "" if finding.face is None else f"{finding.face.score:.2f}",
        "[green]✓[/]" if finding.ok else "[bold red]✗[/]",
    )


def _watch_cells(finding: Finding) -> tuple[str, ...]:
    """Neither the step, which is the table's, nor a quality."""
    cells = _cells(finding)
    return (*cells[1:5], cells[-1])

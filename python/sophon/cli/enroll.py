"""`sophon enroll`: people from a folder of photographs, into a box's data."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sophon.box import Box, Enrolment
from sophon.calibration import load_calibration
from sophon.cli.box_data import (
    AsJson,
    DataDir,
    ModelDir,
    Photos,
    PhotosKey,
    note_deed,
    print_json,
    take_store,
)
from sophon.config import DEFAULT_DATA_DIR
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.models import ModelPack
from sophon.store import FaceRow, Store

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
GROUP_SIZE = 50


@dataclass(frozen=True)
class _Person:
    identity_id: str
    photos: list[Path]


@dataclass(frozen=True)
class _Enrolled:
    identity_id: str
    duplicate_of: str | None


@dataclass(frozen=True)
class _Refusal:
    identity_id: str
    code: int
    reason: str


def enroll(
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="One folder per person, or one photograph per person; the name is the person's id.",
        ),
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    model_dir: ModelDir = None,
    level: Annotated[
        str, typer.Option(help="The quality a photograph must have: high, custom, middle, low, no.")
    ] = "high",
    permission: Annotated[
        list[str] | None,
        typer.Option(help="A permission group to give everybody; may be repeated. Default: 0."),
    ] = None,
    photos: Photos = None,
    photos_key: PhotosKey = None,
    as_json: AsJson = False,
) -> None:
    """Enrol everybody in a folder; of several photographs of a person, the first that is good enough counts.

    Exit status 1 if somebody was refused.
    """
    people = _people_in(folder)
    permissions = tuple(permission or ["0"])
    console = Console(stderr=True)
    enrolled: list[_Enrolled] = []
    refused: list[_Refusal] = []
    pack = ModelPack.load(model_dir)
    with take_store(data_dir, photos, photos_key) as store, FaceEngine(pack) as engine:
        box = Box(store, engine, calibration=load_calibration(pack.directory, engine.making_id))
        box.load()
        with ThreadPoolExecutor(cpu_count() or 1) as pool, _bar(console) as bar:
            task = bar.add_task("enrolling", total=len(people))
            pending = {pool.submit(_portrait, box, person, level): person for person in people}
            group: list[Enrolment] = []
            for future in as_completed(pending):
                person = pending.pop(future)
                outcome = _outcome(future, person, permissions)
                if isinstance(outcome, Enrolment):
                    group.append(outcome)
                else:
                    refused.append(outcome)
                if len(group) >= GROUP_SIZE:
                    _commit(store, box, group, enrolled, refused)
                    group = []
                bar.advance(task)
            _commit(store, box, group, enrolled, refused)
    note_deed(data_dir, "enroll", enrolled=len(enrolled), refused=len(refused))
    refused.sort(key=lambda one: one.identity_id)
    if as_json:
        print_json(
            {
                "enrolled": sorted(one.identity_id for one in enrolled),
                "duplicates": {one.identity_id: one.duplicate_of for one in enrolled if one.duplicate_of},
                "refused": [vars(one) for one in refused],
            }
        )
    else:
        _print(enrolled, refused)
    if refused:
        raise typer.Exit(1)


def _people_in(folder: Path) -> list[_Person]:
    people = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            photos = sorted(one for one in entry.iterdir() if one.suffix.lower() in SUFFIXES)
            if photos:
                people.append(_Person(entry.name, photos))
        elif entry.suffix.lower() in SUFFIXES:
            people.append(_Person(entry.stem, [entry]))
    if not people:
        wanted = ", ".join(sorted(SUFFIXES))
        raise SophonError(
            Code.BAD_REQUEST, f"no photographs in {folder}; it needs {wanted} files, or folders of them"
        )
    return people


def _portrait(box: Box, person: _Person, level: str) -> FaceRow:
    """What the first good photograph makes; if none is good, what is wrong with the first."""
    problems = []
    for photo in person.photos:
        found = _judge(box, photo, level)
        if isinstance(found, FaceRow):
            return found
        problems.append(found)
    raise problems[0]


def _judge(box: Box, photo: Path, level: str) -> FaceRow | SophonError:
    try:
        return box.portrait(photo.read_bytes(), level)
    except SophonError as error:
        return SophonError(error.code, f"{photo.name}: {error}")


def _outcome(future: Future[FaceRow], person: _Person, permissions: tuple[str, ...]) -> Enrolment | _Refusal:
    try:
        face = future.result()
    except SophonError as error:
        return _Refusal(person.identity_id, int(error.code), str(error))
    info = {"name": person.identity_id.replace("_", " "), "type": 1, "permission_ids": list(permissions)}
    return Enrolment(person.identity_id, info, 1, permissions, face)


def _commit(
    store: Store, box: Box, group: list[Enrolment], enrolled: list[_Enrolled], refused: list[_Refusal]
) -> None:
    with store.write() as transaction:
        outcomes = box.enrol(transaction, transaction.inbox.next_seq(), group)
    for enrolment, outcome in zip(group, outcomes, strict=True):
        if outcome.error is None:
            other = None if outcome.duplicate_of is None else outcome.duplicate_of.identity_id
            enrolled.append(_Enrolled(enrolment.identity_id, other))
        else:
            refused.append(_Refusal(enrolment.identity_id, int(outcome.error.code), str(outcome.error)))


def _print(enrolled: list[_Enrolled], refused: list[_Refusal]) -> None:
    console = Console()
    duplicates = [one for one in enrolled if one.duplicate_of is not None]
    if duplicates:
        table = Table("person", "has the face of", title="enrolled twice?")
        for one in duplicates:
            table.add_row(one.identity_id, one.duplicate_of)
        console.print(table)
    if refused:
        table = Table("person", "code", "why not", title="refused")
        for refusal in refused:
            table.add_row(refusal.identity_id, str(refusal.code), refusal.reason)
        console.print(table)
    console.print(f"{len(enrolled)} enrolled, {len(refused)} refused")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )

"""`sophon fiqa`: judge the faces of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import orjson
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sophon.engine import FaceEngine, FaceQuality, load_photo
from sophon.engine.face_engine import EnrolmentCandidate
from sophon.engine.levels import Limits
from sophon.engine.photo import Image
from sophon.engine.quality_sheet import JudgedFace, draw_sheet
from sophon.errors import SophonError

LEVELS = ("high", "custom", "middle", "low", "no")


@dataclass(frozen=True)
class JudgedPhoto:
    """One photograph of the command line: its faces, or why it can't be used."""

    path: Path
    photo: Image | None
    candidates: list[EnrolmentCandidate]
    problem: SophonError | None

    @property
    def passed(self) -> bool:
        """It holds faces, and all of them passed."""
        return bool(self.candidates) and all(candidate.quality.fiqa_result for candidate in self.candidates)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        result: dict[str, Any] = {"photo": str(self.path)}
        if self.problem is not None:
            return {**result, "code": int(self.problem.code), "error": str(self.problem)}
        return {**result, "data": [candidate.quality.to_dict() for candidate in self.candidates]}


def fiqa(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="JPEG, PNG, WEBP or BMP files.")],
    level: Annotated[
        str, typer.Option(help=f"How strictly: {', '.join(LEVELS)}. 'high' is for enrolment.")
    ] = "high",
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="SHEET.png",
            help="Also draw every face, with box, landmarks, head pose and items, into this picture.",
            show_default=False,
            dir_okay=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one entry per photograph.")] = False,
) -> None:
    """Judge the quality of every face in photographs.

    Exit status: 0 where every photograph has a face and all faces pass, 1 where one fails, has no face or can't be
    used, 2 for wrong usage.
    """
    if level not in LEVELS:
        raise typer.BadParameter(f"'{level}' is none of {', '.join(LEVELS)}", param_hint="--level")
    with FaceEngine() as engine:
        shown = track(
            photos, "judging", console=Console(stderr=True), disable=len(photos) < 2, transient=True
        )
        judged = [_judge(engine, path, level) for path in shown]
        limits = engine.levels.limits(level)
    if as_json:
        typer.echo(orjson.dumps([photo.to_dict() for photo in judged], option=orjson.OPT_INDENT_2).decode())
    else:
        _print_tables(judged, limits)
    if save is not None:
        _save_sheet(judged, limits, save)
    raise typer.Exit(0 if all(photo.passed for photo in judged) else 1)


def _judge(engine: FaceEngine, path: Path, level: str) -> JudgedPhoto:
    try:
        photo = load_photo(path)
        return JudgedPhoto(path, photo, engine.enroll_candidates(photo, level), None)
    except SophonError as error:
        return JudgedPhoto(path, None, [], error)


def _print_tables(judged: list[JudgedPhoto], limits: Limits) -> None:
    console = Console()
    for photo in judged:
        if photo.problem is not None:
            console.print(
                f"[red]{photo.path}: {photo.problem} ({int(photo.problem.code)})[/]",
                highlight=False,
                soft_wrap=True,
            )
        elif not photo.candidates:
            console.print(f"[red]{photo.path}: no face[/]", highlight=False, soft_wrap=True)
        for number, candidate in enumerate(photo.candidates, start=1):
            quality = candidate.quality
            result = "[green]pass[/]" if quality.fiqa_result else "[red]fail[/]"
            face = f"face {number} of {len(photo.candidates)}"
            console.print(
                f"{photo.path}, {face}: {result}, score {quality.score:.2f}", highlight=False, soft_wrap=True
            )
            console.print(_table(quality, limits))


def _table(quality: FaceQuality, limits: Limits) -> Table:
    table = Table("item", "measured", "demanded", "")
    for verdict in limits.judge(quality.info):
        word = {True: "[green]pass[/]", False: "[red]fail[/]", None: "[dim]-[/]"}[verdict.passed]
        table.add_row(verdict.item.value, verdict.value, verdict.demand, word)
    return table


def _save_sheet(judged: list[JudgedPhoto], limits: Limits, path: Path) -> None:
    faces = [
        JudgedFace(photo.path.name, photo.photo, candidate.face, candidate.quality)
        for photo in judged
        if photo.photo is not None
        for candidate in photo.candidates
    ]
    _, data = cv2.imencode(".png", draw_sheet(faces, limits))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise typer.BadParameter(f"can't write {path}: {error.strerror}", param_hint="--save") from error
    typer.echo(f"drew {len(faces)} faces into {path}", err=True)

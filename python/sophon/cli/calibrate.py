"""`sophon calibrate`: which score means which false match rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sophon.calibration import DEFAULT_FMR, Calibration, calibrate, calibration_path
from sophon.calibration.photographs import embed_people
from sophon.engine import FaceEngine
from sophon.models import ModelPack

_SHOWN_FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def calibrate_command(
    photographs: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="One folder per person; the more people, the better.",
            exists=True,
            file_okay=False,
        ),
    ],
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="The model pack's folder (default: the installed pack).", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Photographs at once (default: one per core).", min=1, show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Keep the result in this folder (default: beside the model pack, where the box finds it).",
            show_default=False,
            exists=True,
            file_okay=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result, change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare all different people on labelled photographs, and set the threshold by the false match rate.

    The result is kept beside the model pack and holds for the embeddings of this pack only. The default threshold is
    the one at which one in 100,000 comparisons of different people matches.
    """
    pack = ModelPack.load(directory)
    with FaceEngine(pack) as engine, Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("photographs")
        labelled = embed_people(
            engine,
            photographs,
            workers,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
        result = calibrate(labelled.embeddings, labelled.people, engine.making_id, photographs.resolve().name)
    if not dry_run:
        calibration_path(out or pack.directory, result.making_id).write_bytes(result.to_json())
    if as_json:
        shown = {
            **result.model_dump(mode="json"),
            "default_threshold": result.threshold(),
            "skipped": labelled.skipped,
        }
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    else:
        _show(result, labelled.skipped)


def _show(result: Calibration, skipped: int) -> None:
    console = Console(highlight=False)
    console.print(
        f"{result.people} people in {result.photographs} photographs ({skipped} skipped): {result.comparisons:,} "
        "comparisons of different people",
        soft_wrap=True,
    )
    table = Table("false match rate", "cosine", "event score", "")
    for fmr in _SHOWN_FMRS:
        threshold = result.threshold(fmr)
        origin = "extrapolated" if result.is_extrapolated(fmr) else "measured"
        mark = ", default" if fmr == DEFAULT_FMR else ""
        table.add_row(f"{fmr:.0e}", f"{threshold:.4f}", f"{result.event_score(threshold):.3f}", origin + mark)
    console.print(table)
    if result.is_extrapolated(DEFAULT_FMR):
        console.print(
            f"The default threshold is extrapolated: a false match rate of {DEFAULT_FMR:.0e} would take some 3 million "
            "comparisons (2,500 people) to measure.",
            soft_wrap=True,
        )

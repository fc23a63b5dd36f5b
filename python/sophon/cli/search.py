"""`sophon search`: who is in a photograph, of a box's people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sophon.box import Box, Recognition
from sophon.calibration import load_calibration
from sophon.cli.box_data import AsJson, DataDir, ModelDir, open_store, print_json
from sophon.config import DEFAULT_DATA_DIR
from sophon.engine import FaceEngine
from sophon.models import ModelPack
from sophon.store import Store


def search(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JPEG, PNG, WEBP or BMP.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    model_dir: ModelDir = None,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="How many people to name per face.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="The score (cosine) from which it is a match; the box's own by default."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Name the people that each face in a photograph is most like, best first; a running box is not disturbed.

    Exit status 1 if no face is a match.
    """
    with open_store(data_dir) as store, FaceEngine(pack := ModelPack.load(model_dir)) as engine:
        box = Box(store, engine, calibration=load_calibration(pack.directory, engine.making_id))
        box.load()
        limit = box.least_cosine if threshold is None else threshold
        faces = [_plain(one, store, limit) for one in box.recognise(photo.read_bytes(), k=top, threshold=-1)]
    if as_json:
        print_json(faces)
    else:
        _print(faces)
    if not any(one["match"] for face in faces for one in face["people"]):
        raise typer.Exit(1)


def _plain(recognition: Recognition, store: Store, threshold: float) -> dict[str, Any]:
    with store.read() as snapshot:
        names = {
            one.identity_id: person.name
            for one in recognition.matches
            if (person := snapshot.people.get(one.identity_id))
        }
    return {
        "bbox": [round(float(edge)) for edge in recognition.face.bbox],
        "people": [
            {
                "identity_id": one.identity_id,
                "name": names.get(one.identity_id, ""),
                "score": round(max(one.score, 0.0), 4),
                "match": one.score >= threshold,
            }
            for one in recognition.matches
        ],
    }


def _print(faces: list[dict[str, Any]]) -> None:
    console = Console()
    if not faces:
        console.print("no face found")
    for number, face in enumerate(faces, start=1):
        table = Table("person", "name", "score", "match", title=f"face {number} at {face['bbox']}")
        for one in face["people"]:
            table.add_row(
                one["identity_id"], one["name"], f"{one['score']:.4f}", "yes" if one["match"] else "no"
            )
        console.print(table)

"""`sophon verify-erased`: nothing of a person is left."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sophon.cli.box_data import AsJson, DataDir, open_store, print_json
from sophon.config import DEFAULT_DATA_DIR
from sophon.erasure import find_bytes, find_person


def verify_erased(
    identity_id: Annotated[str, typer.Argument(help="The person's id.")],
    photo: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Look for this photograph's bytes in every file, too."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Look for this name in every file, too.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Prove that a person is gone, by looking into every table and, for a photograph or name, into every file.

    Exit status 1 if anything of them is left.
    """
    with open_store(data_dir) as store:
        traces = find_person(store, identity_id)
    if photo is not None:
        traces += find_bytes(data_dir, photo.read_bytes())
    if name:
        traces += find_bytes(data_dir, name.encode())
    if as_json:
        print_json({"erased": not traces, "traces": [asdict(trace) for trace in traces]})
    else:
        for trace in traces:
            typer.echo(f"left in {trace.place}: {trace.what}")
        typer.echo("not erased" if traces else "erased: nothing is left")
    if traces:
        raise typer.Exit(1)

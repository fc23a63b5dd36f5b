"""`sophon backup` and `sophon restore`: a box as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sophon.backups import Restoration, write_backup
from sophon.cli.box_data import DataDir, Photos, PhotosKey, note_deed, open_store, take_store
from sophon.config import DEFAULT_DATA_DIR

CHUNK_BYTES = 1 << 20


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it is complete, or not there.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write everything a box knows to one file, beside a running box or without it.

    The file holds faces and names: keep it where only you can read it.
    """
    with open_store(data_dir) as store:
        size = write_backup(store, file)
    note_deed(data_dir, "backup")
    typer.echo(f"backed up: {file}, {size:,} bytes")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `sophon backup` wrote.")],
    with_deleted: Annotated[
        bool, typer.Option(help="Bring back those, too, who were deleted after the backup was made.")
    ] = False,
    photos: Photos = None,
    photos_key: PhotosKey = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a backup's people, groups, devices and settings in the place of a stopped box's, wholly or not at all.

    Tokens, the box's code and platform, and commands not yet carried out stay the box's own. Events come back on a box
    that has made none. A running box is restored by the API: POST /api/v1/restore.
    """
    with take_store(data_dir, photos, photos_key) as store, Restoration(store) as restoration:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK_BYTES):
                restoration.feed(chunk)
        restored = restoration.put_in_place(with_deleted=with_deleted)
    note_deed(data_dir, "restore", people=restored.people, left_out=restored.left_out)
    typer.echo(f"restored: {restored.people} people, {restored.events} events")
    if restored.left_out:
        typer.echo(
            f"left out: {restored.left_out} people who were deleted since; --with-deleted brings them back"
        )

"""What the commands that look at a box's data have in common."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, cast, get_args

import orjson
import typer

from sophon.audit import AuditLog
from sophon.errors import Code, ConfigError, SophonError
from sophon.photo_key import photo_keeping
from sophon.store import PhotoMode, Store

KEY_VARIABLE = "SOPHON_ENROLMENT_PHOTOS_KEY"

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="SOPHON_DATA_DIR", help="The box's data directory.")
]
ModelDir = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", envvar="SOPHON_MODEL_DIR", help="The model pack; by default the installed one."
    ),
]
Photos = Annotated[
    str | None,
    typer.Option(
        "--enrolment-photos",
        envvar="SOPHON_ENROLMENT_PHOTOS",
        help="What is kept of photographs: keep, encrypt, none; by default as the box did so far.",
    ),
]
PhotosKey = Annotated[
    Path | None,
    typer.Option(
        "--enrolment-photos-key-file",
        envvar="SOPHON_ENROLMENT_PHOTOS_KEY_FILE",
        help="The file with the key of encrypted photographs; or the key in SOPHON_ENROLMENT_PHOTOS_KEY.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_store(data_dir: Path, key_file: Path | None = None) -> Store:
    """The store of a box that may be running; with a key, also from the environment, for looking at encrypted pictures.

    Raises SophonError if there is none.
    """
    if not (data_dir / "sophon.db").is_file():
        raise SophonError(
            Code.NOT_FOUND, f"there is no box's data in {data_dir}; give --data-dir or SOPHON_DATA_DIR"
        )
    key = os.environ.get(KEY_VARIABLE)
    photos = photo_keeping("encrypt", key, key_file) if key or key_file else None
    return Store(data_dir, exclusive=False, photos=photos)


def take_store(data_dir: Path, photos: str | None, key_file: Path | None) -> Store:
    """The store of a box that does not run, or a new one; its enrolment photographs are kept as asked for."""
    keeping = None
    if photos is not None:
        if photos not in get_args(PhotoMode):
            raise ConfigError(f"enrolment_photos: must be one of {', '.join(get_args(PhotoMode))}")
        keeping = photo_keeping(cast(PhotoMode, photos), os.environ.get(KEY_VARIABLE), key_file)
    store = Store(data_dir, photos=keeping)
    try:
        store.convert_photos()
    except BaseException:
        store.close()
        raise
    return store


def note_deed(data_dir: Path, what: str, **counts: int) -> None:
    """Let the audit log say that somebody did this at the command line."""
    AuditLog(data_dir).note(f"command line, uid {os.getuid()}", what, counts=counts)


def local_time(milliseconds: int) -> str:
    """A time as people read it, in the machine's time zone."""
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M:%S")


def print_json(value: object) -> None:
    """Print JSON for programs."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")

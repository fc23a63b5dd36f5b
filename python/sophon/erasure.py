"""Proof that a person is gone: every table and every file of the data directory is looked at, not asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sophon.store import Store

# The database breaks a photograph into pages, so short pieces are looked for, each so long that none is found by chance.
PIECE_BYTES = 32
PIECE_STEP = 4000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Trace:
    """Something that is still there: in which table or file, and how much of it."""

    place: str
    what: str


def find_person(store: Store, identity_id: str) -> list[Trace]:
    """Which tables still speak of a person.

    Tombstones are left out: for a while they hold the id, so that no older command brings the person back.
    """
    with store.read() as snapshot:
        return [
            Trace(table, f"{rows} rows") for table, rows in snapshot.mentions(identity_id).items() if rows
        ]


def find_bytes(data_dir: Path, wanted: bytes) -> list[Trace]:
    """Which files of a data directory, the database's free pages included, still hold any piece of these bytes."""
    pieces = list(_pieces(wanted))
    files = (file for file in sorted(data_dir.rglob("*")) if file.is_file() and not file.is_symlink())
    found = ((file, sum(_holds(file, pieces))) for file in files)
    return [
        Trace(str(file.relative_to(data_dir)), f"{count} of {len(pieces)} pieces")
        for file, count in found
        if count
    ]


def _pieces(wanted: bytes) -> Iterator[bytes]:
    if len(wanted) <= PIECE_BYTES:
        yield wanted
        return
    # A photograph's first half may be tables and profiles that others' have too.
    for start in range(len(wanted) // 2, len(wanted) - PIECE_BYTES + 1, PIECE_STEP):
        piece = wanted[start : start + PIECE_BYTES]
        if len(set(piece)) > 8:  # padding and flat colour are in every file
            yield piece


def _holds(file: Path, pieces: Iterable[bytes]) -> list[bool]:
    """For each piece whether the file holds it; it is read in chunks that overlap, so that no piece is cut in two."""
    missing = dict.fromkeys(pieces, False)
    with file.open("rb") as opened:
        tail = b""
        while chunk := opened.read(_CHUNK):
            text = tail + chunk
            for piece, is_found in missing.items():
                if not is_found and piece in text:
                    missing[piece] = True
            tail = text[-PIECE_BYTES:]
    return list(missing.values())

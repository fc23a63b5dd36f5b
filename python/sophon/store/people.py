"""People, with the photograph, embedding and aligned crop each was enrolled by."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from sophon.store.photo_keeping import PhotoKeeping

#: Where images of enrolled people are.
ImageTable = Literal["photos", "crops"]


@dataclass(frozen=True)
class PersonRow:
    """Someone enrolled. ``info`` is the contract's object, custom fields included; ``last_seq`` the command that wrote it."""

    identity_id: str
    info: dict[str, Any]
    register_type: int
    last_seq: int
    enrolled_at: int

    @property
    def name(self) -> str:
        """The person's name; "" if the info holds none."""
        name = self.info.get("name")
        return name if isinstance(name, str) else ""


@dataclass(frozen=True)
class FaceRow:
    """What a person is recognised by.

    The photograph's bytes, the FIQA level it passed, the embedding (float32, (d,)) and the crop it was made from.
    """

    photo: bytes
    photo_sha256: bytes
    level: str
    making_id: str
    embedding: NDArray[np.float32]
    crop: bytes


@dataclass(frozen=True)
class GalleryRow:
    """What the gallery in memory needs of one person."""

    identity_id: str
    embedding: NDArray[np.float32]
    groups: tuple[str, ...]
    permissions: tuple[str, ...]


@dataclass(frozen=True)
class EnrolledFrom:
    """By which photograph, judged at which level, and which making of embeddings a person stands in the store."""

    photo_sha256: bytes
    level: str
    making_id: str


def _about(table: ImageTable, identity_id: str) -> bytes:
    """Whose image it is, and which."""
    return f"{table}/{identity_id}".encode()


_WANTED = """
    (:group IS NULL OR EXISTS (
      SELECT 1 FROM group_members g WHERE g.identity_id = p.identity_id AND group_name = :group
    )) AND (
      :text = '' OR instr(lower(identity_id), lower(:text)) OR instr(lower(info ->> '$.name'), lower(:text))
    )
"""
_GALLERY = """
    SELECT identity_id, vector,
      (SELECT json_group_array(group_name) FROM group_members g WHERE g.identity_id = e.identity_id),
      (SELECT json_group_array(permission_id) FROM person_permissions p WHERE p.identity_id = e.identity_id)
    FROM embeddings e
"""


def _gallery_row(row: tuple[str, bytes, str, str]) -> GalleryRow:
    identity_id, vector, groups, permissions = row
    return GalleryRow(
        identity_id,
        np.frombuffer(vector, dtype="<f4").astype(np.float32),
        tuple(orjson.loads(groups)),
        tuple(orjson.loads(permissions)),
    )


class People:
    """The tables ``people``, ``photos``, ``embeddings``, ``crops`` and ``tombstones``."""

    def __init__(self, connection: sqlite3.Connection, photos: PhotoKeeping) -> None:
        self._connection = connection
        self._photos = photos

    def get(self, identity_id: str) -> PersonRow | None:
        """The person, or None."""
        row = self._connection.execute(
            "SELECT identity_id, info, register_type, last_seq, enrolled_at FROM people WHERE identity_id = ?",
            (identity_id,),
        ).fetchone()
        return PersonRow(row[0], orjson.loads(row[1]), row[2], row[3], row[4]) if row else None

    def page(self, limit: int, skip: int = 0, *, group: str | None = None, text: str = "") -> list[PersonRow]:
        """People by id, only those of a group, or whose id or name contains a text."""
        rows = self._connection.execute(
            f"SELECT identity_id, info, register_type, last_seq, enrolled_at FROM people p WHERE {_WANTED} "
            "ORDER BY identity_id LIMIT :limit OFFSET :skip",
            {"group": group, "text": text, "limit": limit, "skip": skip},
        )
        return [PersonRow(row[0], orjson.loads(row[1]), row[2], row[3], row[4]) for row in rows]

    def put(self, person: PersonRow) -> None:
        """Insert the person, or replace all of its fields; face and groups stay."""
        self._connection.execute(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET info = excluded.info, "
            "register_type = excluded.register_type, last_seq = excluded.last_seq, enrolled_at = excluded.enrolled_at",
            (
                person.identity_id,
                orjson.dumps(person.info).decode(),
                person.register_type,
                person.last_seq,
                person.enrolled_at,
            ),
        )

    def put_face(self, identity_id: str, face: FaceRow) -> None:
        """Set what a person that exists is recognised by."""
        execute = self._connection.execute
        execute(
            "INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)",
            (
                identity_id,
                face.photo_sha256,
                face.level,
                self._photos.to_store(face.photo, _about("photos", identity_id)),
            ),
        )
        execute(
            "INSERT OR REPLACE INTO crops VALUES (?, ?)",
            (identity_id, self._photos.to_store(face.crop, _about("crops", identity_id))),
        )
        self.put_embedding(identity_id, face.making_id, face.embedding)

    def put_embedding(self, identity_id: str, making_id: str, embedding: NDArray[np.float32]) -> None:
        """Set the embedding alone, as when it is made again by another model."""
        self._connection.execute(
            "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)",
            (identity_id, making_id, np.ascontiguousarray(embedding, dtype="<f4").tobytes()),
        )

    def enrolled_from(self, identity_id: str) -> EnrolledFrom | None:
        """By what the person stands here; None if it does not."""
        row = self._connection.execute(
            "SELECT sha256, level, making_id FROM photos JOIN embeddings USING (identity_id) WHERE identity_id = ?",
            (identity_id,),
        ).fetchone()
        return EnrolledFrom(*row) if row else None

    def photo(self, identity_id: str) -> bytes | None:
        """The enrolment photograph's bytes; None if there is no such person, or it was not kept."""
        row = self._connection.execute(
            "SELECT image FROM photos WHERE identity_id = ?", (identity_id,)
        ).fetchone()
        return self._photos.from_store(row[0], _about("photos", identity_id)) if row else None

    def change_form(self, table: ImageTable, after: str, limit: int) -> str | None:
        """Bring the images of ``limit`` people beyond an id into the form they are to be kept in.

        Returns the last one's id, None if that was all.
        """
        rows = self._connection.execute(
            f"SELECT identity_id, image FROM {table} WHERE identity_id > ? ORDER BY identity_id LIMIT ?",
            (after, limit),
        ).fetchall()
        for identity_id, stored in rows:
            if not self._photos.is_its_form(stored):
                about = _about(table, identity_id)
                image = self._photos.from_store(stored, about) if self._photos.mode != "none" else None
                self._connection.execute(
                    f"UPDATE {table} SET image = ? WHERE identity_id = ?",
                    (b"" if image is None else self._photos.to_store(image, about), identity_id),
                )
        return rows[-1][0] if rows else None

    def crops_of_other_makings(self, making_id: str, limit: int) -> list[tuple[str, bytes]]:
        """People whose embedding was not made by ``making_id``, each with the crop to make it again from."""
        rows = self._connection.execute(
            "SELECT identity_id, image FROM embeddings JOIN crops USING (identity_id) WHERE making_id <> ? "
            "AND image <> x'' LIMIT ?",
            (making_id, limit),
        )
        found = [
            (identity_id, self._photos.from_store(stored, _about("crops", identity_id)))
            for identity_id, stored in rows
        ]
        return [(identity_id, image) for identity_id, image in found if image is not None]

    def gallery(self, making_id: str) -> Iterator[GalleryRow]:
        """Everyone whose embedding is of this making, with groups and permission groups."""
        rows = self._connection.execute(f"{_GALLERY} WHERE making_id = ? ORDER BY identity_id", (making_id,))
        return map(_gallery_row, rows)

    def gallery_row(self, making_id: str, identity_id: str) -> GalleryRow | None:
        """One person, if their embedding is of this making."""
        row = self._connection.execute(
            f"{_GALLERY} WHERE identity_id = ? AND making_id = ?", (identity_id, making_id)
        ).fetchone()
        return _gallery_row(row) if row else None

    def count(self) -> int:
        """How many people there are."""
        return int(self._connection.execute("SELECT count(*) FROM people").fetchone()[0])

    def count_in_pages(self, *, group: str | None, text: str) -> int:
        """How many people are on all pages together."""
        row = self._connection.execute(
            f"SELECT count(*) FROM people p WHERE {_WANTED}", {"group": group, "text": text}
        ).fetchone()
        return int(row[0])

    def count_registered_as(self, register_type: int) -> int:
        """How many people were registered as this type: 1 normal, 2 stranger."""
        return int(
            self._connection.execute(
                "SELECT count(*) FROM people WHERE register_type = ?", (register_type,)
            ).fetchone()[0]
        )

    def all_ids(self) -> set[str]:
        """Everybody's id."""
        return {row[0] for row in self._connection.execute("SELECT identity_id FROM people")}

    def delete(self, identity_id: str) -> bool:
        """Remove the person, face and bindings with it; False if there was none."""
        cursor = self._connection.execute("DELETE FROM people WHERE identity_id = ?", (identity_id,))
        return cursor.rowcount > 0

    def clear(self) -> None:
        """Remove everybody."""
        self._connection.execute("DELETE FROM people")

    def bury(self, identity_ids: Iterable[str], seq: int) -> None:
        """Remember that command ``seq`` deleted these, so that no older one brings them back."""
        self._connection.executemany(
            "INSERT INTO tombstones VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
            [(identity_id, seq) for identity_id in identity_ids],
        )

    def last_written(self, identity_id: str) -> int:
        """The newest command that wrote or deleted the person; 0 if none is remembered."""
        row = self._connection.execute(
            "SELECT max(coalesce((SELECT last_seq FROM people WHERE identity_id = :id), 0), "
            "coalesce((SELECT seq FROM tombstones WHERE identity_id = :id), 0))",
            {"id": identity_id},
        ).fetchone()
        return int(row[0])

    def forget_tombstones(self, before: int) -> None:
        """Drop tombstones older than ``before``, the oldest command that may still write."""
        self._connection.execute("DELETE FROM tombstones WHERE seq < ?", (before,))

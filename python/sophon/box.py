"""The box itself: who is enrolled, who is recognised. The store is the truth; the gallery in memory follows its commits."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np

from sophon.calibration import Calibration
from sophon.duplicates import DuplicatePolicy, DuplicateSearch
from sophon.engine import DOMINANT_FACE_RATIO, Face, FaceEngine, FaceQuality, load_photo
from sophon.errors import Code, SophonError
from sophon.gallery import Gallery, Match
from sophon.store import (
    DEFAULT_GROUP,
    WIPED_AT,
    EnrolledFrom,
    FaceRow,
    PersonRow,
    Snapshot,
    Store,
    Transaction,
)

SUPERSEDED = "superseded by a newer command"
# A calibration puts the score 0.5 where its default false match rate is; without one, the usual cosine counts.
CALIBRATED_THRESHOLD = 0.5
UNCALIBRATED_THRESHOLD = 0.35
REGISTERED_AS_STRANGER = 2

#: What goes of a deleted person's events: nothing, the pictures, or the events wholly.
DeletedPersonEvents = Literal["nothing", "pictures", "all"]

_THRESHOLD = "threshold"
_THRESHOLD_RANGE = "threshold_range"
_STRANGER_GROUP = "support_stranger_group"


class QualityError(SophonError):
    """The photograph's face is not good enough; ``failed_items`` says in what."""

    def __init__(self, code: Code, message: str, failed_items: tuple[str, ...]) -> None:
        super().__init__(code, message)
        self.failed_items = failed_items


@dataclass(frozen=True)
class Enrolment:
    """Someone to enrol; ``face`` is None for who stands in the store with this very photograph."""

    identity_id: str
    info: dict[str, Any]
    register_type: int
    permission_ids: tuple[str, ...]
    face: FaceRow | None
    groups: tuple[str, ...] = (DEFAULT_GROUP,)


@dataclass(frozen=True)
class Enrolled:
    """What became of an enrolment: done, or why not; and whose face it is already, if somebody else's."""

    error: SophonError | None = None
    duplicate_of: Match | None = None


@dataclass(frozen=True)
class Recognition:
    """A face in a picture, and who it may be, best first; no match means a stranger."""

    face: Face
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Comparison:
    """The largest face of a picture against a gallery: the best score, 0-1, and the person if it is a match."""

    score: float
    person: PersonRow | None


class Box:
    """Enrols, deletes and recognises people. Thread-safe; every change is part of a transaction of the store."""

    def __init__(
        self,
        store: Store,
        engine: FaceEngine,
        *,
        capacity: int = 50_000,
        match_threshold: float | None = None,
        calibration: Calibration | None = None,
        deleted_person_events: DeletedPersonEvents = "pictures",
        duplicate_faces: DuplicatePolicy = "warn",
    ) -> None:
        self._store = store
        self._deleted_person_events = deleted_person_events
        self._engine = engine
        self._capacity = capacity
        self._gallery = Gallery(engine.dim, engine.making_id)
        self._calibration = calibration
        self._duplicate_faces = duplicate_faces
        self._duplicates = DuplicateSearch(self._gallery, calibration)
        if match_threshold is None:
            match_threshold = UNCALIBRATED_THRESHOLD if calibration is None else CALIBRATED_THRESHOLD
        self._default_threshold = self._match_threshold = match_threshold

    @property
    def engine(self) -> FaceEngine:
        """What finds and judges faces."""
        return self._engine

    @property
    def match_threshold(self) -> float:
        """The event score, 0-1, from which a comparison counts as a match."""
        return self._match_threshold

    def event_score(self, cosine: float) -> float:
        """What events report for a cosine: 0-1, rising. Without a calibration of these models, the cosine itself."""
        if self._calibration is None:
            return min(max(cosine, 0.0), 1.0)
        return self._calibration.event_score(cosine)

    def __len__(self) -> int:
        """How many people can be recognised now."""
        return len(self._gallery)

    def load(self) -> int:
        """Build the gallery from the store, as at every start; whoever is in both is recognised all the while.

        Returns how many people can't be recognised, because other models made their embeddings.
        """
        with self._store.read() as snapshot:
            self._match_threshold = self._threshold_in(snapshot)
            present = set()
            for row in snapshot.people.gallery(self._engine.making_id):
                self._show(row.identity_id, row.embedding, row.groups, row.permissions)
                present.add(row.identity_id)
            self._gallery.keep_only(present)
            return snapshot.people.count() - len(self._gallery)

    def follow(self, transaction: Transaction, identity_ids: Iterable[str]) -> None:
        """Let the gallery and the threshold follow what a restoration made of the store, once that is on disk."""
        transaction.after_commit(partial(self._set_threshold, self._threshold_in(transaction)))
        for identity_id in identity_ids:
            row = transaction.people.gallery_row(self._engine.making_id, identity_id)
            if row is not None:
                transaction.after_commit(
                    partial(self._show, identity_id, row.embedding, row.groups, row.permissions)
                )
            elif identity_id in self._gallery:
                transaction.after_commit(partial(self._hide, identity_id))

    def portrait(self, photo: bytes, level: str) -> FaceRow:
        """Judge an enrolment photograph and make what its person is recognised by.

        Raises SophonError: IMAGE_ERROR, IMAGE_TOO_LARGE, NO_FACE, LOW_QUALITY, FACE_TOO_SMALL or BAD_FEATURE.
        """
        candidates = self._engine.enroll_candidates(load_photo(photo), level, only_checked=True)
        face, quality = _only_face(candidates)
        if quality.fails:
            code = Code.FACE_TOO_SMALL if quality.fails == ("face_size",) else Code.LOW_QUALITY
            failed = ", ".join(quality.fails)
            raise QualityError(code, f"the face fails level {level}: {failed}", tuple(quality.fails))
        return self.face_row(face, photo, level)

    def face_row(self, face: Face, photo: bytes, level: str) -> FaceRow:
        """What a person is recognised by, from a face in a photograph that passed a level.

        Raises SophonError: BAD_FEATURE.
        """
        if not _is_usable(face.embedding, self._engine.dim):
            raise SophonError(Code.BAD_FEATURE, "the model made no usable embedding of this face")
        return FaceRow(
            photo=photo,
            photo_sha256=sha256(photo),
            level=level,
            making_id=self._engine.making_id,
            embedding=face.embedding,
            crop=_encode_crop(face),
        )

    def stands_from(self, identity_id: str, photo: bytes, level: str) -> bool:
        """Whether the person is enrolled with this very photograph, judged alike, by the present models."""
        with self._store.read() as snapshot:
            found = snapshot.people.enrolled_from(identity_id)
        return found is not None and found == EnrolledFrom(sha256(photo), level, self._engine.making_id)

    def enrol(self, transaction: Transaction, seq: int, enrolments: Sequence[Enrolment]) -> list[Enrolled]:
        """Add or overwrite people for command ``seq``, and say of each what became of it.

        A person that a newer command wrote or deleted stays as that one left it. One whose face somebody else has is
        refused or reported, by the box's policy.
        """
        wiped_at = transaction.counters.get(WIPED_AT)
        people = transaction.people.count()
        outcomes: list[Enrolled] = []
        beside: dict[str, np.ndarray[Any, Any]] = {}
        for enrolment in enrolments:
            duplicate = self._duplicate_of(transaction, enrolment, beside)
            known = transaction.people.get(enrolment.identity_id)
            if seq < max(wiped_at, transaction.people.last_written(enrolment.identity_id)):
                outcomes.append(Enrolled(SophonError(Code.BAD_REQUEST, SUPERSEDED)))
            elif known is None and people >= self._capacity:
                full = f"the gallery is full: capacity is {self._capacity}"
                outcomes.append(Enrolled(SophonError(Code.GALLERY_FULL, full)))
            elif known is None and enrolment.face is None:
                outcomes.append(Enrolled(SophonError(Code.BAD_REQUEST, SUPERSEDED)))
            elif duplicate is not None and self._duplicate_faces == "reject":
                problem = SophonError(Code.IDENTITY_EXISTS, duplicate_detail(duplicate))
                outcomes.append(Enrolled(problem, duplicate))
            else:
                people += known is None
                self._put(transaction, seq, enrolment)
                if enrolment.face is not None:
                    beside[enrolment.identity_id] = enrolment.face.embedding
                outcomes.append(Enrolled(duplicate_of=duplicate))
        transaction.counters.add("duplicate_faces", sum(one.duplicate_of is not None for one in outcomes))
        return outcomes

    def delete(self, transaction: Transaction, seq: int, identity_ids: Iterable[str]) -> set[str]:
        """Delete people, face and all, for command ``seq``, and cancel what older enrolments still had to do for them.

        Returns those who were there, or about to be.
        """
        ids = list(identity_ids)
        gone = transaction.batches.underway(ids, before=seq)
        transaction.batches.supersede(gone, before=seq, code=Code.BAD_REQUEST, detail=SUPERSEDED)
        return gone | {identity_id for identity_id in ids if self._delete(transaction, seq, identity_id)}

    def wipe(self, transaction: Transaction, seq: int, *, users: bool, events: bool) -> None:
        """Erase everybody, with galleries, permission groups and older enrolments under way, and/or all events."""
        if users:
            transaction.batches.supersede_all(before=seq, code=Code.BAD_REQUEST, detail=SUPERSEDED)
            transaction.batches.forget_everybody()
            transaction.erasures.clear(seq)
            transaction.people.clear()
            transaction.groups.clear()
            transaction.permissions.clear()
            transaction.counters.set(WIPED_AT, seq)
            transaction.after_commit(self._gallery.clear)
        if events or (users and self._deleted_person_events == "all"):
            transaction.events.clear()
        elif users and self._deleted_person_events == "pictures":
            transaction.events.erase_pictures()

    def name_permissions(self, transaction: Transaction, seq: int, names: Mapping[str, str]) -> None:
        """Name permission groups by id for command ``seq``, making those that are missing."""
        for permission_id, name in names.items():
            transaction.permissions.rename(permission_id, name, seq)

    def bind(self, transaction: Transaction, group: str, identity_ids: Sequence[str]) -> None:
        """Put people into a group that exists."""
        transaction.groups.add_members(group, identity_ids)
        self._follow_bindings(transaction, identity_ids)

    def unbind(self, transaction: Transaction, group: str, identity_ids: Sequence[str]) -> None:
        """Take people out of a group."""
        transaction.groups.remove_members(group, identity_ids)
        self._follow_bindings(transaction, identity_ids)

    def delete_group(self, transaction: Transaction, seq: int, name: str, *, with_people: bool) -> None:
        """Delete a group, and if wanted everybody in it, for command ``seq``. The default group is made again, empty."""
        members = transaction.groups.members(name)
        transaction.groups.delete(name)
        transaction.groups.ensure(DEFAULT_GROUP)
        if with_people:
            self.delete(transaction, seq, members)
        else:
            self._follow_bindings(transaction, members)

    def delete_permission(
        self, transaction: Transaction, seq: int, permission_id: str, *, with_people: bool
    ) -> None:
        """Delete a permission group, and if wanted everybody who has it, for command ``seq``."""
        members = transaction.permissions.members(permission_id)
        if with_people:
            self.delete(transaction, seq, members)
        else:
            for person in filter(None, map(transaction.people.get, members)):
                left = [one for one in person.info.get("permission_ids", []) if one != permission_id]
                transaction.people.put(replace(person, info={**person.info, "permission_ids": left}))
        transaction.permissions.delete(permission_id)
        self._follow_bindings(transaction, members)

    def configure(
        self,
        transaction: Transaction,
        *,
        threshold: float | None = None,
        threshold_range: Sequence[float] | None = None,
        support_stranger_group: bool | None = None,
    ) -> None:
        """Change the matching; thresholds are scores × 100. None leaves a setting as it is."""
        if threshold is not None:
            transaction.settings.set(_THRESHOLD, threshold)
            transaction.after_commit(lambda: self._set_threshold(threshold / 100))
        if threshold_range is not None:
            transaction.settings.set(_THRESHOLD_RANGE, list(threshold_range))
        if support_stranger_group is not None:
            transaction.settings.set(_STRANGER_GROUP, support_stranger_group)

    def recognise(
        self,
        image: bytes,
        *,
        k: int = 1,
        threshold: float | None = None,
        groups: Sequence[str] | None = None,
        permissions: Sequence[str] | None = None,
    ) -> list[Recognition]:
        """Find every face in a picture and who it may be, largest face first; ``threshold`` is the box's own by default."""
        faces = self._engine.analyze(load_photo(image))
        return [
            Recognition(
                face,
                tuple(
                    self._gallery.search(
                        face.embedding,
                        k,
                        threshold=self.least_cosine if threshold is None else threshold,
                        groups=groups,
                        permissions=permissions,
                    )
                ),
            )
            for face in faces
        ]

    def compare(
        self,
        image: bytes,
        *,
        group: str = DEFAULT_GROUP,
        permission: str | None = None,
        min_face_size: float = 0,
    ) -> Comparison:
        """Compare the largest face of a picture with a group, and only with who has a permission group (id or name).

        Raises SophonError: as `load_photo`; NO_FACE; FOG_NOT_FOUND for an unknown group or permission group;
        EMPTY_GROUP if nobody is in the group.
        """
        with self._store.read() as snapshot:
            if group not in {known.name for known in snapshot.groups.all()}:
                raise SophonError(Code.FOG_NOT_FOUND, f"group_name: there is no group {group!r}")
            permissions = None
            if permission is not None:
                permissions = [
                    known.permission_id
                    for known in snapshot.permissions.all()
                    if permission in (known.permission_id, known.name)
                ]
                if not permissions:
                    raise SophonError(
                        Code.FOG_NOT_FOUND, f"permission_name: there is no permission group {permission!r}"
                    )
        faces = [
            face for face in self._engine.analyze(load_photo(image)) if _shorter_side(face) >= min_face_size
        ]
        if not faces:
            raise SophonError(Code.NO_FACE, "no face in the picture")
        best = self._gallery.search(
            faces[0].embedding, 1, threshold=-1, groups=[group], permissions=permissions
        )
        if not best:
            if permissions is None:
                raise SophonError(Code.EMPTY_GROUP, f"group_name: nobody is in group {group!r}")
            return Comparison(0.0, None)
        score = self.event_score(best[0].score)
        if score < self._match_threshold:
            return Comparison(score, None)
        with self._store.read() as snapshot:
            return Comparison(score, snapshot.people.get(best[0].identity_id))

    def search(
        self, face: Face, *, group: str, permissions: Sequence[str] | None = None, k: int = 2
    ) -> list[Match]:
        """The people of a group, and of the permission groups if given, who are most like a face; cosines, best first."""
        return self._gallery.search(
            face.embedding, k, threshold=-1.0, groups=[group], permissions=permissions
        )

    @property
    def least_cosine(self) -> float:
        """The cosine from which a comparison counts as a match."""
        if self._calibration is None:
            return self._match_threshold
        return self._calibration.cosine_of(self._match_threshold)

    @property
    def capacity(self) -> int:
        """How many people fit."""
        return self._capacity

    def person(self, identity_id: str) -> PersonRow | None:
        """Someone enrolled, or None."""
        with self._store.read() as snapshot:
            return snapshot.people.get(identity_id)

    def photo(self, identity_id: str) -> bytes | None:
        """The photograph a person was enrolled by."""
        with self._store.read() as snapshot:
            return snapshot.people.photo(identity_id)

    def assess(self, image: bytes, level: str) -> list[FaceQuality]:
        """Judge every face in a picture, largest first.

        Raises SophonError: IMAGE_ERROR, IMAGE_TOO_LARGE, or NO_FACE if there is none.
        """
        qualities = self._engine.assess(load_photo(image), level)
        if not qualities:
            raise SophonError(Code.NO_FACE, "no face in the photo")
        return qualities

    def _duplicate_of(
        self,
        transaction: Transaction,
        enrolment: Enrolment,
        beside: Mapping[str, np.ndarray[Any, Any]],
    ) -> Match | None:
        if (
            self._duplicate_faces == "allow"
            or enrolment.face is None
            or enrolment.register_type == REGISTERED_AS_STRANGER
        ):
            return None

        def is_no_stranger(identity_id: str) -> bool:
            person = transaction.people.get(identity_id)
            return person is not None and person.register_type != REGISTERED_AS_STRANGER

        return self._duplicates.find(
            enrolment.identity_id, enrolment.face.embedding, beside, counts=is_no_stranger
        )

    def _put(self, transaction: Transaction, seq: int, enrolment: Enrolment) -> None:
        identity_id = enrolment.identity_id
        transaction.erasures.forget(identity_id)
        transaction.people.put(
            PersonRow(identity_id, enrolment.info, enrolment.register_type, seq, time.time_ns() // 1_000_000)
        )
        for group in enrolment.groups:
            transaction.groups.ensure(group)
            transaction.groups.add_members(group, [identity_id])
        transaction.permissions.set_of_person(identity_id, enrolment.permission_ids)
        groups = tuple(transaction.groups.of_person(identity_id))
        face = enrolment.face
        if face is None:
            self._follow_bindings(transaction, [identity_id])
            return
        transaction.people.put_face(identity_id, face)
        transaction.after_commit(
            partial(self._show, identity_id, face.embedding, groups, enrolment.permission_ids)
        )

    def _follow_bindings(self, transaction: Transaction, identity_ids: Iterable[str]) -> None:
        """Let the gallery follow what groups and permission groups people have at the end of the transaction."""
        for identity_id in identity_ids:
            groups = tuple(transaction.groups.of_person(identity_id))
            permissions = tuple(transaction.permissions.of_person(identity_id))
            transaction.after_commit(partial(self._rebind, identity_id, groups, permissions))

    def _rebind(self, identity_id: str, groups: tuple[str, ...], permissions: tuple[str, ...]) -> None:
        if identity_id in self._gallery:  # not so who was enrolled by other models
            self._gallery.set_groups(identity_id, groups)
            self._gallery.set_permissions(identity_id, permissions)

    def _show(
        self,
        identity_id: str,
        embedding: np.ndarray[Any, Any],
        groups: tuple[str, ...],
        permissions: tuple[str, ...],
    ) -> None:
        put = self._gallery.replace if identity_id in self._gallery else self._gallery.add
        put(identity_id, embedding, groups, permissions)

    def _delete(self, transaction: Transaction, seq: int, identity_id: str) -> bool:
        if seq < transaction.people.last_written(identity_id):
            return False
        transaction.people.bury([identity_id], seq)
        transaction.batches.forget_person(identity_id)
        transaction.erasures.note(identity_id, seq)
        deleted = transaction.people.delete(identity_id)
        if deleted:
            if self._deleted_person_events == "all":
                transaction.events.erase_person(identity_id)
            elif self._deleted_person_events == "pictures":
                transaction.events.erase_pictures(identity_id)
            transaction.after_commit(lambda: self._hide(identity_id))
        return deleted

    def _hide(self, identity_id: str) -> None:
        self._gallery.remove(identity_id)

    def _threshold_in(self, snapshot: Snapshot) -> float:
        threshold = snapshot.settings.get(_THRESHOLD)
        return self._default_threshold if threshold is None else float(threshold) / 100

    def _set_threshold(self, threshold: float) -> None:
        self._match_threshold = threshold


def duplicate_detail(duplicate: Match) -> str:
    """What an answer says of a face that somebody else has."""
    return f"duplicate_of: {duplicate.identity_id}, whose face matches with cosine {duplicate.score:.2f}"


def sha256(photo: bytes) -> bytes:
    """What tells photographs apart."""
    return hashlib.sha256(photo).digest()


def _only_face(candidates: Sequence[tuple[Face, FaceQuality]]) -> tuple[Face, FaceQuality]:
    if not candidates:
        raise SophonError(Code.NO_FACE, "no face in the photo")
    ordered = sorted(candidates, key=lambda candidate: -candidate[0].area)
    if len(ordered) > 1 and ordered[0][0].area < DOMINANT_FACE_RATIO * ordered[1][0].area:
        raise QualityError(
            Code.LOW_QUALITY,
            f"multiple_faces: {len(ordered)} faces, and the largest is not twice the next",
            ("multiple_faces",),
        )
    return ordered[0]


def _shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.bbox
    return float(min(x2 - x1, y2 - y1))


def _is_usable(embedding: np.ndarray[Any, Any], dim: int) -> bool:
    return (
        embedding.shape == (dim,)
        and bool(np.isfinite(embedding).all())
        and abs(float(np.linalg.norm(embedding)) - 1.0) < 1e-3
    )


def _encode_crop(face: Face) -> bytes:
    # A PNG takes 80 times as long, a sixtieth of an enrolment, to be a quarter smaller.
    encoded, data = cv2.imencode(".bmp", face.aligned)
    if not encoded:
        raise SophonError(Code.SERVER_PROCESS_FAILED, "the aligned face can't be encoded")
    return bytes(data)

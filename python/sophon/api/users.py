"""/SophonFogSys/api/users: people, enrolled through the same door of the box as those whom commands bring."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ValidationError

from sophon.api.answers import JsonResponse, answer, parameter_error
from sophon.api.bodies import reads
from sophon.api.groups import REMOVED, known_group
from sophon.api.permissions import known_permission
from sophon.api.services import Here, Services
from sophon.box import Enrolment, sha256
from sophon.contract import PersonInfo, decode_photo, encode_photo
from sophon.contract.people import DEFAULT_PERMISSION_IDS
from sophon.contract.rest import (
    Data,
    User,
    UserChange,
    UserChanged,
    UserCreated,
    UserDeleted,
    UserDeletion,
    UserInfo,
    UserRequest,
    UsersList,
)
from sophon.errors import Code, SophonError
from sophon.store import FaceRow, PersonRow, Snapshot, Transaction

MAX_PAGE = 1000
NORMAL_PERSON, STRANGER = 1, 2
STRANGER_TYPE = 4

router = APIRouter(prefix="/SophonFogSys/api", tags=["SophonFogSys"])


@router.post("/users", response_model=Data[UserCreated])
async def create_user(here: Here, body: Annotated[UserRequest, reads(UserRequest)]) -> JsonResponse:
    """Enrol someone by a photograph."""
    return await here.analyses.run(_create, here, body)


@router.get("/users", response_model=Data[UsersList])
def list_users(
    here: Here,
    identity_id: Annotated[str | None, Query(max_length=64)] = None,
    group_name: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 10,
    skip_num: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> JsonResponse:
    """Return one person, a gallery's people, or everybody, by id; `skip_num` counts people."""
    with here.store.read() as snapshot:
        if identity_id is not None:
            people = [known_person(snapshot, identity_id)]
        else:
            if group_name is not None:
                known_group(snapshot, group_name)
            people = snapshot.people.page(limit, skip_num, group=group_name)
        users = [_user(snapshot, person) for person in people]
    return answer(UsersList(identities_list=users))


@router.put("/users", response_model=Data[UserChanged])
async def change_user(here: Here, body: Annotated[UserChange, reads(UserChange)]) -> JsonResponse:
    """Change someone's photograph, or fields of their `info`; what is left out stays."""
    return await here.analyses.run(_change, here, body)


@router.delete("/users", response_model=Data[UserDeleted])
def delete_user(here: Here, body: Annotated[UserDeletion, reads(UserDeletion)]) -> JsonResponse:
    """Delete someone: photograph, crop, embedding and bindings."""
    groups = erase(here, body.identity_id)
    return answer(UserDeleted(identity_id=body.identity_id, group_name=groups, message=REMOVED))


def erase(here: Services, identity_id: str) -> list[str]:
    """Delete someone from the disk and the gallery; the groups they were in. Raises SophonError ID_NOT_FOUND."""
    with here.store.write() as transaction:
        groups = transaction.groups.of_person(identity_id)
        # Someone whom an older command is about to enrol is deleted too.
        if not here.box.delete(transaction, transaction.inbox.next_seq(), [identity_id]):
            raise unknown_person(identity_id)
    here.store.scrub()
    return groups


def known_person(snapshot: Snapshot, identity_id: str) -> PersonRow:
    """The person. Raises SophonError ID_NOT_FOUND."""
    person = snapshot.people.get(identity_id)
    if person is None:
        raise unknown_person(identity_id)
    return person


def unknown_person(identity_id: str) -> SophonError:
    """What is said of an id that nobody has."""
    return SophonError(Code.ID_NOT_FOUND, f"identity_id: there is nobody with the id {identity_id[:64]!r}")


def person_info(person: PersonRow, image_id: str) -> UserInfo:
    """A person's `info` with the ids that the box gave."""
    return UserInfo.model_validate(
        {
            "description": "",
            **person.info,
            "user_id": hashlib.sha256(person.identity_id.encode()).hexdigest()[:32],
            "image_id": image_id,
        }
    )


def _create(here: Services, body: UserRequest) -> JsonResponse:
    photo = decode_photo(body.reg_photo)
    with here.store.read() as snapshot:  # before the engine works for nothing
        _check_new(snapshot, body)
    face = _face(here, body.identity_id, photo, body.fiqa_level)
    with here.store.write() as transaction:
        _check_new(transaction, body)
        permission_ids = _permission_ids(
            transaction, body.info.permission_ids, body.create_no_exit_permission
        )
        enrolment = Enrolment(
            identity_id=body.identity_id,
            info={**body.info.model_dump(mode="json"), "permission_ids": list(permission_ids)},
            register_type=STRANGER if body.info.type == STRANGER_TYPE else NORMAL_PERSON,
            permission_ids=permission_ids,
            face=face,
            groups=tuple(body.group_name),
        )
        person = _enrol(here, transaction, enrolment)
    return answer(
        UserCreated(
            identity_id=body.identity_id,
            reg_photo=encode_photo(photo),
            group_name=",".join(body.group_name),
            info=person_info(person, sha256(photo).hex()),
        )
    )


def _change(here: Services, body: UserChange) -> JsonResponse:
    photo = None if body.reg_photo is None else decode_photo(body.reg_photo)
    with here.store.read() as snapshot:
        known_person(snapshot, body.identity_id)
    face = None if photo is None else _face(here, body.identity_id, photo, "no")
    with here.store.write() as transaction:
        known = known_person(transaction, body.identity_id)
        info = _merged(known, body.info or {})
        permission_ids = _permission_ids(transaction, info.permission_ids, create=False)
        groups = transaction.groups.of_person(body.identity_id)
        enrolment = Enrolment(
            identity_id=body.identity_id,
            info={**info.model_dump(mode="json"), "permission_ids": list(permission_ids)},
            register_type=known.register_type,
            permission_ids=permission_ids,
            face=face,
            groups=(),
        )
        person = _enrol(here, transaction, enrolment)
        image_id = _image_id(transaction, body.identity_id)
    return answer(
        UserChanged(
            identity_id=body.identity_id,
            image_id=image_id,
            group_name=groups,
            info=person_info(person, image_id),
        )
    )


def _face(here: Services, identity_id: str, photo: bytes, level: str) -> FaceRow | None:
    """What the person is to be recognised by; None if they stand in the store with this very photograph."""
    if here.box.stands_from(identity_id, photo, level):
        return None
    return here.box.portrait(photo, level)


def _enrol(here: Services, transaction: Transaction, enrolment: Enrolment) -> PersonRow:
    [outcome] = here.box.enrol(transaction, transaction.inbox.next_seq(), [enrolment])
    if outcome.error is not None:
        raise outcome.error
    return known_person(transaction, enrolment.identity_id)


def _check_new(snapshot: Snapshot, body: UserRequest) -> None:
    if not body.ignore_exist and snapshot.people.get(body.identity_id) is not None:
        raise SophonError(
            Code.IDENTITY_EXISTS,
            f"identity_id: {body.identity_id!r} is enrolled already; send ignore_exist true to overwrite",
        )
    for group in body.group_name:
        known_group(snapshot, group)
    if not body.create_no_exit_permission:
        for permission in _given(body.info.permission_ids):
            known_permission(snapshot, permission)


def _permission_ids(snapshot: Snapshot, given: Iterable[str], create: bool) -> tuple[str, ...]:
    """Ids for ids or names. Raises SophonError FOG_NOT_FOUND for an unknown one, unless it may be created."""
    found = []
    for one in dict.fromkeys(given):
        known = snapshot.permissions.find(one)
        if known is None and not create:
            known = None if one in DEFAULT_PERMISSION_IDS else known_permission(snapshot, one)
        found.append(one if known is None else known.permission_id)
    return tuple(dict.fromkeys(found))


def _given(permission_ids: Iterable[str]) -> list[str]:
    return [one for one in permission_ids if one not in DEFAULT_PERMISSION_IDS]


def _merged(person: PersonRow, changes: dict[str, Any]) -> PersonInfo:
    try:
        return PersonInfo.model_validate({**person.info, **changes})
    except ValidationError as error:
        raise parameter_error(error) from None


def _user(snapshot: Snapshot, person: PersonRow) -> User:
    photo = snapshot.people.photo(person.identity_id)
    return User(
        identity_id=person.identity_id,
        reg_photo="" if photo is None else encode_photo(photo),
        group_name=snapshot.groups.of_person(person.identity_id),
        info=person_info(person, _image_id(snapshot, person.identity_id)),
    )


def _image_id(snapshot: Snapshot, identity_id: str) -> str:
    enrolled = snapshot.people.enrolled_from(identity_id)
    return "" if enrolled is None else enrolled.photo_sha256.hex()

"""/SophonFogSys/api/groups and /GroupUsers: face galleries, and who is in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here
from sophon.contract.rest import (
    Data,
    GroupDeleted,
    GroupDeletion,
    GroupRequest,
    GroupsList,
    GroupUsers,
    GroupUsersRequest,
    NamedInfo,
    NamedOne,
)
from sophon.errors import Code, SophonError
from sophon.store import Group, Snapshot

PEOPLE_TOO = "delete the group info and the user in the group"
PEOPLE_STAY = "just delete the group info,the user already exists"
ADDED = "have add to group success"
REMOVED = "have remove from group success"

router = APIRouter(prefix="/SophonFogSys/api", tags=["SophonFogSys"])


@router.post("/groups", response_model=Data[NamedOne])
def create_group(here: Here, body: Annotated[GroupRequest, reads(GroupRequest)]) -> JsonResponse:
    """Create a gallery."""
    group = Group(body.group_name, body.description, body.info or {})
    with here.store.write() as transaction:
        if transaction.groups.get(group.name) is not None:
            raise SophonError(Code.GROUP_NAME_ERROR, f"group_name: there is a group {group.name!r} already")
        transaction.groups.put(group)
    return answer(NamedOne(info=_info(group)))


@router.get("/groups", response_model=Data[GroupsList])
def list_groups(here: Here, group_name: Annotated[str | None, Query()] = None) -> JsonResponse:
    """Return one gallery, or all."""
    with here.store.read() as snapshot:
        found = snapshot.groups.all() if group_name is None else [known_group(snapshot, group_name)]
    return answer(GroupsList(groups_list=[_info(group) for group in found]))


@router.put("/groups", response_model=Data[NamedOne])
def change_group(here: Here, body: Annotated[GroupRequest, reads(GroupRequest)]) -> JsonResponse:
    """Change what is said about a gallery."""
    with here.store.write() as transaction:
        known = known_group(transaction, body.group_name)
        group = Group(known.name, body.description, known.info if body.info is None else body.info)
        transaction.groups.put(group)
    return answer(NamedOne(info=_info(group)))


@router.delete("/groups", response_model=Data[GroupDeleted])
def delete_group(here: Here, body: Annotated[GroupDeletion, reads(GroupDeletion)]) -> JsonResponse:
    """Delete a gallery; its people stay unless they are to go too. `default_group` is made again, empty."""
    with here.store.write() as transaction:
        known_group(transaction, body.group_name)
        here.box.delete_group(
            transaction,
            transaction.inbox.next_seq(),
            body.group_name,
            with_people=body.user_recursive_delete,
        )
    if body.user_recursive_delete:
        here.store.scrub()
    message = PEOPLE_TOO if body.user_recursive_delete else PEOPLE_STAY
    return answer(GroupDeleted(group_name=body.group_name, message=message))


@router.put("/GroupUsers", response_model=Data[GroupUsers])
def add_group_users(here: Here, body: Annotated[GroupUsersRequest, reads(GroupUsersRequest)]) -> JsonResponse:
    """Put people into a gallery."""
    with here.store.write() as transaction:
        known_group(transaction, body.group_name)
        _check_people(transaction, body.identity_id)
        here.box.bind(transaction, body.group_name, body.identity_id)
        members = transaction.groups.members(body.group_name)
    return answer(_members(body, members, ADDED))


@router.delete("/GroupUsers", response_model=Data[GroupUsers])
def remove_group_users(
    here: Here, body: Annotated[GroupUsersRequest, reads(GroupUsersRequest)]
) -> JsonResponse:
    """Take people out of a gallery; they stay enrolled."""
    with here.store.write() as transaction:
        known_group(transaction, body.group_name)
        _check_people(transaction, body.identity_id)
        here.box.unbind(transaction, body.group_name, body.identity_id)
        members = transaction.groups.members(body.group_name)
    return answer(_members(body, members, REMOVED))


def known_group(snapshot: Snapshot, name: str) -> Group:
    """The gallery. Raises SophonError FOG_NOT_FOUND."""
    group = snapshot.groups.get(name)
    if group is None:
        raise SophonError(Code.FOG_NOT_FOUND, f"group_name: there is no group {name!r}")
    return group


def _check_people(snapshot: Snapshot, identity_ids: Iterable[str]) -> None:
    for identity_id in identity_ids:
        if snapshot.people.get(identity_id) is None:
            raise SophonError(Code.ID_NOT_FOUND, f"identity_id: there is nobody with the id {identity_id!r}")


def _members(body: GroupUsersRequest, members: list[str], message: str) -> GroupUsers:
    listed = {"identity_id": members} if body.with_identity_id else {}
    return GroupUsers(group_name=body.group_name, message=message, **listed)


def _info(group: Group) -> NamedInfo:
    return NamedInfo.model_validate({**group.info, "name": group.name, "description": group.description})

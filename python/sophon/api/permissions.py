"""/SophonFogSys/api/permissions: permission groups. One made here has its name as its id; calls accept either."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here
from sophon.contract.rest import (
    Data,
    NamedInfo,
    NamedOne,
    PermissionDeleted,
    PermissionDeletion,
    PermissionRequest,
    PermissionsList,
)
from sophon.errors import Code, SophonError
from sophon.store import PermissionGroup, Snapshot

PEOPLE_TOO = "delete the permission info and the user in the permission"
PEOPLE_STAY = "just delete the permission info,the user already exists"

router = APIRouter(prefix="/SophonFogSys/api", tags=["SophonFogSys"])


@router.post("/permissions", response_model=Data[NamedOne])
def create_permission(
    here: Here, body: Annotated[PermissionRequest, reads(PermissionRequest)]
) -> JsonResponse:
    """Create a permission group."""
    name = body.permission_name
    group = PermissionGroup(name, name, body.description, body.info or {})
    with here.store.write() as transaction:
        if transaction.permissions.find(name) is not None:
            raise SophonError(
                Code.GROUP_NAME_ERROR, f"permission_name: there is a permission group {name!r} already"
            )
        transaction.permissions.put(group, transaction.inbox.next_seq())
    return answer(NamedOne(info=_info(group)))


@router.get("/permissions", response_model=Data[PermissionsList])
def list_permissions(here: Here, permission_name: Annotated[str | None, Query()] = None) -> JsonResponse:
    """Return one permission group, or all."""
    with here.store.read() as snapshot:
        found = (
            snapshot.permissions.all()
            if permission_name is None
            else [known_permission(snapshot, permission_name)]
        )
    return answer(PermissionsList(permissions_list=[_info(group) for group in found]))


@router.put("/permissions", response_model=Data[NamedOne])
def change_permission(
    here: Here, body: Annotated[PermissionRequest, reads(PermissionRequest)]
) -> JsonResponse:
    """Change what is said about a permission group."""
    with here.store.write() as transaction:
        known = known_permission(transaction, body.permission_name)
        info = known.info if body.info is None else body.info
        group = PermissionGroup(known.permission_id, known.name, body.description, info)
        transaction.permissions.put(group, transaction.inbox.next_seq())
    return answer(NamedOne(info=_info(group)))


@router.delete("/permissions", response_model=Data[PermissionDeleted])
def delete_permission(
    here: Here, body: Annotated[PermissionDeletion, reads(PermissionDeletion)]
) -> JsonResponse:
    """Delete a permission group; its people stay, without it, unless they are to go too."""
    with here.store.write() as transaction:
        known = known_permission(transaction, body.permission_name)
        here.box.delete_permission(
            transaction,
            transaction.inbox.next_seq(),
            known.permission_id,
            with_people=body.user_recursive_delete,
        )
    if body.user_recursive_delete:
        here.store.scrub()
    message = PEOPLE_TOO if body.user_recursive_delete else PEOPLE_STAY
    return answer(
        PermissionDeleted(
            permission_name=body.permission_name, group_name=body.permission_name, message=message
        )
    )


def known_permission(snapshot: Snapshot, id_or_name: str) -> PermissionGroup:
    """The permission group. Raises SophonError FOG_NOT_FOUND."""
    group = snapshot.permissions.find(id_or_name)
    if group is None:
        raise SophonError(Code.FOG_NOT_FOUND, f"permission_name: there is no permission group {id_or_name!r}")
    return group


def _info(group: PermissionGroup) -> NamedInfo:
    return NamedInfo.model_validate({**group.info, "name": group.name, "description": group.description})

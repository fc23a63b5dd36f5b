"""/api/v1/backup and restore: the box as one file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sophon.api.answers import JsonResponse, answer
from sophon.api.services import Here, Services
from sophon.backups import Restoration, make_backup
from sophon.contract.rest import Data
from sophon.contract.v1 import RestoredOut
from sophon.errors import Code, SophonError
from sophon.store import BackupWriter

MEDIA_TYPE = "application/octet-stream"
_FILE = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}

router = APIRouter(prefix="/api/v1", tags=["v1"])


class _BackupResponse(StreamingResponse):
    """Sends a backup, and lets it go whether or not the caller stays to the end."""

    def __init__(self, here: Services, backup: BackupWriter) -> None:
        self._held = ExitStack()
        self._held.callback(here.backup_turn.release)
        self._held.callback(backup.close)
        headers = {
            "Content-Length": str(backup.size),
            "Content-Disposition": 'attachment; filename="sophon.backup"',
            "Cache-Control": "no-store",
        }
        super().__init__(self._pieces(backup.chunks()), media_type=MEDIA_TYPE, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)

    async def _pieces(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece = await anyio.to_thread.run_sync(next, chunks, b"")
        while piece:
            following = await anyio.to_thread.run_sync(next, chunks, b"")
            if not following:
                self._held.close()  # before the last piece: whoever has the whole backup may ask for the next one
            yield piece
            piece = following


@router.get(
    "/backup",
    response_class=StreamingResponse,
    responses={200: {"description": "The backup.", **_FILE}},
)
async def backup(here: Here) -> StreamingResponse:
    """Send everything the box knows as one file, for administrators; it holds faces and names."""
    _take_turn(here)
    try:
        made = await anyio.to_thread.run_sync(make_backup, here.store, here.store.scratch)
    except BaseException:
        here.backup_turn.release()
        raise
    return _BackupResponse(here, made)


@router.post(
    "/restore", response_model=Data[RestoredOut], openapi_extra={"requestBody": {"required": True, **_FILE}}
)
async def restore(
    here: Here, request: Request, with_deleted: Annotated[bool, Query()] = False
) -> JsonResponse:
    """Put a backup's people, groups, devices and settings in the place of the box's, wholly or not at all.

    Whoever was deleted after the backup was made stays out unless `with_deleted` says otherwise.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise SophonError(Code.FOG_CONTENT_TYPE_ERROR, f"Content-Type must be {MEDIA_TYPE}")
    _take_turn(here)
    try:
        with Restoration(here.store) as restoration:
            async for chunk in request.stream():
                await anyio.to_thread.run_sync(restoration.feed, chunk)
            restored = await anyio.to_thread.run_sync(
                lambda: restoration.put_in_place(with_deleted=with_deleted, follow=here.box.follow)
            )
    finally:
        here.backup_turn.release()
    return answer(
        RestoredOut(
            people=restored.people,
            left_out=restored.left_out,
            events=restored.events,
            recognisable=len(here.box),
        )
    )


def _take_turn(here: Services) -> None:
    if not here.backup_turn.acquire(blocking=False):
        raise SophonError(Code.SERVICE_BUSY, "a backup or a restoration is under way; try again later")

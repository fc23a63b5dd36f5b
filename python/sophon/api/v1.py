"""/api/v1: what a modern client expects and the contract lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

import anyio.to_thread
import orjson
from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here, Services
from sophon.api.users import erase, known_person
from sophon.contract import decode_photo
from sophon.contract.ids import MAX_ID_CHARACTERS
from sophon.contract.rest import Data
from sophon.contract.v1 import (
    CompareCall,
    Compared,
    DeviceOut,
    EventOut,
    EventsPage,
    FoundFace,
    FoundPerson,
    ModelOut,
    PeoplePage,
    PersonOut,
    SearchCall,
)
from sophon.errors import Code, SophonError
from sophon.status import StatusReport
from sophon.store import EventRow, PersonRow, Snapshot

MAX_PAGE = 1000
STREAM_PAUSE_S = 0.5
MAX_INTEGER = 2**62

router = APIRouter(prefix="/api/v1", tags=["v1"])
IdInPath = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARACTERS)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Position = Annotated[int, Query(ge=0, le=MAX_INTEGER)]


@router.get("/status", response_model=Data[StatusReport])
def status(here: Here) -> JsonResponse:
    """Return how the box is: its lines, what waits, what was done last, counters, warnings."""
    return JsonResponse({"data": here.station.report().model_dump(mode="json")})


@router.get("/people", response_model=Data[PeoplePage])
def list_people(
    here: Here,
    search: Annotated[str, Query(max_length=256)] = "",
    group: Annotated[str | None, Query()] = None,
    limit: Limit = 100,
    skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> JsonResponse:
    """Return people by id: those of a group, or whose id or name holds a text."""
    with here.store.read() as snapshot:
        found = snapshot.people.page(limit, skip, group=group, text=search)
        people = [_person(snapshot, person) for person in found]
        return answer(
            PeoplePage(total=snapshot.people.count_in_pages(group=group, text=search), people=people)
        )


@router.get("/people/{identity_id:path}", response_model=Data[PersonOut])
def get_person(here: Here, identity_id: IdInPath) -> JsonResponse:
    """Return one person."""
    with here.store.read() as snapshot:
        return answer(_person(snapshot, known_person(snapshot, identity_id)))


@router.delete("/people/{identity_id:path}", response_model=Data[PersonOut])
def delete_person(here: Here, identity_id: IdInPath) -> JsonResponse:
    """Delete one person: photograph, crop, embedding and bindings; return who it was."""
    with here.store.read() as snapshot:
        person = _person(snapshot, known_person(snapshot, identity_id))
    erase(here, identity_id)
    return answer(person)


@router.get("/events", response_model=Data[EventsPage])
def list_events(
    here: Here,
    after: Position = 0,
    limit: Limit = 100,
    since: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    until: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
) -> JsonResponse:
    """Return events after an id, oldest first; of a time only, in ms since the epoch, `until` not included."""
    with here.store.read() as snapshot:
        rows = snapshot.events.after(after, limit, since=since, until=until)
    events = [_event(row) for row in rows]
    return answer(EventsPage(last_id=events[-1].id if events else after, events=events))


@router.get("/events/stream", response_class=StreamingResponse)
async def stream_events(
    here: Here, after: Position = 0, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """Send events after an id, and then new ones as they happen, as server-sent events."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = min(int(last_event_id[:18]), MAX_INTEGER)
    return StreamingResponse(_stream(here, after), media_type="text/event-stream")


@router.get("/devices", response_model=Data[list[DeviceOut]])
def list_devices(here: Here) -> JsonResponse:
    """Return the configured sub-devices."""
    with here.store.read() as snapshot:
        return answer([DeviceOut.model_validate(asdict(device)) for device in snapshot.devices.all()])


@router.get("/models", response_model=Data[list[ModelOut]])
def list_models(here: Here) -> JsonResponse:
    """Return the installed models."""
    return answer(
        [
            ModelOut(
                role=model.role.value,
                name=model.name,
                sha256=model.sha256,
                size=model.size,
                licence=str(model.licence),
            )
            for model in here.models.models
        ]
    )


@router.post("/search", response_model=Data[list[FoundFace]])
async def search(here: Here, body: Annotated[SearchCall, reads(SearchCall, forms=False)]) -> JsonResponse:
    """Find every face in a picture and who it may be (1:N), largest face first."""
    return await here.analyses.run(_search, here, body)


@router.post("/compare", response_model=Data[Compared])
async def compare(here: Here, body: Annotated[CompareCall, reads(CompareCall, forms=False)]) -> JsonResponse:
    """Compare the largest faces of two pictures (1:1)."""
    return await here.analyses.run(_compare, here, body)


def _search(here: Services, body: SearchCall) -> JsonResponse:
    found = here.box.recognise(decode_photo(body.image_base64), k=body.k, groups=body.groups)
    names = {}
    with here.store.read() as snapshot:
        for one in {match.identity_id for recognition in found for match in recognition.matches}:
            person = snapshot.people.get(one)
            names[one] = person.name if person is not None else ""
    return answer(
        [
            FoundFace(
                bbox=[round(float(edge)) for edge in recognition.face.bbox],
                quality=round(recognition.face.quality, 4),
                people=[
                    FoundPerson(
                        identity_id=match.identity_id,
                        name=names[match.identity_id],
                        score=round(here.box.event_score(match.score), 4),
                    )
                    for match in recognition.matches
                ],
            )
            for recognition in found
        ]
    )


def _compare(here: Services, body: CompareCall) -> JsonResponse:
    embeddings = []
    for field, image in (("image_a", body.image_a_base64), ("image_b", body.image_b_base64)):
        faces = here.box.engine.analyze(decode_photo(image))
        if not faces:
            raise SophonError(Code.NO_FACE, f"{field}_base64: no face in the picture")
        embeddings.append(faces[0].embedding)
    score = here.box.event_score(float(embeddings[0] @ embeddings[1]))
    return answer(Compared(score=round(score, 4), is_match=score >= here.box.match_threshold))


async def _stream(here: Services, after: int) -> AsyncIterator[bytes]:
    while True:
        events = await anyio.to_thread.run_sync(_events_after, here, after)
        for event in events:
            after = event.id
            yield b"id: %d\nevent: event\ndata: %b\n\n" % (event.id, orjson.dumps(event.to_wire()))
        if not events:
            yield b": waiting\n\n"  # so that a caller who has gone is noticed
            await asyncio.sleep(STREAM_PAUSE_S)


def _events_after(here: Services, after: int) -> list[EventOut]:
    with here.store.read() as snapshot:
        return [_event(row) for row in snapshot.events.after(after)]


def _person(snapshot: Snapshot, person: PersonRow) -> PersonOut:
    return PersonOut(
        identity_id=person.identity_id,
        name=person.name,
        groups=snapshot.groups.of_person(person.identity_id),
        permission_ids=snapshot.permissions.of_person(person.identity_id),
        info=person.info,
        enrolled_at=person.enrolled_at,
    )


def _event(row: EventRow) -> EventOut:
    return EventOut.model_validate(asdict(row))

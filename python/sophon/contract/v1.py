"""The bodies of `/api/v1`, the part of the box's HTTP API that is ours alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from sophon.contract.message import Flag, Integer, Message, Number
from sophon.contract.people import Person
from sophon.contract.rest import GroupName, Photo


class PersonOut(Message):
    """Someone enrolled, without the photograph; ``enrolled_at`` in ms since the epoch."""

    identity_id: str
    name: str
    groups: list[str]
    permission_ids: list[str]
    info: dict[str, Any]
    enrolled_at: Integer


class PeoplePage(Message):
    """People by id; ``total`` is how many there are on all pages of this question."""

    total: Integer
    people: list[PersonOut]


class EventOut(Message):
    """One comparison of a captured face; ``at`` in ms since the epoch, ``score`` 0-1."""

    id: Integer
    at: Integer
    identity_id: str
    identity_name: str
    person_type: Integer
    group_name: str
    device_ip: str
    device_type: str
    score: Number
    details: dict[str, Any]


class EventsPage(Message):
    """Events after an id, oldest first; go on with ``after`` set to ``last_id``."""

    last_id: Integer
    events: list[EventOut]


class DeviceOut(Message):
    """A configured sub-device, without its secrets."""

    ip: str
    device_type: str
    name: str
    direction: Integer
    group_name: str
    permission_id: str
    memo: str
    location: str


class ModelOut(Message):
    """One installed model."""

    role: str
    name: str
    sha256: str
    size: Integer
    licence: str


class SearchCall(Message):
    """A picture, and whom to look for in it."""

    image_base64: Photo = Field(repr=False)
    k: Annotated[Integer, Field(ge=1, le=100)] = 5
    groups: Annotated[list[GroupName], Field(max_length=1000)] | None = None


class FoundPerson(Message):
    """Who a face may be."""

    identity_id: str
    name: str
    score: Number


class FoundFace(Message):
    """A face in a picture, ``bbox`` x1, y1, x2, y2 in pixels, and who it may be, best first; nobody is a stranger."""

    bbox: Annotated[list[int], Field(min_length=4, max_length=4)]
    quality: Number
    people: list[FoundPerson]


class CompareCall(Message):
    """Two pictures; the largest face of each counts."""

    image_a_base64: Photo = Field(repr=False)
    image_b_base64: Photo = Field(repr=False)


class Compared(Message):
    """How alike the two faces are, and whether the box takes them for one person."""

    score: Number
    is_match: Flag


MAX_PEOPLE = 10_000


class _ReadLater:
    """Describes entries that are persons; each is read when its turn comes, so that a wrong one is refused alone."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(Person.__pydantic_core_schema__)


class EnrolmentsCall(Message):
    """People to enrol, or to overwrite, as the platform's `add_users_plus` has them; the photographs within."""

    people: Annotated[
        list[Annotated[Any, _ReadLater]],
        Field(
            min_length=1,
            max_length=MAX_PEOPLE,
            repr=False,
            examples=[[{"identity_id": "E1001", "reg_photo": "/9j/4AAQSkZJRg==", "info": {"name": "Ann"}}]],
        ),
    ]


class JobOutcome(Message):
    """How it went with one person: ``code`` 0, or why not; ``identity_id`` is "" once the person is deleted."""

    position: Integer
    identity_id: str
    code: Integer
    failed_items: list[str]
    detail: str


class JobOut(Message):
    """How far a job is: of ``total`` people ``done`` are decided, ``refused`` of them not enrolled; times in ms.

    ``outcomes`` are a page of those decided; go on with ``after`` set to the last one's ``position``.
    """

    id: Integer
    state: Literal["waiting", "running", "done", "failed"]
    total: Integer
    done: Integer
    refused: Integer
    reason: str
    received_at: Integer
    finished_at: Integer | None
    outcomes: list[JobOutcome]


class RestoredOut(Message):
    """What came back of a backup: people and events; ``left_out`` were deleted after it was made.

    ``recognisable`` people the box knows by face now; others were enrolled by other models.
    """

    people: Integer
    left_out: Integer
    events: Integer
    recognisable: Integer

"""The bodies of `/api/v1`, the part of the box's HTTP API that is ours alone."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sophon.contract.message import Flag, Integer, Message, Number
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
    """People by id; ``total`` is how many the box knows."""

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

"""Events in the form that the contract gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2

from sophon.contract import Event, EventData, encode_photo
from sophon.engine import load_photo
from sophon.errors import SophonError
from sophon.store import EventPictures, EventRow

STRANGER = 4
# An enrolment photograph over this size, or that is no JPEG, is sent smaller.
PHOTO_BYTES = 300_000
PHOTO_SIDE = 640
JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class EventForm:
    """What a receiver wants of an event. ``version`` is the protocol's."""

    dev_sno: str
    version: str = "V2R2C01"
    with_enrolment_photo: bool = True
    with_scene: bool = True
    with_face: bool = True


def event_message(
    event: EventRow, pictures: EventPictures, enrolment_photo: bytes | None, form: EventForm
) -> Event:
    """An event as it is reported; a field that is not wanted, or whose picture was erased, is left out."""
    details = dict(event.details)
    data: dict[str, Any] = {
        "device_ip": event.device_ip,
        "ep_id": ep_id(form.dev_sno, event.device_ip),
        "dev_sno": form.dev_sno,
        "person_type": event.person_type,
        "device_type": event.device_type,
        "grab_fiqa_info": details.pop("grab_fiqa_info", {}),
        "box_fiqa_info": details.pop("box_fiqa_info", {}),
        **details,
    }
    if event.id:
        data["event_id"] = event.id
    if form.with_scene and pictures.spot is not None:
        data["spot_pic"] = encode_photo(pictures.spot)
    # V2R1C01 does not know the field.
    if form.with_face and pictures.face is not None and form.version != "V2R1C01":
        data["recognize_face"] = encode_photo(pictures.face)
    message: dict[str, Any] = {
        "identity_id": event.identity_id,
        "identity_name": event.identity_name,
        "group_name": event.group_name,
        "timestamp": event.at,
        "score": event.score,
        "ext_data": EventData.model_validate(data),
    }
    if form.with_enrolment_photo:
        wanted = enrolment_photo is not None and event.person_type != STRANGER
        message["reg_pic"] = encode_photo(_sendable(enrolment_photo)) if wanted and enrolment_photo else ""
    return Event.model_validate(message)


def ep_id(dev_sno: str, ip: str) -> str:
    """The contract's name of a sub-device."""
    return f"{dev_sno}__{ip}"


def _sendable(photo: bytes) -> bytes:
    """The photograph as a JPEG of moderate size; as it is if it can't be made one."""
    if photo.startswith(JPEG) and len(photo) <= PHOTO_BYTES:
        return photo
    try:
        image = load_photo(photo)
    except SophonError:
        return photo
    scale = min(PHOTO_SIDE / max(image.shape[:2]), 1.0)
    encoded, data = cv2.imencode(
        ".jpg", cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    )
    return bytes(data) if encoded else photo

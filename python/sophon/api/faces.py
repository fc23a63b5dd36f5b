"""/SophonFace and /SophonMatch: photographs are judged and compared."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.groups import known_group
from sophon.api.permissions import known_permission
from sophon.api.services import Here, Services
from sophon.contract import FaceQualityRecord, decode_photo, encode_photo
from sophon.contract.photos import MAX_PHOTO_BYTES
from sophon.contract.rest import Data, FiqaCall, PictureMatch, PictureMatched
from sophon.engine import load_photo
from sophon.errors import Code, SophonError
from sophon.recognition import Capture, Decision, Recogniser
from sophon.store import DeviceRow, PersonRow

Known = PersonRow | Decision

router = APIRouter()


@router.post("/SophonFace/api/FIQA", response_model=Data[list[FaceQualityRecord]], tags=["SophonFace"])
async def fiqa(here: Here, body: Annotated[FiqaCall, reads(FiqaCall)]) -> JsonResponse:
    """Judge every face in a photograph, largest face first."""
    return await here.analyses.run(_fiqa, here, body)


@router.post("/SophonMatch/api/PictureMatch", response_model=Data[PictureMatched], tags=["SophonMatch"])
async def picture_match(here: Here, body: Annotated[PictureMatch, reads(PictureMatch)]) -> JsonResponse:
    """Compare the largest face of a picture with a gallery."""
    # The wait for a turn and the decoding count too: a door must not open for who is gone.
    return await here.analyses.run(_picture_match, here, body, time.monotonic())


def _fiqa(here: Services, body: FiqaCall) -> JsonResponse:
    qualities = here.box.assess(decode_photo(body.image_base64_str), body.fiqa_level)
    return answer([FaceQualityRecord.model_validate(quality.to_dict()) for quality in qualities])


def _picture_match(here: Services, body: PictureMatch, arrived: float) -> JsonResponse:
    picture = _picture(here, body)
    device = _device(here, body)
    if device is not None and here.recogniser is not None:
        here.on_device(device.ip)
        return answer(_matched(here, body, *_sighted(here.recogniser, device, picture, body, arrived)))
    comparison = here.box.compare(
        picture, group=body.group_name, permission=body.permission_name, min_face_size=body.min_face_size
    )
    return answer(_matched(here, body, comparison.score, comparison.person))


def _device(here: Services, body: PictureMatch) -> DeviceRow | None:
    """The configured sub-device that hands the picture in; what the call names wins over its own settings."""
    if body.device_ip is None:
        return None
    with here.store.read() as snapshot:
        device = snapshot.devices.get(body.device_ip)
        if device is not None and "group_name" in body.model_fields_set:
            device = replace(device, group_name=known_group(snapshot, body.group_name).name)
        if device is not None and body.permission_name is not None:
            permission = known_permission(snapshot, body.permission_name)
            device = replace(device, permission_id=permission.permission_id)
    return device


def _sighted(
    recogniser: Recogniser, device: DeviceRow, picture: bytes, body: PictureMatch, arrived: float
) -> tuple[float, Known | None]:
    """What the sub-device's picture shows; it is an event, too."""
    capture = Capture.now(load_photo(picture), device, body.grab_fiqa_info, clock=arrived)
    decisions = recogniser.recognise(capture, largest_only=True, min_face_size=body.min_face_size)
    if not decisions:
        raise SophonError(Code.NO_FACE, "no face in the picture, or none that is good enough")
    return decisions[0].score, decisions[0] if decisions[0].is_match else None


def _matched(here: Services, body: PictureMatch, score: float, person: Known | None) -> PictureMatched:
    data: dict[str, Any] = {
        "retcode": "0" if person is None else "1",
        "score": round(float(score), 4),
        "identity_id": "" if person is None else person.identity_id,
        "name": "stranger" if person is None else person.name,
        "identity_info": {} if person is None else person.info,
    }
    if body.need_register_photo:
        photo = None if person is None else here.box.photo(person.identity_id)
        data["reg_pic"] = "" if photo is None else encode_photo(photo)
    return PictureMatched.model_validate(data)


def _picture(here: Services, body: PictureMatch) -> bytes:
    if body.ir_image_base64 is not None:
        raise SophonError(Code.NOT_IMPLEMENTED, "ir_image_base64: infrared pictures are not compared")
    if (body.rgb_image_base64 is None) == (body.image_file_path is None):
        raise SophonError(
            Code.FOG_PARAM_ERROR, "give exactly one of 'rgb_image_base64' and 'image_file_path'"
        )
    if body.rgb_image_base64 is not None:
        return decode_photo(body.rgb_image_base64)
    return _file(here.pictures, body.image_file_path or "")


def _file(folder: Path, path: str) -> bytes:
    """A picture that lies in the box's own folder, and nowhere else."""
    try:
        file = (folder / path).resolve()
        inside = file.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise SophonError(
            Code.FOG_PARAM_ERROR, "image_file_path: only files in the box's own folder are read"
        )
    if not file.is_file():
        raise SophonError(Code.NOT_FOUND, "image_file_path: there is no such file")
    with file.open("rb") as opened:
        return opened.read(MAX_PHOTO_BYTES + 1)

"""/SophonMQ: which platform this box belongs to, and by which code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here
from sophon.contract.rest import Data, DevSno, DevSnoRequest, LoginUrl, LoginUrlRequest, Response

router = APIRouter(prefix="/SophonMQ/api", tags=["SophonMQ"])


@router.get("/DevSno", response_model=Data[DevSno])
def get_dev_sno(here: Here) -> JsonResponse:
    """Return the authorisation code that names this box to the platform."""
    return answer(DevSno(dev_sno=here.station.dev_sno, response=here.station.dev_sno))


@router.put("/DevSno", response_model=Data[Response])
def put_dev_sno(here: Here, body: Annotated[DevSnoRequest, reads(DevSnoRequest)]) -> JsonResponse:
    """Take another authorisation code; the box then logs in again."""
    here.station.move(dev_sno=body.dev_sno)
    return answer(Response(response=body.dev_sno))


@router.get("/LoginUrl", response_model=Data[LoginUrl])
def get_login_url(here: Here) -> JsonResponse:
    """Return where the box logs in."""
    return answer(LoginUrl(login_url=here.station.login_url, response=here.station.login_url))


@router.put("/LoginUrl", response_model=Data[Response])
def put_login_url(here: Here, body: Annotated[LoginUrlRequest, reads(LoginUrlRequest)]) -> JsonResponse:
    """Take another platform; the box then logs in there."""
    here.station.check_callable(body.login_url)
    here.station.move(login_url=body.login_url)
    return answer(Response(response=body.login_url))

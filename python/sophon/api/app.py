"""The calls that the API offers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from sophon import __version__
from sophon.box import Box, Comparison
from sophon.contract import ErrorResponse, decode_photo, encode_photo, http_status
from sophon.errors import Code, SophonError


class PictureMatch(BaseModel):
    """A picture to compare with a gallery."""

    rgb_image_base64: str = Field(repr=False)
    group_name: str = "default_group"
    permission_name: str | None = None
    need_register_photo: bool = False
    min_face_size: float = 0


def make_app(box: Box) -> FastAPI:
    """The application over a box."""
    app = FastAPI(title="Sophon", version=__version__, docs_url=None, redoc_url=None)

    @app.exception_handler(SophonError)
    async def refused(_request: Request, error: SophonError) -> JSONResponse:
        return _error(error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return _error(Code.FOG_PARAM_ERROR, f"{field}: {first['msg']}")

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the box lives, and how many people it knows."""
        return {"data": {"status": "ok", "version": __version__, "people": len(box)}}

    @app.post("/SophonMatch/api/PictureMatch")
    def picture_match(request: PictureMatch) -> dict[str, Any]:
        """Compare the largest face of a picture with a gallery."""
        comparison = box.compare(
            decode_photo(request.rgb_image_base64),
            group=request.group_name,
            permission=request.permission_name,
            min_face_size=request.min_face_size,
        )
        return {"data": _picture_match(box, comparison, request.need_register_photo)}

    return app


def _picture_match(box: Box, comparison: Comparison, with_photo: bool) -> dict[str, Any]:
    person = comparison.person
    data: dict[str, Any] = {
        "retcode": "0" if person is None else "1",
        "score": round(comparison.score, 4),
        "identity_id": "" if person is None else person.identity_id,
        "name": "stranger" if person is None else person.name,
        "identity_info": {} if person is None else person.info,
    }
    if with_photo:
        photo = None if person is None else box.photo(person.identity_id)
        data["reg_pic"] = "" if photo is None else encode_photo(photo)
    return data


def _error(code: Code, message: str) -> JSONResponse:
    return JSONResponse(ErrorResponse.of(code, message).to_wire(), status_code=http_status(code))

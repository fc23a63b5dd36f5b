"""From a request's body, JSON or form-data, to a typed message."""

from __future__ import annotations

import types
import typing
from typing import Any, TypeVar

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from sophon.api.answers import parameter_error
from sophon.contract import Message
from sophon.contract.json_body import read_object
from sophon.errors import Code, SophonError

FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
MAX_FORM_FIELDS = 64

M = TypeVar("M", bound=Message)


class BodyReader:
    """A dependency that reads one kind of message; the OpenAPI description looks at its attributes."""

    def __init__(self, model: type[Message], takes_forms: bool) -> None:
        self.model = model
        self.takes_forms = takes_forms

    async def __call__(self, request: Request) -> Any:
        """Read and check. Raises SophonError with the code that the contract has for what is wrong."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            value = _read_json(await request.body())
        elif kind in FORM_TYPES and self.takes_forms:
            value = await self._read_form(request)
        elif kind == "" and not await request.body():
            raise SophonError(Code.EMPTY_REQUEST_JSON, "the body is empty; send a JSON object")
        else:
            expected = "application/json" + (" or multipart/form-data" if self.takes_forms else "")
            raise SophonError(_content_type_error(request.url.path), f"Content-Type must be {expected}")
        try:
            return self.model.model_validate(value)
        except ValidationError as error:
            raise parameter_error(error) from None

    async def _read_form(self, request: Request) -> dict[str, Any]:
        try:
            # The whole body is bounded already, so a part may be as large as it.
            form = await request.form(max_files=0, max_fields=MAX_FORM_FIELDS, max_part_size=2**30)
        except HTTPException as error:
            raise SophonError(Code.FOG_PARAM_ERROR, f"the form can't be read: {error.detail}") from None
        if not form:
            raise SophonError(Code.EMPTY_REQUEST_JSON, "the form is empty")
        fields = {field.alias or name: field.annotation for name, field in self.model.model_fields.items()}
        return {
            name: value if _admits_text(fields.get(name)) else _from_text(value, fields.get(name))
            for name, value in form.items()
            if isinstance(value, str)
        }


def reads(model: type[Message], *, forms: bool = True) -> Any:
    """The parameter of a call that is its body."""
    return Depends(BodyReader(model, forms))


def _read_json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise SophonError(Code.EMPTY_REQUEST_JSON, "the body is empty; send a JSON object")
    try:
        return read_object(body, len(body))
    except ValueError as error:
        raise SophonError(Code.FOG_PARAM_ERROR, f"the body {error}") from None


def _from_text(text: str, annotation: Any) -> Any:
    """A form field that is no text: JSON, as `info` and lists come; what is not JSON is left for the check to refuse."""
    words = {"true": True, "false": False}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    try:
        value = read_object(b'{"value":' + text.encode() + b"}", len(text.encode()) + 16).get("value")
    except (ValueError, UnicodeEncodeError):
        return text
    # "a,b" and "7" are galleries' names as they stand.
    return text if typing.get_origin(annotation) is list and not isinstance(value, list) else value


def _admits_text(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _admits_text(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_admits_text(part) for part in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(annotation))
    return annotation is str


def _content_type_error(path: str) -> Code:
    elsewhere = path.startswith(("/SophonMQ/", "/SophonFace/", "/SophonMatch/"))
    return Code.UNSUPPORTED_CONTENT_TYPE if elsewhere else Code.FOG_CONTENT_TYPE_ERROR

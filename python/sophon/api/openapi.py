"""The description of the API: every call with its body, its answers and its errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from sophon import __version__
from sophon.api.bodies import BodyReader
from sophon.api.examples import ANSWERS, FAILURES
from sophon.contract import ErrorResponse, Message

REFERENCE = "#/components/schemas/{model}"
MULTIPART = "multipart/form-data"
#: What any call may answer besides its success.
ERRORS = {
    "400": "The call is wrong; `code` says in what.",
    "401": "No token, or a wrong one.",
    "403": "The token's role may not do this, or the Host or Origin header is not this box's own.",
    "404": "There is no such person, group or path.",
    "413": "The body is too large.",
    "415": "The content type is not accepted.",
    "429": "Too many requests, or too many wrong tokens from this address; `Retry-After` says for how long.",
    "500": "The box, or a server it calls, failed; with code 50072, 50073 or 50074.",
    "501": "The contract knows this, but it is not offered here.",
    "503": "Too much is waiting already; try again soon.",
}


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> dict[str, Any]:
    """The OpenAPI document of an application that is made of these routers."""
    document = get_openapi(
        title="Sophon",
        version=__version__,
        summary="The HTTP API of a face-recognition box",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    error = _reference(ErrorResponse, schemas)
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["responses"].pop("422", None)
                for status, meaning in ERRORS.items():
                    operation["responses"][status] = {
                        "description": meaning,
                        "content": {"application/json": {"schema": error, "example": _failure(status)}},
                    }
                _add_example(operation, f"{method} {route.path_format}")
                for dependency in route.dependant.dependencies:
                    if isinstance(dependency.call, BodyReader):
                        operation["requestBody"] = _body(dependency.call, schemas)
    return document


def _failure(status: str) -> dict[str, Any]:
    return ErrorResponse.of(*FAILURES[status]).to_wire()


def _add_example(operation: dict[str, Any], call: str) -> None:
    content = operation["responses"]["200"].get("content", {}).get("application/json")
    if content is not None and call in ANSWERS:
        content["example"] = {"data": ANSWERS[call]}


def _body(reader: BodyReader, schemas: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(reader.model, schemas)}}
    if reader.takes_forms:
        content[MULTIPART] = {"schema": _reference(reader.model, schemas)}
    return {"required": True, "content": content}


def _reference(model: type[Message], schemas: dict[str, Any]) -> dict[str, str]:
    if model.__name__ not in schemas:
        schema = model.model_json_schema(ref_template=REFERENCE)
        for name, part in schema.pop("$defs", {}).items():
            schemas.setdefault(name, part)
        schemas[model.__name__] = schema
    return {"$ref": REFERENCE.format(model=model.__name__)}

"""How calls are answered: the contract's success and error bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sophon.contract import ErrorResponse, Message, http_status
from sophon.contract.problems import describe
from sophon.contract.rest import GROUP_NAME_ERROR
from sophon.errors import Code, SophonError
from sophon.platform import RefusedAddressError
from sophon.store import StoreUnavailableError

_log = structlog.get_logger(__name__)

_CODE_OF_PROBLEM = {"bool_type": Code.BOOLEAN_ARGUMENT_ERROR, GROUP_NAME_ERROR: Code.GROUP_NAME_ERROR}
_CODE_OF_STATUS = {
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
}


class JsonResponse(Response):
    """UTF-8 JSON, never kept or guessed at by whoever receives it."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(
            orjson.dumps(content),
            status_code,
            {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
        )


def answer(data: Message | Sequence[Message]) -> JsonResponse:
    """``{"data": ...}``."""
    value = data.to_wire() if isinstance(data, Message) else [one.to_wire() for one in data]
    return JsonResponse({"data": value})


def refuse(error: SophonError) -> JsonResponse:
    """``{"error": ...}`` with the code's HTTP status."""
    headers = {}
    if error.code is Code.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="sophon"'
    if error.code is Code.SERVICE_BUSY:
        headers["Retry-After"] = "1"
    return JsonResponse(ErrorResponse.of(error.code, str(error)).to_wire(), http_status(error.code), headers)


def parameter_error(error: ValidationError) -> SophonError:
    """What is wrong with a call's parameters, with the code for it."""
    kind = error.errors(include_url=False, include_input=False)[0]["type"]
    return SophonError(_CODE_OF_PROBLEM.get(kind, Code.FOG_PARAM_ERROR), describe(error))


def install_handlers(app: FastAPI) -> None:
    """Let every failure of the application be answered in the contract's form."""

    @app.exception_handler(SophonError)
    async def refused(_request: Request, error: SophonError) -> Response:
        if isinstance(error, RefusedAddressError):
            error = SophonError(Code.FOG_PARAM_ERROR, str(error))
        if isinstance(error, StoreUnavailableError):
            error = SophonError(Code.SERVICE_BUSY, str(error))
        if error.code is Code.PARAM_ERROR:
            error = SophonError(Code.FOG_PARAM_ERROR, str(error))
        return refuse(error)

    @app.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return refuse(
            SophonError(
                _CODE_OF_PROBLEM.get(first["type"], Code.FOG_PARAM_ERROR),
                f"'{field}': {str(first['msg']).removeprefix('Value error, ')}",
            )
        )

    @app.exception_handler(HTTPException)
    async def refused_by_framework(_request: Request, error: HTTPException) -> Response:
        code = _CODE_OF_STATUS.get(error.status_code, Code.BAD_REQUEST)
        response = refuse(SophonError(code, str(error.detail)))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ClientDisconnect)
    async def left(_request: Request, _error: ClientDisconnect) -> Response:
        # Nobody hears this; and nobody may fill the log with failures by leaving.
        return refuse(SophonError(Code.BAD_REQUEST, "the caller left before the body was complete"))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        _log.error("a call failed inside", call=call_name(request.scope), exc_info=error)
        return refuse(SophonError(Code.SERVER_PROCESS_FAILED, f"failed inside: {type(error).__name__}"))


def call_name(scope: Mapping[str, Any]) -> str:
    """The call without what the caller put into its path: ``DELETE /api/v1/people/{identity_id}``."""
    route = scope.get("route")
    return f"{scope['method'][:10]} {route.path if route is not None else '(unknown path)'}"

"""The status codes' names on the wire, with the original's spelling, and their HTTP status."""

from __future__ import annotations

from sophon.contract.message import Integer, Message
from sophon.errors import Code

_NAMES = {
    Code.SUCCESS: "SUCCESS",
    Code.PARAM_ERROR: "PARAM_ERROR",
    Code.SERVER_PROCESS_FAILED: "SERVER_PROCESS_FAILED",
    Code.REMOTE_SERVER_FAILED: "REMOTE_SERVER_FAILED",
    Code.REMOTE_DATA_FAILED: "REMOTE_DATA_FAILED",
    Code.FOG_PARAM_ERROR: "PARAM_ERROR",
    Code.FOG_NOT_FOUND: "NOT_FOUND",
    Code.FOG_CONTENT_TYPE_ERROR: "CONTENT_TYPE_ERROR",
    Code.BAD_REQUEST: "BAD_REQUEST",
    Code.UNSUPPORTED_CONTENT_TYPE: "UNSUPPORT_CONTENT_TYPE",
    Code.EMPTY_REQUEST_JSON: "EMPTY_REQUEST_JSON",
    Code.IMAGE_ERROR: "IMAGE_ERROR",
    Code.NO_FACE: "NO_FACE",
    Code.BOOLEAN_ARGUMENT_ERROR: "BOOLEAN_ARGUMENT_ERROR",
    Code.LOW_QUALITY: "LOW_QUALITY_ERROR",
    Code.IMAGE_TOO_LARGE: "IMAGE_SIZE_TOO_LARGE_ERROR",
    Code.EMPTY_GROUP: "EMPTY_GROUP_ERROR",
    Code.FACE_TOO_SMALL: "ENROLL_FACE_SIZE_NOT_ENOUGH_ERROR",
    Code.BAD_FEATURE: "BAD_FEATURE_ERROR",
    Code.IDENTITY_EXISTS: "IDENTITY_EXSIT_ERROR",
    Code.GROUP_NAME_ERROR: "GROUP_NAME_ERROR",
    Code.GROUP_NOT_LOADED: "GROUP_NOT_LOAD",
    Code.STRANGER_NOT_DELETED: "STRANGER_NOT_DELETE",
    Code.GALLERY_FULL: "GROUP_LEN_ERROR",
    Code.UNAUTHORIZED: "UNAUTHORIZED",
    Code.FORBIDDEN: "FORBIDDEN",
    Code.NOT_FOUND: "NOT_FOUND",
    Code.ID_NOT_FOUND: "ID_NOT_FOUND",
    Code.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    Code.PAYLOAD_TOO_LARGE: "PAYLOAD_TOO_LARGE",
    Code.TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
    Code.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    Code.SERVICE_BUSY: "SERVICE_BUSY",
}


def wire_name(code: Code) -> str:
    """The code's name as the contract spells it (``IDENTITY_EXSIT_ERROR``)."""
    return _NAMES[code]


def http_status(code: Code) -> int:
    """The HTTP status a REST error with this code is sent with: ``code // 100``, and 200 for success."""
    return 200 if code is Code.SUCCESS else code // 100


class ErrorDetails(Message):
    """What went wrong with an HTTP call; ``code`` may be one of the platform's own."""

    code: Integer
    message: str
    status: str


class ErrorResponse(Message):
    """The body of every failed HTTP call, in both directions: ``{"error": {"code", "message", "status"}}``."""

    error: ErrorDetails

    @classmethod
    def of(cls, code: Code, message: str) -> ErrorResponse:
        """The error body for one of our codes."""
        return cls(error=ErrorDetails(code=int(code), message=message, status=wire_name(code)))

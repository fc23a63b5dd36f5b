"""What can go wrong, with the status codes of the wire contract."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The contract's status codes; ``code // 100`` is the HTTP status (0 is 200).

    Of its own the box adds 40100, 40300, 40500, 42900 and 50300: the contract knows no access control.
    """

    SUCCESS = 0
    BAD_REQUEST = 40000
    UNSUPPORTED_CONTENT_TYPE = 40001
    EMPTY_REQUEST_JSON = 40002
    IMAGE_ERROR = 40003
    NO_FACE = 40004
    BOOLEAN_ARGUMENT_ERROR = 40005
    LOW_QUALITY = 40006
    IMAGE_TOO_LARGE = 40007
    EMPTY_GROUP = 40008
    FACE_TOO_SMALL = 40009
    BAD_FEATURE = 40010
    IDENTITY_EXISTS = 40011
    GROUP_NAME_ERROR = 40012
    GROUP_NOT_LOADED = 40013
    STRANGER_NOT_DELETED = 40014
    GALLERY_FULL = 40015
    PARAM_ERROR = 40071
    FOG_PARAM_ERROR = 40091
    UNAUTHORIZED = 40100
    FORBIDDEN = 40300
    NOT_FOUND = 40400
    ID_NOT_FOUND = 40401
    FOG_NOT_FOUND = 40491
    METHOD_NOT_ALLOWED = 40500
    PAYLOAD_TOO_LARGE = 41300
    FOG_CONTENT_TYPE_ERROR = 41591
    TOO_MANY_REQUESTS = 42900
    SERVER_PROCESS_FAILED = 50072
    REMOTE_SERVER_FAILED = 50073
    REMOTE_DATA_FAILED = 50074
    NOT_IMPLEMENTED = 50100
    SERVICE_BUSY = 50300


class SophonError(Exception):
    """Anything this package refuses or fails at, with the contract's code.

    ``str(error)`` is an English sentence that names what is wrong and, where there is one, the remedy. It never holds
    a secret.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConfigError(SophonError):
    """A setting is missing or wrong; the message names the key and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.PARAM_ERROR, message)

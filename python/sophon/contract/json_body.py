"""From untrusted bytes to a JSON object, bounded in size and depth."""

from __future__ import annotations

from typing import Any

import orjson

#: Bytes of the largest command accepted: a photograph over its own limit (20 MiB, in base64) still gets its own code.
MAX_COMMAND_BYTES = 32 * 2**20
#: Levels of objects and lists inside each other. The contract needs seven; custom fields get plenty.
MAX_DEPTH = 64

_BOM = b"\xef\xbb\xbf"


def bounded(body: bytes, max_bytes: int) -> bytes:
    """The JSON text in a body, without a byte order mark.

    Raises:
        ValueError: if the body is larger than ``max_bytes``.
    """
    if len(body) > max_bytes:
        raise ValueError(f"is larger than {max_bytes // 2**20} MiB")
    return body.removeprefix(_BOM)


def read_object(body: bytes, max_bytes: int) -> dict[str, Any]:
    """Read one JSON object of at most ``max_bytes``.

    One UTF-8 byte order mark is allowed. Of a key given twice, the last value counts.

    Raises:
        ValueError: with a sentence that says what is wrong with the bytes.
    """
    try:
        value = orjson.loads(bounded(body, max_bytes))
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON in UTF-8: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    return value


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True

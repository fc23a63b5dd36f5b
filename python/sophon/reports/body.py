"""Report bodies: JSON, or form-data with objects as JSON text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from sophon.contract import Message
from sophon.reports.receivers import ContentType

#: Delivers one body to one address: (address, body) → the answer. Raises SophonError unless it was a 2xx.
Post = Callable[[str, "Body"], bytes]


@dataclass(frozen=True)
class Body:
    """What is posted."""

    content: bytes = field(repr=False)
    content_type: str = "application/json"


def one(message: Message, content_type: ContentType = "json") -> Body:
    """One message."""
    return Body(message.encode()) if content_type == "json" else _form(message.to_wire())


def many(messages: Sequence[Message]) -> Body:
    """Several messages as one JSON list."""
    return Body(orjson.dumps([message.to_wire() for message in messages]))


def _form(fields: dict[str, Any]) -> Body:
    """Each field a part of multipart/form-data; text as it is, everything else as JSON."""
    parts = [
        (name, (None, value if isinstance(value, str) else orjson.dumps(value)))
        for name, value in fields.items()
    ]
    request = httpx.Request("POST", "http://form", files=parts)
    return Body(request.read(), request.headers["content-type"])

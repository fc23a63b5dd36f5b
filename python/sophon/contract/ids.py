"""Keys of people and permission groups: a string of 1 to 64 characters, or an integer that becomes one."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

MAX_ID_CHARACTERS = 64
#: Beyond this, a platform written in JavaScript has already rounded the number.
MAX_INTEGER = 2**53

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read_id(value: Any) -> str:
    """The id as a string, an integer in decimal.

    Raises:
        ValueError: with a phrase that says what an id must be.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= MAX_INTEGER:
            raise ValueError("must be below 2^53 as an integer; send it as a string")
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if not 1 <= len(value) <= MAX_ID_CHARACTERS:
        raise ValueError(f"must have 1 to {MAX_ID_CHARACTERS} characters")
    if has_control_characters(value):
        raise ValueError("must not hold control characters")
    return value


def has_control_characters(text: str) -> bool:
    """Whether the text holds a control character, NUL and line breaks among them."""
    return _CONTROL_CHARACTER.search(text) is not None


Id = Annotated[str, BeforeValidator(read_id)]

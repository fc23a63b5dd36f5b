"""Photographs inside messages: base64 text."""

from __future__ import annotations

import binascii
import re

import pybase64

from sophon.errors import Code, SophonError

MAX_PHOTO_BYTES = 20 * 2**20

_DATA_PREFIX = re.compile(r"\s*data:[^,]{0,200};base64,", re.ASCII | re.IGNORECASE)
_WHITE_SPACE = " \t\r\n\f\v"


def decode_photo(text: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
    """The bytes of a photograph given as base64.

    A ``data:image/...;base64,`` prefix, white space and missing padding are allowed; the size is checked before
    anything is decoded.

    Raises:
        SophonError: IMAGE_TOO_LARGE over ``max_bytes``; IMAGE_ERROR if the text is empty or not base64.
    """
    prefix = _DATA_PREFIX.match(text)
    text = _without_white_space(text[prefix.end() if prefix else 0 :]).rstrip("=")
    if len(text) > -(-max_bytes * 4 // 3):
        raise SophonError(Code.IMAGE_TOO_LARGE, f"the photo is larger than {max_bytes // 2**20} MiB")
    if not text:
        raise SophonError(Code.IMAGE_ERROR, "the photo is empty")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SophonError(Code.IMAGE_ERROR, "the photo is not base64") from None


def encode_photo(photo: bytes) -> str:
    """A photograph as base64 text for a message."""
    return pybase64.b64encode_as_string(photo)


def _without_white_space(text: str) -> str:
    # To look for it costs a tenth of taking it out, and hardly anybody sends any.
    for character in _WHITE_SPACE:
        if character in text:
            text = text.replace(character, "")
    return text

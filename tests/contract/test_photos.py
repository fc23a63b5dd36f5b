"""Photographs as base64 text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophon.contract import decode_photo, encode_photo
from sophon.errors import Code, SophonError


@given(st.binary(min_size=1, max_size=100), st.integers(1, 40), st.booleans(), st.booleans())
def test_a_photo_survives_prefix_line_breaks_and_lost_padding(
    photo: bytes, width: int, prefix: bool, padded: bool
) -> None:
    text = encode_photo(photo)
    text = text if padded else text.rstrip("=")
    text = "\r\n".join(text[i : i + width] for i in range(0, len(text), width))

    assert decode_photo(("data:image/jpeg;base64," if prefix else "") + text) == photo


@pytest.mark.parametrize(
    "text", ["", "   ", "@@@@!!!!", "abc-_", "a", "data:image/png;base64,", "人脸", "data:image/png,aaaa"]
)
def test_text_that_is_no_photo_is_refused(text: str) -> None:
    with pytest.raises(SophonError) as caught:
        decode_photo(text)

    assert caught.value.code is Code.IMAGE_ERROR


def test_a_photo_over_the_limit_is_refused() -> None:
    limit = 3000

    assert len(decode_photo(base64.b64encode(bytes(limit)).decode(), limit)) == limit
    with pytest.raises(SophonError) as caught:
        decode_photo(base64.b64encode(bytes(limit + 1)).decode(), limit)
    assert caught.value.code is Code.IMAGE_TOO_LARGE

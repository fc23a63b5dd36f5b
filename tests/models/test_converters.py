"""Conversions by name, and what they refuse."""

from __future__ import annotations

import pytest

from sophon import SophonError
from sophon.models.converters import CONVERSIONS, convert, find_conversion


def test_every_name_stands_for_a_conversion() -> None:
    assert all(callable(find_conversion(name)) for name in CONVERSIONS)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SophonError, match="no conversion is called 'rename'; there are: drop-tiny-weights, "):
        find_conversion("free-batch+rename")


@pytest.mark.parametrize("name", sorted(CONVERSIONS))
@pytest.mark.parametrize("data", [b"", b"no model at all", b"\x08\x08" * 40], ids=["empty", "text", "noise"])
def test_a_file_of_another_kind_is_a_clear_error(name: str, data: bytes) -> None:
    with pytest.raises(SophonError, match="the model can't be converted"):
        convert(name, data)

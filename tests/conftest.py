"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The labelled photographs; they are not part of the project, so a checkout without them skips what needs them."""
    folder = Path(os.environ.get("SOPHON_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no labelled photographs at {folder} (set SOPHON_TEST_DATA)")
    return folder

"""What the tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sophon import _core


@pytest.fixture(params=_core.usable_isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every instruction set of this machine in turn, in use."""
    name: str = request.param
    monkeypatch.setenv("SOPHON_ISA", name)
    return name


@pytest.fixture(scope="session")
def portrait(portraits: Path) -> Path:
    """An official portrait: one person, frontal, sharp, well lit."""
    return portraits / "people" / "barack_obama" / "obama.jpg"

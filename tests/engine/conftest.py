"""What the tests of the engine share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sophon import _core
from sophon.engine import FaceEngine
from sophon.models import ModelPack


@pytest.fixture(params=_core.usable_isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every instruction set of this machine in turn, in use."""
    name: str = request.param
    monkeypatch.setenv("SOPHON_ISA", name)
    return name


@pytest.fixture(scope="session")
def engine(model_pack: ModelPack) -> Iterator[FaceEngine]:
    """The engine with the installed models."""
    with FaceEngine(model_pack) as one:
        yield one


@pytest.fixture(scope="session")
def portrait(portraits: Path) -> Path:
    """An official portrait: one person, frontal, sharp, well lit."""
    return portraits / "people" / "barack_obama" / "obama.jpg"

"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sophon.models import ModelPack

if TYPE_CHECKING:
    from sophon.engine import FaceEngine
    from sophon.sim import BrokerNode, ReferencePlatform

# No test is judged by the clock: the machine may be busy.
settings.register_profile("sophon", deadline=None)
settings.load_profile("sophon")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The labelled photographs; they are not part of the project, so a checkout without them skips what needs them."""
    folder = Path(os.environ.get("SOPHON_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no labelled photographs at {folder} (set SOPHON_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def model_pack() -> ModelPack:
    """The installed models; without them the tests fail and say how to install them."""
    return ModelPack.load()


@pytest.fixture(scope="session")
def engine(model_pack: ModelPack) -> Iterator[FaceEngine]:
    """The engine with the installed models; loading it takes longer than most tests."""
    from sophon.engine import FaceEngine

    with FaceEngine(model_pack) as one:
        yield one


@pytest.fixture(scope="session")
def portraits() -> Path:
    """The demo's photographs: `people/PERSON/FILE` and `cut/FILE`."""
    from sophon.sim.portraits import fetch_portraits

    return fetch_portraits()


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerNode]:
    """A real RabbitMQ node for all tests that do not break it; a machine without RabbitMQ fails them."""
    from sophon.sim import BrokerNode

    with BrokerNode() as node:
        yield node


@pytest.fixture
def platform() -> Iterator[ReferencePlatform]:
    """A reference platform of the test's own."""
    from sophon.sim import ReferencePlatform

    with ReferencePlatform() as one:
        yield one

"""What the benchmarks run on: the installed models and the demo's portraits. Quick by default; `--thorough` for figures
to quote."""

from __future__ import annotations

from pathlib import Path

import pytest

from sophon.models import ModelPack
from sophon.sim.portraits import fetch_portraits


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="Many rounds: for figures to quote.")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often each benchmark is run."""
    return 200 if request.config.getoption("--thorough") else 20


@pytest.fixture(scope="session")
def model_pack() -> ModelPack:
    return ModelPack.load()


@pytest.fixture(scope="session")
def portraits() -> Path:
    return fetch_portraits()

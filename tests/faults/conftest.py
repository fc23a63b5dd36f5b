"""A private node per module of faults, and the summary of what was done to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sophon.contract import Fiqa, FiqaRequest, encode_photo
from sophon.sim import BrokerNode, PlatformDesk
from tests.faults import preloads
from tests.faults.bench import FaultBench

_ROWS: list[tuple[str, str, str]] = []


@pytest.fixture(scope="module")
def node() -> Iterator[BrokerNode]:
    """A node that may be killed, frozen and misconfigured; it is put right after each test."""
    with BrokerNode() as node:
        yield node


@pytest.fixture
def bench(
    tmp_path: Path, node: BrokerNode, portraits: Path, request: pytest.FixtureRequest
) -> Iterator[FaultBench]:
    portrait = (portraits / "people" / "joe_biden" / "biden.jpg").read_bytes()
    dev_sno = "B" + str(abs(hash(request.node.name)) % 10**8)
    with FaultBench(tmp_path, node, portrait, dev_sno) as bench:
        yield bench


@pytest.fixture(scope="session")
def power_cut_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloads.build("power_cut", tmp_path_factory.mktemp("power_cut"))


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloads.build("clock", tmp_path_factory.mktemp("clock"))


@pytest.fixture
def report() -> Callable[[str, str, str], None]:
    """Note a case for the summary: its number in the list of faults, what was done, how it went."""
    return lambda case, what, outcome: _ROWS.append((case, what, outcome))


@pytest.fixture
def broker_fiqa(portraits: Path) -> Callable[[FaultBench], float]:
    """Ask a bench's box for a judgement over its queue; how many seconds the answer took."""
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())

    def ask(bench: FaultBench) -> float:
        started = time.monotonic()
        with PlatformDesk(bench.lines.model_copy(update={"upload_queue": None})) as desk:
            result = desk.call(Fiqa(info=FiqaRequest(image_base64_str=photo)), 30)
        assert result.code == 0
        return time.monotonic() - started

    return ask


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _ROWS:
        return
    lines = ["| case | what was done | outcome |", "|---|---|---|"]
    lines += [f"| {case} | {what} | {outcome} |" for case, what, outcome in _ROWS]
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line("\n".join(lines))
    file = os.environ.get("SOPHON_FAULT_REPORT")
    if file:
        Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")

"""The choice of instruction set, as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sophon import _core


def chosen_when_forced(isa: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from sophon import _core; print(_core.chosen_isa())"],
        env={**os.environ, "SOPHON_ISA": isa}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_most_capable_usable_set_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOPHON_ISA", raising=False)

    assert _core.chosen_isa() == _core.usable_isas()[-1]


@pytest.mark.parametrize("isa", _core.usable_isas())
def test_sophon_isa_forces_a_usable_set(isa: str) -> None:
    assert chosen_when_forced(isa).stdout.strip() == isa


@pytest.mark.parametrize("isa", ["mmx", *({"avx2", "neon"} - set(_core.compiled_isas()))])
def test_sophon_isa_refuses_a_set_this_machine_lacks(isa: str) -> None:
    refused = chosen_when_forced(isa)

    assert refused.returncode != 0
    assert isa in refused.stderr
    assert "baseline" in refused.stderr, "the message says what could be asked for"

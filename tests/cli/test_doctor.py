"""`sophon doctor` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sophon import _core
from sophon.cli import app
from sophon.models import ModelPack, Role
from tests.models.packs import pack_folder


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    pack_folder(folder, {Role.DETECTOR: b"the detector"})
    monkeypatch.setenv("SOPHON_MODEL_DIR", str(folder))
    return folder


def findings(output: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(finding["topic"], finding["subject"]): finding for finding in json.loads(output)}


def test_names_core_kernels_models_broker_and_disk(pack: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])

    found = findings(result.stdout)
    assert result.exit_code == 0, result.output
    assert found["core", "version"]["value"] == _core.version()
    assert found["core", "kernels"]["value"].startswith(_core.chosen_isa())
    assert "MIT" in found["model", "detector"]["value"]
    assert ModelPack.load().model(Role.DETECTOR).sha256 in found["model", "detector"]["value"]
    assert found["broker", "RabbitMQ"]["value"][0].isdigit(), "the version, as RabbitMQ says it"
    assert "GiB free" in found["disk", "data"]["value"]


def test_a_damaged_model_is_named_with_its_remedy_and_status_1(pack: Path) -> None:
    (pack / "detector.onnx").write_bytes(b"damaged")

    result = CliRunner().invoke(app, ["doctor", "--json"])

    assert result.exit_code == 1
    assert "sophon models install" in findings(result.stdout)["model", "detector"]["problem"]


def test_without_models_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPHON_MODEL_DIR", str(tmp_path / "none"))

    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})

    assert result.exit_code == 1
    assert "sophon models install" in result.stdout
    assert "1 thing wrong" in result.stdout


def test_an_instruction_set_this_machine_lacks_is_said_not_crashed_on(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPHON_ISA", "mmx")

    result = CliRunner().invoke(app, ["doctor", "--json"])

    assert result.exit_code == 1
    assert "mmx" in findings(result.stdout)["core", "kernels"]["problem"]

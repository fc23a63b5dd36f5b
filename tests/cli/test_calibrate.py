"""`sophon calibrate` as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sophon import SophonError
from sophon.calibration import load_calibration
from sophon.cli import app
from sophon.engine import FaceEngine
from sophon.models import ModelPack


@pytest.fixture
def some_people(test_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for person in sorted((test_data / "lfw").iterdir())[:80]:
        if person.is_dir():
            shutil.copytree(person, folder / person.name)
    (folder / "somebody").mkdir()
    (folder / "somebody" / "broken.jpg").write_bytes(b"not a photograph")
    return folder


def test_the_result_is_shown_and_kept_beside_the_pack(
    some_people: Path, model_pack: ModelPack, tmp_path: Path
) -> None:
    shutil.copytree(model_pack.directory, tmp_path / "pack")
    command = ["calibrate", str(some_people), "--dir", str(tmp_path / "pack"), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    with FaceEngine(model_pack) as engine:
        kept = load_calibration(tmp_path / "pack", engine.making_id)
    assert kept is not None
    assert shown["comparisons"] == kept.comparisons > 1000
    assert shown["skipped"] >= 1
    assert 0.3 < shown["default_threshold"] == kept.threshold() < 0.6


def test_a_dry_run_changes_nothing(some_people: Path, model_pack: ModelPack, tmp_path: Path) -> None:
    shutil.copytree(model_pack.directory, tmp_path / "pack")
    before = sorted((tmp_path / "pack").iterdir())
    result = CliRunner().invoke(
        app, ["calibrate", str(some_people), "--dir", str(tmp_path / "pack"), "--dry-run"]
    )
    assert "extrapolated, default" in result.output
    assert sorted((tmp_path / "pack").iterdir()) == before


def test_a_folder_without_people_is_refused(tmp_path: Path, model_pack: ModelPack) -> None:
    result = CliRunner().invoke(app, ["calibrate", str(tmp_path), "--dir", str(model_pack.directory)])
    assert isinstance(result.exception, SophonError)
    assert "one folder per person" in str(result.exception)

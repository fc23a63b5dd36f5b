"""`sophon fiqa`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.engine import load_photo


@pytest.fixture
def portrait(portraits: Path) -> Path:
    return portraits / "people" / "barack_obama" / "obama.jpg"


@pytest.fixture
def blurred(portrait: Path, tmp_path: Path) -> Path:
    path = tmp_path / "blurred.png"
    cv2.imwrite(str(path), cv2.GaussianBlur(load_photo(portrait), (0, 0), 12))
    return path


def test_a_good_portrait_passes(portrait: Path) -> None:
    result = CliRunner().invoke(app, ["fiqa", str(portrait)])
    assert result.exit_code == 0
    assert "pass, score" in result.stdout
    assert "headpose" in result.stdout


def test_a_blurred_one_fails_at_high_and_passes_at_low(blurred: Path) -> None:
    high = CliRunner().invoke(app, ["fiqa", str(blurred), "--json"])
    assert high.exit_code == 1
    [entry] = json.loads(high.stdout)[0]["data"]
    assert entry["fails"] == ["clarity"]
    assert entry["fiqa_result"] is False
    assert CliRunner().invoke(app, ["fiqa", str(blurred), "--level", "low"]).exit_code == 0


def test_unusable_photographs_are_told_and_fail(portrait: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("hello")
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((100, 100, 3), 200, np.uint8))
    result = CliRunner().invoke(app, ["fiqa", str(portrait), str(text), str(empty), "--json"])
    assert result.exit_code == 1
    good, not_a_picture, no_face = json.loads(result.stdout)
    assert good["data"][0]["fiqa_result"] is True
    assert not_a_picture["code"] == 40003
    assert no_face["data"] == []
    shown = CliRunner().invoke(app, ["fiqa", str(text), str(empty)]).stdout
    assert "not a JPEG" in shown
    assert "no face" in shown


def test_the_sheet_shows_every_face(portrait: Path, blurred: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(
        app, ["fiqa", str(portrait), str(blurred), str(portrait), "--save", str(sheet)]
    )
    assert result.exit_code == 1
    height, width = load_photo(sheet).shape[:2]
    assert (height, width) == (520, 1360)  # three faces, two in a row


@pytest.mark.parametrize("arguments", [[], ["--level", "best", "x.jpg"], ["--nonsense", "x.jpg"]])
def test_wrong_usage_ends_with_status_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["fiqa", *arguments]).exit_code == 2


def test_a_sheet_that_can_not_be_written_is_wrong_usage(portrait: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["fiqa", str(portrait), "--save", str(tmp_path / "no" / "sheet.png")])
    assert result.exit_code == 2

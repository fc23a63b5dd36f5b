"""`sophon models` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sophon import SophonError
from sophon.cli import app
from sophon.models import ModelPack, Role
from tests.models.packs import pack_folder, sha256

FILES = {Role.DETECTOR: b"the detector", Role.EMBEDDING: b"the embedding"}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small pack, installed by the command where the environment says."""
    monkeypatch.setenv("SOPHON_MODEL_DIR", str(tmp_path / "installed"))
    pack_folder(tmp_path / "mine", FILES)
    result = CliRunner().invoke(app, ["models", "install", "--from", str(tmp_path / "mine")])
    assert result.exit_code == 0, result.output
    assert "the pack mine with 2 models" in result.output
    return tmp_path / "installed"


def test_list_shows_where_every_model_comes_from(installed: Path) -> None:
    result = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for shown in ("detector", "CC0-1.0", "made by the test", sha256(b"the detector")):
        assert shown in result.output


def test_list_as_json(installed: Path) -> None:
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert listed["directory"] == str(installed)
    assert [model["role"] for model in listed["models"]] == ["detector", "embedding"]
    assert listed["models"][0]["size"] == len(b"the detector")


def test_verify_ends_with_status_1_where_a_file_changed(installed: Path) -> None:
    assert CliRunner().invoke(app, ["models", "verify"]).exit_code == 0
    ModelPack.load().path(Role.EMBEDDING).write_bytes(b"damaged")
    result = CliRunner().invoke(app, ["models", "verify", "--json"])
    assert result.exit_code == 1
    problems = {finding["role"]: finding["problem"] for finding in json.loads(result.stdout)}
    assert problems["detector"] is None
    assert "sha256" in problems["embedding"]


def test_what_is_exported_can_be_installed(installed: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["models", "export", str(tmp_path / "stick")]).exit_code == 0
    elsewhere = ["--from", str(tmp_path / "stick"), "--dir", str(tmp_path / "elsewhere")]
    assert runner.invoke(app, ["models", "install", *elsewhere]).exit_code == 0
    assert ModelPack.load(tmp_path / "elsewhere").read(Role.DETECTOR) == b"the detector"


def test_if_missing_keeps_a_whole_pack_whatever_it_is(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no registry client could run
    result = CliRunner().invoke(app, ["models", "install", "--if-missing"])
    assert result.exit_code == 0
    assert ModelPack.load().manifest.name == "mine"


def test_if_missing_renews_a_pack_that_sophon_ships_in_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPHON_MODEL_DIR", str(tmp_path / "installed"))
    pack_folder(tmp_path / "old", FILES, name="standard")
    runner = CliRunner()
    assert runner.invoke(app, ["models", "install", "--from", str(tmp_path / "old")]).exit_code == 0

    again = runner.invoke(app, ["models", "install", "--if-missing", "--from", str(tmp_path / "old")])

    assert "the pack standard" in again.stdout, "it was installed again, not left as it was"


def test_a_wrong_call_ends_with_status_2(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["models", "install", "--from", str(tmp_path / "nothing")]).exit_code == 2
    assert CliRunner().invoke(app, ["models", "export"]).exit_code == 2


def test_the_opencv_zoo_is_refused_without_a_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "install", "--pack", "opencv-zoo", "--dir", str(tmp_path)])
    assert isinstance(result.exception, SophonError)
    assert "--from DIR" in str(result.exception)

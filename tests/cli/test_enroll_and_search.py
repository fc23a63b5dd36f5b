"""Enrolling a folder and searching with a photograph, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.errors import SophonError


def run(*arguments: str | Path, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if isinstance(result.exception, SophonError):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout


def test_people_of_a_folder_are_found_again(portraits: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    people = portraits / "people"
    enrolled = json.loads(run("enroll", people, "--data-dir", data, "--level", "middle", "--json"))
    assert enrolled == {
        "enrolled": ["barack_obama", "eileen_collins", "joe_biden"],
        "duplicates": {},
        "refused": [],
    }
    (face,) = json.loads(run("search", people / "barack_obama" / "obama3.jpg", "--data-dir", data, "--json"))
    assert (face["people"][0]["identity_id"], face["people"][0]["match"]) == ("barack_obama", True)
    assert face["people"][0]["name"] == "barack obama"
    assert [one["match"] for one in face["people"][1:]] == [False, False]


def test_who_is_refused_is_named_with_the_reason(portraits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "nobody.jpg").write_bytes(b"no photograph")
    (folder / "E1.jpg").write_bytes((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    output = run("enroll", folder, "--data-dir", tmp_path / "data", status=1)
    assert "nobody" in output
    assert "40003" in output
    assert "1 enrolled, 1 refused" in output


def test_without_photographs_or_people_the_remedy_is_named(portraits: Path, tmp_path: Path) -> None:
    with pytest.raises(SophonError, match="no photographs in"):
        run("enroll", tmp_path, "--data-dir", tmp_path / "data")
    with pytest.raises(SophonError, match="there is no box's data"):
        run("search", portraits / "people" / "joe_biden" / "biden.jpg", "--data-dir", tmp_path / "none")

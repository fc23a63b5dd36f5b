"""`sophon demo`: everything it promises happens, and what does not happen is its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.contract import AddUsersPlus, Fiqa, parse_command, parse_result
from sophon.demo.cast import cast_of
from sophon.demo.story import Finding, Step, as_expected
from sophon.sim import people_in
from tests.sim.processes import processes_that_name


def run_demo(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "sophon", "demo", "--json", "--out", str(folder / "out"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=280)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def steps(findings: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(finding["step"] for finding in findings))


@pytest.mark.parametrize("how", [("--no-broker",), ()], ids=["in process", "over RabbitMQ"])
def test_the_main_job_is_done_on_official_portraits(
    portraits: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    status, findings = run_demo(tmp_path, *how)

    assert [finding for finding in findings if not finding["ok"]] == []
    assert status == 0
    assert steps(findings) == ["enrol", "recognise", "judge", "delete"]
    got = {(finding["step"], finding["got"]) for finding in findings}
    assert ("enrol", "enrolled") in got
    assert ("recognise", "Barack Obama") in got
    assert ("recognise", "stranger") in got
    assert ("judge", "bad: partial") in got
    assert ("delete", "stranger") in got


def test_it_leaves_a_contact_sheet_and_the_raw_messages(portraits: Path, tmp_path: Path) -> None:
    run_demo(tmp_path, "--no-broker")

    sheet = cv2.imread(str(tmp_path / "out" / "contact-sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 1000
    messages = sorted((tmp_path / "out" / "messages").iterdir())
    to_box = [parse_command(file.read_bytes()) for file in messages if "-to-box-" in file.name]
    from_box = [parse_result(file.read_bytes()) for file in messages if "-from-box-" in file.name]
    assert len(to_box) == len(from_box) == len(messages) / 2
    assert {type(command) for command in to_box} >= {AddUsersPlus, Fiqa}


@pytest.mark.slow
def test_ones_own_folder_of_people(test_data: Path, tmp_path: Path) -> None:
    status, findings = run_demo(tmp_path, "--no-broker", "--photos", str(test_data / "lfw"), "--people", "10")

    assert status == 0
    enrolled = [finding for finding in findings if finding["got"] == "enrolled"]
    assert len(enrolled) >= 8


def test_a_folder_without_people_is_an_error_that_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sophon", "demo", "--no-broker", "--photos", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "no photographs" in done.stderr


def test_without_rabbitmq_both_remedies_are_named(portraits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.cli.demo.find_broker", lambda: None)

    result = CliRunner().invoke(app, ["demo"])

    assert result.exit_code == 1
    assert "apt-get install rabbitmq-server" in str(result.exception)
    assert "--no-broker" in str(result.exception)


@pytest.mark.fault
def test_a_demo_that_is_told_to_end_leaves_nothing_running(portraits: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "sophon", "demo"], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (boxes := list(tmp_path.glob("sophon-demo-*/box.log"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()

    assert process.wait(60) == 143
    assert boxes
    assert not list(tmp_path.glob("sophon-*"))
    assert not processes_that_name(tmp_path)


def test_who_has_several_photographs_is_enrolled_and_who_has_one_is_a_stranger(
    portraits: Path, tmp_path: Path
) -> None:
    photo = portraits / "people" / "joe_biden" / "biden.jpg"
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg", "d/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(photo)
    made = tmp_path / "made"
    made.mkdir()

    cast = cast_of(people_in(tmp_path), (), made, level="middle", most=50, are_good=False)

    people = [candidate for candidate in cast.candidates if not candidate.refusals]
    assert [(one.identity_id, one.level) for one in people] == [("a", "middle"), ("b", "middle")]
    assert [probe.expected for probe in cast.probes] == ["a", "b", None, None]
    assert {one.level for one in cast.candidates if one.refusals} == {"high"}


def finding(step: Step, ok: bool) -> Finding:
    return Finding(step, "", "", "", ok)


def test_anything_unexpected_is_the_exit_status() -> None:
    good = [finding(step, ok=True) for step in Step]

    assert as_expected(good)
    assert not as_expected(good[:-1])
    for step in Step:
        assert not as_expected([*good, finding(step, ok=False)])


def test_of_many_recognitions_few_may_be_wrong() -> None:
    others = [finding(step, ok=True) for step in Step if step is not Step.RECOGNISE]
    right = [finding(Step.RECOGNISE, ok=True)] * 170
    wrong_name = finding(Step.RECOGNISE, ok=False)
    miss = replace(wrong_name, is_miss=True)

    assert as_expected([*others, *right, *[wrong_name] * 2])
    assert not as_expected([*others, *right, *[wrong_name] * 3])
    assert as_expected([*others, *right, *[miss] * 30], most_misses=0.15)
    assert not as_expected([*others, *right, *[miss] * 31], most_misses=0.15)
    assert not as_expected([*others, *right, miss])

"""`sophon demo`: everything it promises happens, and what does not happen is its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.contract import AddUsersPlus, Event, Fiqa, parse_command, parse_result
from sophon.demo.cast import cast_of
from sophon.demo.finding import Finding, Step, as_expected
from sophon.demo.watch import Passage, Passer, compare
from sophon.recognition import PersonType
from sophon.sim import people_in
from sophon.store import DeviceRow
from tests.sim.processes import processes_that_name


def run_demo(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "sophon", "demo", "--json", "--out", str(folder / "out"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=280)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def steps(findings: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(finding["step"] for finding in findings))


@dataclass(frozen=True)
class Run:
    status: int
    findings: list[dict[str, Any]]
    out: Path


@pytest.fixture(scope="module", params=[("--no-broker",), ()], ids=["in process", "over RabbitMQ"])
def run(request: pytest.FixtureRequest, portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo, once for each way."""
    folder = tmp_path_factory.mktemp("demo")
    status, findings = run_demo(folder, *request.param)
    return Run(status, findings, folder / "out")


@pytest.mark.slow
def test_the_main_job_is_done_on_official_portraits(run: Run) -> None:
    assert [finding for finding in run.findings if not finding["ok"]] == []
    assert run.status == 0
    assert steps(run.findings) == ["enrol", "recognise", "judge", "watch", "delete"]
    got = {(finding["step"], finding["got"]) for finding in run.findings}
    assert ("enrol", "enrolled") in got
    assert ("recognise", "Barack Obama") in got
    assert ("recognise", "stranger") in got
    assert ("judge", "bad: partial") in got
    assert ("delete", "stranger") in got


@pytest.mark.slow
def test_the_platform_receives_who_passes_the_pad_and_the_cameras(run: Run) -> None:
    told = {
        finding["title"]: finding["got"].partition("; live")[0]
        for finding in run.findings
        if finding["step"] == "watch"
    }

    assert told == {
        "Joe Biden": "on the blacklist",
        "pad at the door: Barack Obama": "Barack Obama, employee; door opens",
        "pad at the door: Eileen Collins": "Eileen Collins, stranger; door stays shut",
        "pad at the door: Joe Biden": "Joe Biden, blacklist; alarm",
        "snapshot camera: Barack Obama": "Barack Obama, employee",
        "snapshot camera: Eileen Collins": "Eileen Collins, stranger",
        "snapshot camera: Joe Biden": "Joe Biden, blacklist",
        "IP camera: Barack Obama": "Barack Obama, employee",
        "IP camera: Eileen Collins": "Eileen Collins, stranger",
        "IP camera: Joe Biden": "Joe Biden, blacklist",
    }


@pytest.mark.slow
def test_it_leaves_a_contact_sheet_and_the_raw_messages(run: Run) -> None:
    sheet = cv2.imread(str(run.out / "contact-sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 1000
    messages = sorted((run.out / "messages").iterdir())
    to_box = [parse_command(file.read_bytes()) for file in messages if "-to-box-" in file.name]
    from_box = [parse_result(file.read_bytes()) for file in messages if "-from-box-" in file.name]
    assert len(to_box) == len(from_box) == len(messages) / 2
    assert {type(command) for command in to_box} >= {AddUsersPlus, Fiqa}


@pytest.mark.slow
def test_the_tables_show_the_platforms_events_beside_the_truth(portraits: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sophon", "demo", "--no-broker", "--out", str(tmp_path / "out")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    heading = next(line for line in shown.splitlines() if "the truth" in line)
    assert "the platform received" in heading
    assert "simulated sub-devices" in shown
    assert "watch     10 of 10 as expected" in shown


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


@pytest.mark.slow
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


PAD = DeviceRow("10.0.0.1", "4", "pad")


def event(identity_id: str, person_type: PersonType, device_ip: str = PAD.ip) -> Event:
    where = {"device_ip": device_ip, "device_type": "4", "grab_fiqa_info": {}, "box_fiqa_info": {}}
    return Event.model_validate(
        {
            "identity_id": identity_id,
            "identity_name": identity_id,
            "group_name": "default_group",
            "timestamp": 1000,
            "score": 0.9,
            "ext_data": {**where, "person_type": int(person_type)},
        }
    )


def test_an_event_that_is_missing_wrong_or_without_its_order_is_not_as_expected() -> None:
    ann = Passer("Ann", Path("ann.jpg"), "E1", PersonType.EMPLOYEE)
    opened = Passage(PAD, ann, has_door=True, order="opendoor")
    told = event("E1", PersonType.EMPLOYEE)

    assert [one.ok for one in compare([opened], [told], [(1.2, told)])] == [True]
    assert compare([opened], [told], [(1.2, told)])[0].got == "Ann, employee; door opens; live after 200 ms"
    assert [one.ok for one in compare([opened], [], [])] == [False]
    assert [one.ok for one in compare([replace(opened, order=None)], [told], [])] == [False]
    for untrue in (
        event("E2", PersonType.EMPLOYEE),
        event("E1", PersonType.BLACKLIST),
        event("E1", PersonType.EMPLOYEE, "10.0.0.9"),
    ):
        assert [one.ok for one in compare([opened], [told, untrue], [])] == [True, False]

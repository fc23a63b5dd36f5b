"""The demo's photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from sophon.sim.portraits import PORTRAITS, fetch_portraits


def test_every_portrait_is_a_photograph_in_its_persons_folder(portraits: Path) -> None:
    for portrait in PORTRAITS:
        image = cv2.imread(str(portraits / portrait.path))
        assert image is not None
        assert min(image.shape[:2]) >= 400
    people = {path.name for path in (portraits / "people").iterdir()}
    assert people == {portrait.person for portrait in PORTRAITS}


def test_names_are_for_people_to_read() -> None:
    assert {portrait.name for portrait in PORTRAITS} == {"Barack Obama", "Joe Biden", "Eileen Collins"}


@pytest.mark.slow
def test_they_are_fetched_once_and_a_damaged_one_again(tmp_path: Path) -> None:
    steps: list[str] = []
    folder = fetch_portraits(tmp_path, on_step=lambda what, done, total: steps.append(what))
    assert {step.split()[0] for step in steps} == {"face_recognition", "scikit-image"}
    steps.clear()
    fetch_portraits(tmp_path, on_step=lambda what, done, total: steps.append(what))
    assert steps == []
    (folder / "people" / "eileen_collins" / "astronaut.png").write_bytes(b"")
    fetch_portraits(tmp_path, on_step=lambda what, done, total: steps.append(what))
    assert {step.split()[0] for step in steps} == {"scikit-image"}

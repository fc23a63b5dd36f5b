"""Enrolment: who is taken, who is refused, and with which code."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sophon.commands.add_users_plus import ENROLMENT_NICENESS
from sophon.contract import Person, PersonInfo, encode_photo
from sophon.engine import FaceEngine
from sophon.platform import PlatformClient
from sophon.sim import ReferencePlatform
from sophon.store import FaceRow
from tests.commands.rig import Rig

Json = dict[str, Any]


def person(identity_id: Any, photo: bytes | str, **fields: Any) -> Json:
    text = photo if isinstance(photo, str) else encode_photo(photo)
    return {
        "identity_id": identity_id,
        "reg_photo": text,
        "info": {"name": f"name of {identity_id}"},
        **fields,
    }


def inline(*people: Any, **fields: Any) -> Json:
    return {"method": "add_users_plus", "user_info_list": list(people), "extend_params": {}, **fields}


def by_id(*ids: Any) -> Json:
    return {"method": "add_users_plus", "userid_list": list(ids), "extend_params": {"path": "/getSendPerson"}}


def codes(answer: Json) -> dict[str, int]:
    result = answer["result"]
    return {one["userid"]: one["code"] for one in result["success_users"] + result["failed_users"]}


@pytest.fixture
def obama(people: Path) -> bytes:
    return (people / "barack_obama" / "obama.jpg").read_bytes()


@pytest.fixture
def biden(people: Path) -> bytes:
    return (people / "joe_biden" / "biden.jpg").read_bytes()


def jpeg(image: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", image)[1])


def pixels(photo: bytes) -> np.ndarray[Any, Any]:
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


def beside(left: bytes, right: bytes, right_scale: float) -> bytes:
    """Two photographs in one, the right one's size relative to the left one's."""
    a = cv2.resize(pixels(left), (600, 600))
    side = int(600 * right_scale)
    b = np.full((600, side, 3), 255, np.uint8)
    b[:side] = cv2.resize(pixels(right), (side, side))
    return jpeg(np.hstack([a, b]))


def test_three_ways_to_a_photograph(rig: Rig, platform: ReferencePlatform, people: Path) -> None:
    photo = people / "barack_obama" / "obama.jpg"
    platform.add_person("A", "a", photo, way="relative")
    platform.add_person("B", "b", photo, way="absolute")
    platform.add_person("C", "c", photo, way="inline")
    answer = rig.do(by_id("A", "B", "C"))
    assert codes(answer) == {"A": 0, "B": 0, "C": 0}
    assert rig.people() == {"A", "B", "C"}


def test_who_is_refused_and_why(rig: Rig, obama: bytes, biden: bytes) -> None:
    small = jpeg(cv2.resize(pixels(obama), None, fx=0.3, fy=0.3))
    blurred = jpeg(cv2.GaussianBlur(pixels(obama), (0, 0), 14))
    answer = rig.do(
        inline(
            person("good", obama),
            person("no face", jpeg(np.full((300, 300, 3), 127, np.uint8))),
            person("two alike", beside(obama, biden, 1.0)),
            person("one dominant", beside(obama, biden, 0.35), fiqa_level="no"),
            person("small", small),
            person("small but unchecked", small, fiqa_level="no"),
            person("blurred", blurred),
            person("text", b"this is no photograph"),
            person("not base64", "@@@@"),
            person("empty", ""),
            person("cut", obama[: len(obama) // 2]),
            person("huge", bytes(20 * 2**20 + 1)),
        )
    )
    found = codes(answer)
    assert found["good"] == found["one dominant"] == found["small but unchecked"] == 0
    assert found["no face"] == 40004
    assert found["two alike"] == found["blurred"] == 40006
    assert found["small"] == 40009
    assert {found[name] for name in ("text", "not base64", "empty", "cut")} == {40003}
    assert found["huge"] == 40007
    assert answer["success"] is True
    details = {one["userid"]: one for one in answer["result"]["failed_users"]}
    assert details["two alike"]["message"] == "人脸质量不合格: multiple_faces"
    assert "clarity" in details["blurred"]["message"]
    assert details["no face"]["message"] == "无法检测到人脸"
    assert details["no face"]["username"] == "name of no face"
    assert rig.people() == {"good", "one dominant", "small but unchecked"}


def test_one_bad_person_fails_alone_and_the_order_is_the_command_s(rig: Rig, obama: bytes) -> None:
    answer = rig.do(
        inline(
            person("E1", obama),
            {"identity_id": "E2", "info": {"name": "no photo"}},
            person("E3", obama, register_type=9),
            person(4, obama),
            person("E5", obama, fiqa_level="utmost"),
            "nobody",
            person("E1", obama, info={"name": "the last one wins", "type": 5, "card": "A-77"}),
        )
    )
    assert [one["userid"] for one in answer["result"]["success_users"]] == ["E1", "4"]
    assert [(one["userid"], one["code"]) for one in answer["result"]["failed_users"]] == [
        ("E2", 40071),
        ("E3", 40071),
        ("E5", 40071),
        ("", 40071),
    ]
    with rig.store.read() as snapshot:
        found = snapshot.people.get("E1")
        assert found is not None
        assert found.info == {
            "name": "the last one wins",
            "type": 5,
            "card": "A-77",
            "permission_ids": ["0"],
        }
        assert snapshot.groups.of_person("E1") == ["default_group"]


def test_an_overwrite_replaces_info_face_and_permissions(rig: Rig, obama: bytes, biden: bytes) -> None:
    rig.do(inline(person("E1", obama, info={"name": "old", "permission_ids": ["7"], "card": "A"})))
    rig.do(inline(person("E1", biden, info={"name": "new"})))
    (recognition,) = rig.box.recognise(biden)
    assert [match.identity_id for match in recognition.matches] == ["E1"]
    (recognition,) = rig.box.recognise(obama)
    assert recognition.matches == ()
    with rig.store.read() as snapshot:
        found = snapshot.people.get("E1")
        assert found is not None
        assert found.info == {"name": "new", "type": 1, "permission_ids": ["0"]}
        assert snapshot.permissions.of_person("E1") == ["0"]
        assert {group.permission_id for group in snapshot.permissions.all()} == {"7", "0"}


def test_an_unchanged_person_costs_no_analysis(
    rig: Rig, obama: bytes, monkeypatch: pytest.MonkeyPatch, engine: FaceEngine
) -> None:
    command = inline(person("E1", obama))
    rig.do(command)
    analysed: list[str] = []
    judge = FaceEngine.enroll_candidates

    def counting(self: FaceEngine, image: Any, level: str, **options: Any) -> Any:
        analysed.append(level)
        return judge(self, image, level, **options)

    monkeypatch.setattr(FaceEngine, "enroll_candidates", counting)
    assert codes(rig.do(command)) == {"E1": 0}
    assert codes(rig.do(inline(person("E1", obama, info={"name": "x", "permission_ids": ["9"]})))) == {
        "E1": 0
    }
    assert analysed == []
    assert rig.box.compare(obama, permission="9").person is not None
    # Another level is another judgement.
    assert codes(rig.do(inline(person("E1", obama, fiqa_level="middle")))) == {"E1": 0}
    assert analysed == ["middle"]


def test_a_full_gallery_refuses_the_next_but_not_an_overwrite(
    tmp_path: Path, engine: FaceEngine, client: PlatformClient, obama: bytes, biden: bytes
) -> None:
    rig = Rig(tmp_path / "small", engine, client, capacity=2)
    answer = rig.do(inline(*(person(f"E{number}", obama) for number in range(3))))
    assert codes(answer) == {"E0": 0, "E1": 0, "E2": 40015}
    assert codes(rig.do(inline(person("E0", biden)))) == {"E0": 0}
    rig.close()


def test_a_face_that_somebody_else_has_is_reported(rig: Rig, obama: bytes, biden: bytes) -> None:
    assert codes(rig.do(inline(person("E1", obama)))) == {"E1": 0}
    # Against those enrolled before, and against those of the same command; one's own former face says nothing.
    answer = rig.do(
        inline(person("E2", obama), person("E3", biden), person("E4", biden), person("E1", obama))
    )
    assert codes(answer) == {"E2": 0, "E3": 0, "E4": 0, "E1": 0}
    details = {one["userid"]: one.get("detail", "") for one in answer["result"]["success_users"]}
    assert details["E2"].startswith("duplicate_of: E1, ")
    assert details["E4"].startswith("duplicate_of: E3, ")
    assert details["E3"] == details["E1"] == ""
    with rig.store.read() as snapshot:
        assert snapshot.counters.get("duplicate_faces") == 2


@pytest.mark.parametrize(
    ("policy", "expected"), [("allow", {"E1": 0, "E2": 0}), ("reject", {"E1": 0, "E2": 40011})]
)
def test_what_is_done_about_a_face_that_somebody_else_has_is_a_setting(
    tmp_path: Path,
    engine: FaceEngine,
    client: PlatformClient,
    obama: bytes,
    policy: str,
    expected: dict[str, int],
) -> None:
    rig = Rig(tmp_path / "box", engine, client, duplicate_faces=policy)
    answer = rig.do(inline(person("E1", obama), person("E2", obama)))
    assert codes(answer) == expected
    assert all("detail" not in one for one in answer["result"]["success_users"])
    assert rig.people() == {identity for identity, code in expected.items() if code == 0}
    rig.close()


def test_a_fetch_that_fails_fails_its_people_only(
    rig: Rig, platform: ReferencePlatform, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add_person("E1", "a", people / "barack_obama" / "obama.jpg")
    platform.people["E2"] = Person(
        identity_id="E2", relative_pic_url="/photos/gone.jpg", info=PersonInfo(name="no photo there")
    )
    answer = rig.do(by_id("E1", "E2", "E3", 4, "x" * 65))
    assert answer["success"] is True
    assert codes(answer) == {"E1": 0, "E2": 50073, "E3": 50074, "4": 50074, "x" * 65: 40071}
    platform.misbehave("/getSendPerson", status=200, body=b"<html>")
    assert codes(rig.do(by_id("E1"))) == {"E1": 50074}
    platform.misbehave(
        "/getSendPerson", status=200, body=b'{"error": {"code": 1, "message": "no", "status": "X"}}'
    )
    assert codes(rig.do(by_id("E1"))) == {"E1": 50074}


def test_an_empty_list_is_a_success_with_two_empty_lists(rig: Rig) -> None:
    for command in (inline(), by_id()):
        answer = rig.do(command)
        assert answer["code"] == 0
        assert answer["result"] == {"success_users": [], "failed_users": []}


@pytest.mark.parametrize(
    "broken",
    [
        {"user_info_list": [], "userid_list": []},
        {},
        {"userid_list": ["a"]},
        {"userid_list": "a", "extend_params": {"path": "/p"}},
        {"userid_list": [["a"]], "extend_params": {"path": "/p"}},
        {"user_info_list": {"identity_id": "E1"}},
        {"user_info_list": [], "extend_params": 5},
    ],
)
def test_a_broken_envelope_changes_nothing(rig: Rig, broken: Json) -> None:
    answer = rig.do({"method": "add_users_plus", "messageId": "m", **broken})
    assert (answer["success"], answer["code"], answer["result"]) == (False, 40071, {})
    assert answer["messageId"] == "m"
    assert answer["detail"]
    assert rig.people() == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority per thread")
def test_enrolment_gives_way_to_recognition(rig: Rig, obama: bytes) -> None:
    """Given an enrolment; when its photographs are judged; then in threads of lower priority than the process has."""
    nicenesses: list[int] = []
    portrait = rig.box.portrait

    def noting(photo: bytes, level: str) -> FaceRow:
        nicenesses.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return portrait(photo, level)

    rig.box.portrait = noting  # type: ignore[method-assign]
    rig.do(inline(person("A", obama)))
    assert nicenesses == [max(ENROLMENT_NICENESS, os.getpriority(os.PRIO_PROCESS, 0))]

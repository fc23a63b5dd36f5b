"""The levels of face image quality."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sophon.engine import HeadPose, Item, Limits, QualityInfo, QualityLevels
from sophon.errors import Code, ConfigError, SophonError

GOOD = QualityInfo(
    face_size=411,
    headpose=HeadPose(pitch=9.38, roll=-0.05, yaw=-1.63),
    clarity=1.4716,
    brightness=0.9496,
    occlusion=(True, True, True),
    mask=0.0036,
    partial=False,
)
ALL = ["face_size", "headpose", "clarity", "brightness", "occlusion", "mask", "partial"]
CHECKED = {
    "high": ALL,
    "custom": ["face_size", "headpose", "clarity", "brightness", "partial"],
    "middle": ["face_size", "headpose", "brightness", "partial"],
    "low": ["face_size", "headpose"],
    "no": [],
}


def items(level: str, info: QualityInfo, passed: bool | None) -> list[str]:
    verdicts = QualityLevels().limits(level).judge(info)
    return [verdict.item.value for verdict in verdicts if verdict.passed is passed]


@pytest.mark.parametrize("level", CHECKED)
def test_a_good_face_passes_exactly_the_items_of_the_level(level: str) -> None:
    assert items(level, GOOD, True) == CHECKED[level]
    assert items(level, GOOD, False) == []


@pytest.mark.parametrize(
    ("item", "info"),
    [
        ("face_size", replace(GOOD, face_size=112)),
        ("headpose", replace(GOOD, headpose=HeadPose(pitch=-20, roll=20.5, yaw=-20))),
        ("clarity", replace(GOOD, clarity=0.99)),
        ("brightness", replace(GOOD, brightness=0.49)),
        ("occlusion", replace(GOOD, occlusion=(True, False, True))),
        ("mask", replace(GOOD, mask=0.51)),
        ("partial", replace(GOOD, partial=True)),
    ],
)
def test_each_item_fails_alone(item: str, info: QualityInfo) -> None:
    assert items("high", info, False) == [item]
    assert sorted([*items("high", info, True), item]) == sorted(ALL)
    assert items("no", info, False) == []


@pytest.mark.parametrize(
    ("level", "size", "angle"), [("high", 112, 60), ("middle", 80, 90), ("low", 60, 120)]
)
def test_the_contracts_limits(level: str, size: int, angle: int) -> None:
    on_the_line = replace(GOOD, face_size=size + 0.5, headpose=HeadPose(0, 0, angle))
    assert items(level, on_the_line, False) == []
    assert items(level, replace(on_the_line, face_size=size), False) == ["face_size"]
    assert items(level, replace(on_the_line, headpose=HeadPose(0, -0.1, angle)), False) == ["headpose"]


def test_what_was_not_measured_neither_passes_nor_fails() -> None:
    unmeasured = replace(GOOD, mask=None)
    assert "mask" not in items("high", unmeasured, True) + items("high", unmeasured, False)
    assert "mask" not in unmeasured.to_dict()


def test_the_contract_form_of_the_values() -> None:
    assert GOOD.to_dict() == {
        "face_size": 411,
        "headpose": {"pitch_angle": 9.38, "roll_angle": -0.05, "yaw_angle": -1.63},
        "clarity": 1.4716,
        "brightness": 0.9496,
        "occlusion": [True, True, True],
        "mask": 0.0036,
        "partial": False,
    }


def test_limits_are_configuration() -> None:
    levels = QualityLevels.parse({"custom": {"face_size": 40, "mask": 0.8}})
    judged = levels.limits("custom").judge(replace(GOOD, face_size=50, clarity=0))
    assert {verdict.item: verdict.passed for verdict in judged} == {
        **dict.fromkeys(Item),
        Item.FACE_SIZE: True,
        Item.MASK: True,
    }
    assert levels.limits("high") == QualityLevels().limits("high")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"high": {"face_size": -1}}, "high.face_size"),
        ({"high": {"brightness": 1.5}}, "high.brightness"),
        ({"middle": {"headpose": "much"}}, "middle.headpose"),
        ({"high": {"sharpness": 1}}, "high.sharpness"),
        ({"no": {}}, "no"),
        ({"custom": {"clarity": float("nan")}}, "custom.clarity"),
    ],
)
def test_a_bad_limit_is_refused_by_name(settings: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(ConfigError, match=f"quality level setting {says}:"):
        QualityLevels.parse(settings)


def test_an_unknown_level_is_a_parameter_error() -> None:
    with pytest.raises(
        SophonError, match="unknown quality level 'highest'; there are: high, custom"
    ) as caught:
        QualityLevels().limits("highest")
    assert caught.value.code is Code.PARAM_ERROR
    assert QualityLevels().limits("no") == Limits()

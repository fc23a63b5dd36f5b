"""The levels of face image quality: which items each one checks, and how strictly."""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sophon.engine.face import QualityInfo
from sophon.errors import Code, ConfigError, SophonError

Share = Annotated[float, Field(ge=0, le=1)]


class Item(str, Enum):
    """The seven items, in the order results list them."""

    FACE_SIZE = "face_size"
    HEADPOSE = "headpose"
    CLARITY = "clarity"
    BRIGHTNESS = "brightness"
    OCCLUSION = "occlusion"
    MASK = "mask"
    PARTIAL = "partial"


class Verdict(NamedTuple):
    """One item at one level."""

    item: Item
    value: str
    """What was measured, for people."""
    demand: str
    """What the level asks for; empty where it does not check the item."""
    passed: bool | None
    """None where the item is not checked, or could not be measured."""


class Limits(BaseModel):
    """What one level demands; an item at None (or False) is not checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    face_size: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """Passes above this many pixels."""
    headpose: Annotated[float, Field(ge=0, le=540)] | None = None
    """Passes where |yaw| + |pitch| + |roll| is at most this many degrees."""
    clarity: Annotated[float, Field(ge=0, le=10)] | None = None
    """Passes from this value on."""
    brightness: Share | None = None
    """Passes from this value on."""
    occlusion: bool = False
    """Passes where both eyes and the mouth are visible."""
    mask: Share | None = None
    """Passes up to this probability."""
    partial: bool = False
    """Passes where the face is wholly inside the photograph."""

    def judge(self, info: QualityInfo) -> list[Verdict]:
        """Return what this level says of every item, checked or not."""
        pose = info.headpose
        eyes_and_mouth = zip(("left eye", "right eye", "mouth"), info.occlusion, strict=True)
        hidden = [part for part, visible in eyes_and_mouth if not visible]
        return [
            _verdict(Item.FACE_SIZE, f"{info.face_size:.0f} px", ">", self.face_size, info.face_size),
            _verdict(
                Item.HEADPOSE,
                f"yaw {pose.yaw:+.0f}° pitch {pose.pitch:+.0f}° roll {pose.roll:+.0f}°",
                "≤",
                self.headpose,
                pose.total,
            ),
            _verdict(Item.CLARITY, f"{info.clarity:.2f}", "≥", self.clarity, info.clarity),
            _verdict(Item.BRIGHTNESS, f"{info.brightness:.2f}", "≥", self.brightness, info.brightness),
            Verdict(
                Item.OCCLUSION,
                f"hidden: {', '.join(hidden)}" if hidden else "all visible",
                "all visible" if self.occlusion else "",
                not hidden if self.occlusion else None,
            ),
            _verdict(
                Item.MASK,
                "not measured" if info.mask is None else f"{info.mask:.2f}",
                "≤",
                self.mask,
                info.mask,
            ),
            Verdict(
                Item.PARTIAL,
                "cut by the edge" if info.partial else "whole",
                "whole" if self.partial else "",
                not info.partial if self.partial else None,
            ),
        ]


_COMPARE: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "≥": operator.ge, "≤": operator.le}


def _verdict(item: Item, value: str, relation: str, limit: float | None, measured: float | None) -> Verdict:
    """Compare a measured number with its limit; without a limit or a measurement there is nothing to pass or fail."""
    demand = "" if limit is None else f"{relation} {limit:g}"
    passed = None if limit is None or measured is None else _COMPARE[relation](measured, limit)
    return Verdict(item, value, demand, passed)


_MIDDLE = Limits(face_size=80, headpose=90, brightness=0.5, partial=True)


class QualityLevels(BaseModel):
    """Limits of the five levels; the defaults are the wire contract's. `no` checks nothing and can't be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    high: Limits = Limits(
        face_size=112, headpose=60, clarity=1.0, brightness=0.5, occlusion=True, mask=0.5, partial=True
    )
    custom: Limits = _MIDDLE.model_copy(update={"clarity": 1.0})
    middle: Limits = _MIDDLE
    low: Limits = Limits(face_size=60, headpose=120)

    @classmethod
    def parse(cls, settings: dict[str, Any]) -> QualityLevels:
        """Check limits from a configuration; a level named there replaces the default wholly.

        Raises ConfigError naming the key and what it may be.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"quality level setting {key}: {first['msg']}") from error

    def limits(self, level: str) -> Limits:
        """Return a level's limits. Raises SophonError (PARAM_ERROR) for a name that is none of the five."""
        if level == "no":
            return Limits()
        if level not in type(self).model_fields:
            names = ", ".join([*type(self).model_fields, "no"])
            raise SophonError(Code.PARAM_ERROR, f"unknown quality level '{level}'; there are: {names}")
        limits: Limits = getattr(self, level)
        return limits

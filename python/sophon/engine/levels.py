"""The levels of face image quality: which items each one checks, and how strictly."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

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

    def judge(self, info: QualityInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the items that passed and those that failed; an item that could not be measured is in neither."""
        verdicts = {
            Item.FACE_SIZE: self.face_size is None or info.face_size > self.face_size,
            Item.HEADPOSE: self.headpose is None or info.headpose.total <= self.headpose,
            Item.CLARITY: self.clarity is None or info.clarity >= self.clarity,
            Item.BRIGHTNESS: self.brightness is None or info.brightness >= self.brightness,
            Item.OCCLUSION: all(info.occlusion),
            Item.MASK: self.mask is None or info.mask is None or info.mask <= self.mask,
            Item.PARTIAL: not info.partial,
        }
        checked = [item for item in self.checked_items() if not (item is Item.MASK and info.mask is None)]
        return (
            tuple(item.value for item in checked if verdicts[item]),
            tuple(item.value for item in checked if not verdicts[item]),
        )

    def checked_items(self) -> list[Item]:
        """Return the items this level checks."""
        return [item for item in Item if getattr(self, item.value) not in (None, False)]


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

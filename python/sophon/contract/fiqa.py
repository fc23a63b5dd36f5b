"""Face image quality on the wire: levels, and one record per face."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sophon.contract.message import Flag, Message, Number

FiqaLevel = Literal["high", "custom", "middle", "low", "no"]
FIQA_LEVELS: tuple[FiqaLevel, ...] = ("high", "custom", "middle", "low", "no")


class HeadPose(Message):
    """Angles of the head in degrees; zeros are frontal and upright."""

    pitch_angle: Number
    roll_angle: Number
    yaw_angle: Number


class FiqaInfo(Message):
    """The measured value of each item; an item that was not measured is left out."""

    face_size: Number | None = None
    headpose: HeadPose | None = None
    clarity: Number | None = None
    brightness: Number | None = None
    occlusion: Annotated[list[Flag], Field(min_length=3, max_length=3)] | None = None
    mask: Number | None = None
    partial: Flag | None = None


class FaceQualityRecord(Message):
    """The quality of one face in an image; ``bbox`` is x1, y1, x2, y2 in pixels, inside the image."""

    bbox: Annotated[list[int], Field(min_length=4, max_length=4)]
    fiqa_result: Flag
    score: Number
    success: list[str]
    fails: list[str]
    info: FiqaInfo


class BoxFiqaInfo(Message):
    """The quality of an event's face, as the box measured it; empty where the box does not measure."""

    age: Number | None = None
    sex: Number | None = None
    bbox: Annotated[list[int], Field(min_length=4, max_length=4)] | None = None
    fiqa_result: Flag | None = None
    score: Number | None = None
    success: list[str] | None = None
    fails: list[str] | None = None
    info: FiqaInfo | None = None

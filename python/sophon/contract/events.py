"""A comparison of a captured face with the galleries, as it is reported."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from sophon.contract.fiqa import BoxFiqaInfo
from sophon.contract.message import Integer, Message, Number

DeviceType = Literal["0", "1", "2", "3", "4"]


class EventData(Message):
    """Where and how the face was seen; open for more fields."""

    model_config = ConfigDict(extra="allow")

    device_ip: str
    ep_id: str | None = None
    dev_sno: str | None = None
    spot_pic: str | None = Field(default=None, repr=False)
    recognize_face: str | None = Field(default=None, repr=False)
    person_type: Integer
    device_type: DeviceType
    grab_fiqa_info: dict[str, Any]
    box_fiqa_info: BoxFiqaInfo


class Event(Message):
    """One comparison; the same form in real time and in the history. ``timestamp`` in ms, ``score`` in 0–1."""

    identity_id: str
    identity_name: str
    group_name: str
    reg_pic: str | None = Field(default=None, repr=False)
    timestamp: Integer
    score: Number
    ext_data: EventData

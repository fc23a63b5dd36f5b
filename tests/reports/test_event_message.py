"""Events in the contract's form, beside its examples."""

from __future__ import annotations

import base64
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from sophon.contract import decode_photo
from sophon.engine import load_photo
from sophon.reports.body import one
from sophon.reports.event_message import EventForm, event_message
from sophon.store import EventPictures
from tests.reports.conftest import PICTURES, event

FORM = EventForm("BOXA0001")
OURS = {"event_id"}


def keys(value: object, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {prefix}
    return set().union(*(keys(one, f"{prefix}.{name}") for name, one in value.items())) if value else {prefix}


@pytest.fixture(scope="module")
def examples() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "spec" / "examples"
    if not folder.is_dir():
        pytest.skip(f"no examples of the contract at {folder}")
    return folder


def test_the_realtime_example_comes_out_field_by_field(examples: Path) -> None:
    example = orjson.loads((examples / "realtime_event.json").read_bytes())
    picture = base64.b64decode("/9j/4AAQ")
    row = event(at=1566016554020, identity_id="666666", person_type=5)
    message = event_message(row, EventPictures(picture, picture), picture, FORM).to_wire()
    # Ruling 18: real-time events carry these two as well.
    assert message["ext_data"].pop("ep_id") == "BOXA0001__192.168.1.243"
    assert message["ext_data"].pop("dev_sno") == "BOXA0001"
    assert message == example


def test_the_history_example_comes_out_field_by_field(examples: Path) -> None:
    example = orjson.loads((examples / "history_event.json").read_bytes())
    picture = base64.b64decode("/9j/4AAQ")
    row = event(
        id=7,
        at=1560408984678,
        identity_id="13028",
        identity_name="stranger",
        person_type=4,
        device_ip="192.168.1.151",
        device_type="1",
        score=0.16,
        details={name: example["ext_data"][name] for name in ("grab_fiqa_info", "box_fiqa_info")},
    )
    message = event_message(row, EventPictures(picture, picture), None, FORM).to_wire()
    assert message["ext_data"].pop("event_id") == 7
    assert message == example


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        (EventForm("B", with_enrolment_photo=False), ".reg_pic"),
        (EventForm("B", with_scene=False), ".ext_data.spot_pic"),
        (EventForm("B", with_face=False), ".ext_data.recognize_face"),
        (EventForm("B", version="V2R1C01"), ".ext_data.recognize_face"),
    ],
)
def test_a_picture_that_is_not_wanted_is_left_out(form: EventForm, missing: str) -> None:
    whole = keys(event_message(event(), PICTURES, b"\xff\xd8", FORM).to_wire())
    assert whole - keys(event_message(event(), PICTURES, b"\xff\xd8", form).to_wire()) == {missing}


def test_a_strangers_enrolment_photo_is_empty() -> None:
    message = event_message(event(person_type=4), PICTURES, b"\xff\xd8", FORM).to_wire()
    assert message["reg_pic"] == ""


def test_a_large_enrolment_photo_is_sent_as_a_small_jpeg() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1200, 3), np.uint8)
    large = bytes(cv2.imencode(".png", noise)[1])
    message = event_message(event(), PICTURES, large, FORM).to_wire()
    sent = decode_photo(message["reg_pic"])
    assert sent.startswith(b"\xff\xd8")
    assert load_photo(sent).shape == (640, 512, 3)


def test_form_data_has_each_top_level_field_as_a_part() -> None:
    message = event_message(event(), PICTURES, b"\xff\xd8", FORM)
    body = one(message, "form-data")
    parts = BytesParser().parsebytes(
        b"Content-Type: " + body.content_type.encode() + b"\r\n\r\n" + body.content
    )
    assert parts.is_multipart()
    fields: dict[str, bytes] = {}
    for part in parts.get_payload():
        assert isinstance(part, Message)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = payload
    assert fields["identity_name"].decode() == "小明"
    assert orjson.loads(fields["ext_data"]) == message.to_wire()["ext_data"]
    assert set(fields) == set(message.to_wire())

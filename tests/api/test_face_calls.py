"""FIQA and PictureMatch."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from sophon.contract import FaceQualityRecord, encode_photo
from sophon.store import DeviceRow
from tests.api.conftest import RunningApi, data, enrol, error

FIQA, MATCH = "/SophonFace/api/FIQA", "/SophonMatch/api/PictureMatch"


def png(height: int, width: int) -> str:
    return encode_photo(cv2.imencode(".png", np.full((height, width, 3), 200, np.uint8))[1].tobytes())


def test_every_face_is_judged(admin: httpx.Client, obama: str) -> None:
    faces = data(admin.post(FIQA, json={"image_base64_str": obama}))
    assert len(faces) == 1
    face = FaceQualityRecord.model_validate(faces[0])
    assert set(face.success) | set(face.fails) == {
        "face_size", "headpose", "clarity", "brightness", "occlusion", "mask", "partial",
    }  # fmt: skip
    [low] = data(admin.post(FIQA, json={"image_base64_str": obama, "fiqa_level": "low"}))
    assert {*low["success"], *low["fails"]} == {"face_size", "headpose"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 40091),
        ({"image_base64_str": ""}, 40003),
        ({"image_base64_str": 7}, 40091),
        ({"image_base64_str": "@@@"}, 40003),
        ({"image_base64_str": base64.b64encode(b"GIF89a" + b"0" * 50).decode()}, 40003),
        ({"image_base64_str": png(64, 64)}, 40004),
        ({"image_base64_str": "AAAA", "fiqa_level": "best"}, 40091),
    ],
)
def test_what_can_not_be_judged_has_its_code(admin: httpx.Client, body: dict[str, Any], code: int) -> None:
    assert error(admin.post(FIQA, json=body)) == code


def test_a_bomb_is_refused_by_its_header(admin: httpx.Client) -> None:
    bomb = bytearray(base64.b64decode(png(64, 64)))
    bomb[16:24] = (30_000).to_bytes(4, "big") * 2
    assert error(admin.post(FIQA, json={"image_base64_str": encode_photo(bytes(bomb))})) == 40007


def test_whom_we_know_is_matched_and_a_stranger_is_not(admin: httpx.Client, obama: str, biden: str) -> None:
    assert error(admin.post(MATCH, json={"rgb_image_base64": obama})) == 40008
    data(enrol(admin, obama, info={"name": "Ann", "desk": "A7"}))
    known = data(admin.post(MATCH, json={"rgb_image_base64": obama, "need_register_photo": True}))
    assert (known["retcode"], known["identity_id"], known["name"]) == ("1", "E1", "Ann")
    assert known["identity_info"]["desk"] == "A7"
    assert known["reg_pic"] == obama
    assert known["score"] > 0.9
    stranger = data(admin.post(MATCH, json={"rgb_image_base64": biden, "need_register_photo": True}))
    assert (stranger["retcode"], stranger["identity_id"], stranger["name"]) == ("0", "", "stranger")
    assert (stranger["identity_info"], stranger["reg_pic"]) == ({}, "")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rgb_image_base64": None}, 40091),
        ({"image_file_path": "x.jpg"}, 40091),
        ({"ir_image_base64": "AAAA"}, 50100),
        ({"group_name": "nowhere"}, 40491),
        ({"group_name": ""}, 40012),
        ({"permission_name": "nowhere"}, 40491),
        ({"need_register_photo": "yes"}, 40005),
        ({"min_face_size": -1}, 40091),
        ({"min_face_size": 5000}, 40004),
        ({"device_ip": "not an address"}, 40091),
    ],
)
def test_a_wrong_comparison_has_its_code(
    admin: httpx.Client, obama: str, change: dict[str, Any], code: int
) -> None:
    assert error(admin.post(MATCH, json={"rgb_image_base64": obama, **change})) == code


def test_files_are_read_from_the_boxs_own_folder_only(
    api: RunningApi, admin: httpx.Client, obama: str, tmp_path: Path
) -> None:
    data(enrol(admin, obama))
    api.pictures.mkdir()
    (api.pictures / "one.jpg").write_bytes(base64.b64decode(obama))
    (tmp_path / "outside.jpg").write_bytes(base64.b64decode(obama))
    (api.pictures / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    assert data(admin.post(MATCH, json={"image_file_path": "one.jpg"}))["identity_id"] == "E1"
    assert error(admin.post(MATCH, json={"image_file_path": "two.jpg"})) == 40400
    for path in (
        "../../outside.jpg",
        str(tmp_path / "outside.jpg"),
        "link.jpg",
        "../sophon.db",
        "a\0b",
        "/etc/passwd",
    ):
        assert error(admin.post(MATCH, json={"image_file_path": path})) == 40091, path


def test_a_sub_devices_picture_makes_an_event(api: RunningApi, admin: httpx.Client, obama: str) -> None:
    data(enrol(admin, obama))
    with api.store.write() as transaction:
        transaction.devices.put(DeviceRow("192.168.1.31", "0", "gate"))
    unknown_device = {"rgb_image_base64": obama, "device_ip": "192.168.1.99"}
    assert data(admin.post(MATCH, json=unknown_device))["identity_id"] == "E1"
    with api.store.read() as snapshot:
        assert snapshot.events.count() == 0
    match = {"rgb_image_base64": obama, "device_ip": "192.168.1.31", "grab_fiqa_info": {"confidence": 0.9}}
    assert data(admin.post(MATCH, json=match))["identity_id"] == "E1"
    with api.store.read() as snapshot:
        [event] = snapshot.events.after(0)
    assert event.identity_id == "E1"
    assert error(admin.post(MATCH, json={**match, "group_name": "nowhere"})) == 40491

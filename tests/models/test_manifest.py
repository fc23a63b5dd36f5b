"""The manifest: what a pack may say, and what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sophon import Code, SophonError
from sophon.models import Manifest, ModelPack, Role
from sophon.models.manifest import MANIFEST, parse_manifest, shipped_manifest, shipped_packs
from tests.models.packs import pack_folder


def test_the_shipped_packs_are_the_standard_one_and_the_opencv_zoos() -> None:
    assert shipped_packs() == ["opencv-zoo", "standard"]
    zoo = shipped_manifest("opencv-zoo")
    assert [model.role for model in zoo.models] == [Role.DETECTOR, Role.EMBEDDING, Role.QUALITY]
    assert {model.licence.weights for model in zoo.models} == {"MIT", "Apache-2.0", "CC-BY-4.0"}


def test_the_standard_pack_has_a_model_for_every_role_but_quality() -> None:
    standard = shipped_manifest("standard")
    assert {model.role for model in standard.models} == set(Role) - {Role.QUALITY}


def test_every_model_of_the_standard_pack_comes_from_a_registry_at_one_version_and_hash() -> None:
    for model in shipped_manifest("standard").models:
        assert model.source is not None
        assert model.source.archive is not None
        assert model.conversion is not None or model.sha256 == model.source.sha256


def test_no_manifest_holds_an_address() -> None:
    for name in shipped_packs():
        assert b"://" not in shipped_manifest(name).to_json()


def test_an_unknown_pack_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SophonError, match="there are: opencv-zoo, standard"):
        shipped_manifest("../standard")


def test_a_manifest_survives_writing_and_reading() -> None:
    for name in shipped_packs():
        manifest = shipped_manifest(name)
        assert parse_manifest(manifest.to_json(), "written") == manifest


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    manifest = pack_folder(tmp_path / "pack", {Role.DETECTOR: b"d", Role.EMBEDDING: b"e"})
    loaded: dict[str, Any] = json.loads(manifest.to_json())
    return loaded


@pytest.mark.parametrize("file", ["../x.onnx", "/etc/passwd", "a/b.onnx", ".hidden", "", "x" * 200])
def test_a_file_name_that_leaves_the_folder_is_refused(document: dict[str, Any], file: str) -> None:
    document["models"][0]["file"] = file
    with pytest.raises(SophonError, match=r"models\.0\.file"):
        parse_manifest(json.dumps(document).encode(), "it")


@pytest.mark.parametrize("key", ["role", "file"])
def test_two_models_with_one_role_or_one_file_are_refused(document: dict[str, Any], key: str) -> None:
    document["models"][1][key] = document["models"][0][key]
    with pytest.raises(SophonError, match=f"{key} .* is there twice"):
        parse_manifest(json.dumps(document).encode(), "it")


@pytest.mark.parametrize("sha256", ["", "0" * 63, "G" * 64, "A" * 64])
def test_a_sha256_must_be_64_lower_case_hexadecimal_digits(document: dict[str, Any], sha256: str) -> None:
    document["models"][0]["sha256"] = sha256
    with pytest.raises(SophonError, match=r"models\.0\.sha256"):
        parse_manifest(json.dumps(document).encode(), "it")


def test_an_unknown_field_is_refused(document: dict[str, Any]) -> None:
    document["models"][0]["sha265"] = "a slip of the pen"
    with pytest.raises(SophonError, match="sha265"):
        parse_manifest(json.dumps(document).encode(), "it")


def test_the_channels_must_agree_with_the_colour(document: dict[str, Any]) -> None:
    document["models"][0]["input"]["colour"] = "grey"
    with pytest.raises(SophonError, match=r"not N, 1, H, W"):
        parse_manifest(json.dumps(document).encode(), "it")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"{" * 100_000])
def test_what_is_no_manifest_is_a_clear_error(data: bytes) -> None:
    with pytest.raises(SophonError, match="it is not a model manifest"):
        parse_manifest(data, "it")


def test_a_huge_manifest_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b" " * (2 << 20))
    with pytest.raises(SophonError, match="not a model manifest") as error:
        ModelPack.load(tmp_path)
    assert error.value.code is Code.SERVER_PROCESS_FAILED


def test_the_schema_can_be_shown_to_who_writes_a_pack() -> None:
    assert "models" in Manifest.model_json_schema()["properties"]

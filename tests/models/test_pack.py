"""The installed pack: what it has, and that nothing else than that is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from sophon import Code, SophonError
from sophon.models import ModelPack, Role
from tests.models.packs import pack_folder, sha256


@pytest.fixture
def pack(tmp_path: Path) -> ModelPack:
    pack_folder(tmp_path, {Role.DETECTOR: b"the detector", Role.EMBEDDING: b"the embedding"})
    return ModelPack.load(tmp_path)


def test_a_pack_knows_its_models(pack: ModelPack) -> None:
    assert pack.has(Role.DETECTOR)
    assert not pack.has(Role.MASK)
    assert pack.model(Role.EMBEDDING).sha256 == sha256(b"the embedding")
    assert pack.read(Role.EMBEDDING) == b"the embedding"


def test_a_file_that_changed_is_never_loaded(pack: ModelPack) -> None:
    pack.path(Role.DETECTOR).write_bytes(b"the Detector")
    with pytest.raises(SophonError, match="sha256") as error:
        pack.read(Role.DETECTOR)
    assert error.value.code is Code.SERVER_PROCESS_FAILED
    assert pack.read(Role.EMBEDDING) == b"the embedding"


def test_a_missing_file_is_a_clear_error(pack: ModelPack) -> None:
    pack.path(Role.DETECTOR).unlink()
    with pytest.raises(SophonError, match=r"can't be read.*sophon models install"):
        pack.read(Role.DETECTOR)


def test_a_missing_role_is_a_clear_error(pack: ModelPack) -> None:
    with pytest.raises(SophonError, match="no model for mask"):
        pack.model(Role.MASK)


def test_without_a_pack_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(SophonError, match="run: sophon models install") as error:
        ModelPack.load(tmp_path / "nothing")
    assert error.value.code is Code.SERVER_PROCESS_FAILED


def test_the_environment_says_where_the_pack_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_folder(tmp_path, {Role.DETECTOR: b"the detector"}, name="chosen")
    monkeypatch.setenv("SOPHON_MODEL_DIR", str(tmp_path))
    assert ModelPack.load().manifest.name == "chosen"

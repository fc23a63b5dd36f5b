"""Taking one file out of an archive that may be hostile."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from sophon import SophonError
from sophon.models.archives import read_member
from tests.models.packs import tarred, zipped


def test_reads_one_member_of_a_wheel_and_of_a_tarball(tmp_path: Path) -> None:
    members = {"package/readme": b"no", "package/model.onnx": b"weights"}
    assert read_member(zipped(tmp_path / "a.whl", members), "package/model.onnx") == b"weights"
    assert read_member(tarred(tmp_path / "a.tgz", members), "package/model.onnx") == b"weights"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_path_out_of_the_archive_writes_nothing(tmp_path: Path, make: object) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = (zipped if make is zipped else tarred)(inside / "a", {"../escaped": b"data"})
    assert read_member(archive, "../escaped") == b"data"
    assert list(tmp_path.rglob("*")) == [inside, archive]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_missing_member_is_named(tmp_path: Path, make: object) -> None:
    archive = (zipped if make is zipped else tarred)(tmp_path / "a", {"other": b""})
    with pytest.raises(SophonError, match=r"holds no model\.onnx"):
        read_member(archive, "model.onnx")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_over_the_limit_is_refused(tmp_path: Path, make: object) -> None:
    archive = (zipped if make is zipped else tarred)(tmp_path / "a", {"model.onnx": bytes(1001)})
    with pytest.raises(SophonError, match="over 1000 bytes"):
        read_member(archive, "model.onnx", limit=1000)


def test_a_symbolic_link_in_a_tarball_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        link = tarfile.TarInfo("model.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(SophonError, match="not a regular file"):
        read_member(tmp_path / "a.tgz", "model.onnx")


def test_a_symbolic_link_in_a_wheel_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        link = zipfile.ZipInfo("model.onnx")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SophonError, match="not a regular file"):
        read_member(tmp_path / "a.whl", "model.onnx")


def test_a_compression_bomb_before_the_member_is_not_unpacked_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.models.archives.MAX_UNPACKED_BYTES", 1 << 20)
    archive = tarred(tmp_path / "a.tgz", {"bomb": bytes(2 << 20), "model.onnx": b"weights"})
    with pytest.raises(SophonError, match="unpacks to more than"):
        read_member(archive, "model.onnx")


@pytest.mark.parametrize("damage", ["cut", "not an archive", "empty"])
def test_a_broken_archive_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    whole = tarred(tmp_path / "whole.tgz", {"model.onnx": b"weights" * 1000}).read_bytes()
    data = {"cut": whole[: len(whole) // 2], "not an archive": b"<html>", "empty": b""}[damage]
    (tmp_path / "a.tgz").write_bytes(data)
    with pytest.raises(SophonError, match=r"the archive a\.tgz"):
        read_member(tmp_path / "a.tgz", "model.onnx")


def test_a_wheel_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.whl", {"model.onnx": b"weights"})
    path.write_bytes(path.read_bytes().replace(b"weights", b"weighty", 1))
    with pytest.raises(SophonError, match="can't be read"):
        read_member(path, "model.onnx")

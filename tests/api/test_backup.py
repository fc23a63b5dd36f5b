"""A box as one file, by the API and by the command line."""

from __future__ import annotations

import base64
import stat
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

import sophon
from sophon.cli import app
from sophon.errors import Code, SophonError
from sophon.store import BackupWriter, Store
from sophon.tokens import Role
from tests.api.conftest import RunningApi, data, enrol, error


def test_a_box_goes_back_to_what_it_was_and_recognises_accordingly(
    admin: httpx.Client, api: RunningApi, obama: str, biden: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    data(enrol(admin, obama, "A"))
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        assert client.backup(file) == file.stat().st_size
        data(enrol(admin, biden, "B"))
        data(enrol(admin, biden, "A", ignore_exist=True))
        restored = client.restore(file)
        assert (restored.people, restored.recognisable, restored.left_out) == (1, 1, 0)
        assert client.search(base64.b64decode(obama))[0].people[0].identity_id == "A"
        assert client.search(base64.b64decode(biden))[0].people == []

        client.delete("A")
        assert client.restore(file).left_out == 1
        assert client.search(base64.b64decode(obama))[0].people == []
        assert client.restore(file, with_deleted=True).people == 1
        assert client.match(base64.b64decode(obama)).identity_id == "A"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_who_may_not_and_what_is_none_is_refused(
    admin: httpx.Client, api: RunningApi, obama: str, tmp_path: Path
) -> None:
    data(enrol(admin, obama, "A"))
    for role in (Role.VIEWER, Role.DEVICE):
        with api.client(role) as other:
            assert error(other.get("/api/v1/backup")) == 40300
            assert error(other.post("/api/v1/restore", content=b"")) == 40300
    octets = {"Content-Type": "application/octet-stream"}
    assert error(admin.post("/api/v1/restore", content=b"nonsense", headers=octets)) == 40000
    assert error(admin.post("/api/v1/restore", content=b"", headers=octets)) == 40000
    assert error(admin.post("/api/v1/restore", json={})) == 41591
    (tmp_path / "bad").write_bytes(b"nonsense" * 100_000)
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        with pytest.raises(SophonError, match="no backup") as refused:
            client.restore(tmp_path / "bad")
        assert refused.value.code is Code.BAD_REQUEST
    assert len(api.box) == 1


def test_one_at_a_time_and_whoever_leaves_makes_room(admin: httpx.Client, api: RunningApi) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    with api.services.backup_turn:
        assert error(admin.get("/api/v1/backup")) == 50300
        assert error(admin.post("/api/v1/restore", content=b"", headers=octets)) == 50300
    with admin.stream("GET", "/api/v1/backup") as left_early:
        assert int(left_early.headers["Content-Length"]) > 10_000
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        assert client.backup(api.pictures.parent.parent / "whole") > 10_000


def test_who_has_the_whole_backup_may_ask_for_the_next_at_once(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a box that takes its time to put a sent backup away
    close = BackupWriter.close

    def close_slowly(backup: BackupWriter) -> None:
        time.sleep(0.3)
        close(backup)

    monkeypatch.setattr(BackupWriter, "close", close_slowly)
    for _ in range(2):
        assert admin.get("/api/v1/backup").status_code == 200


def test_the_command_line_backs_a_running_box_up_and_restores_a_stopped_one(
    admin: httpx.Client, api: RunningApi, obama: str, tmp_path: Path
) -> None:
    data(enrol(admin, obama, "A"))
    file, folder = tmp_path / "backup", tmp_path / "new"
    made = CliRunner().invoke(app, ["backup", str(file), "--data-dir", str(api.store.data_dir)])
    assert made.exit_code == 0, made.output
    running = CliRunner().invoke(app, ["restore", str(file), "--data-dir", str(api.store.data_dir)])
    assert isinstance(running.exception, SophonError)
    assert "in use by another sophon process" in str(running.exception)
    restored = CliRunner().invoke(app, ["restore", str(file), "--data-dir", str(folder)])
    assert "restored: 1 people" in restored.output
    with Store(folder) as store, store.read() as snapshot:
        assert snapshot.people.photo("A") == base64.b64decode(obama)
    assert [one.name for one in tmp_path.iterdir() if "backup" in one.name] == ["backup"]

"""Who did what, when, and how it ended; never to whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from sophon import audit
from sophon.audit import AuditLog
from sophon.cli import app
from sophon.commands import Enroller, Executor
from sophon.tokens import Role
from tests.api.conftest import RunningApi, data, enrol, error

NAME = "Xanthippe Quuxington"
ID = "ID-Xanthippe-4711"


@pytest.fixture
def log(api: RunningApi) -> AuditLog:
    return AuditLog(api.store.data_dir)


@pytest.fixture
def executor(api: RunningApi, log: AuditLog) -> Iterator[Executor]:
    enroller = Enroller(api.store, api.box, api.station.platform, dev_sno="BOXA0001", audit=log)
    yield Executor(api.store, api.box, enroller, dev_sno="BOXA0001", audit=log)
    enroller.close()


def test_every_change_is_noted_by_whichever_door_and_nobody_is_named(
    admin: httpx.Client, api: RunningApi, executor: Executor, log: AuditLog, obama: str
) -> None:
    person = {"identity_id": ID, "reg_photo": obama, "fiqa_level": "no", "info": {"name": NAME}}
    data(enrol(admin, obama, ID, info={"name": NAME}))
    data(admin.post("/api/v1/enrolments", json={"people": [person, "nobody"]}))
    executor.take_in(orjson.dumps({"method": "add_users_plus", "user_info_list": [person]}))
    executor.run_until_idle()
    executor.take_in(orjson.dumps({"method": "delete_users", "userid_list": [ID, "another"]}))
    executor.take_in(orjson.dumps({"method": NAME}))
    executor.run_until_idle()
    error(admin.delete(f"/api/v1/people/{ID}"))
    error(admin.post(f"/{NAME}/{ID}", json={}))
    data(admin.get("/api/v1/people", params={"search": NAME}))
    with api.client(Role.VIEWER) as viewer:
        error(viewer.delete(f"/api/v1/people/{ID}"))
    arguments = ["token", "new", "--data-dir", str(api.store.data_dir)]
    assert CliRunner().invoke(app, arguments).exit_code == 0

    deeds = log.newest_first(100)[::-1]

    assert [(deed.who.split()[0], deed.what, deed.code, deed.counts) for deed in deeds] == [
        ("token", "POST /SophonFogSys/api/users", 200, {}),
        ("token", "POST /api/v1/enrolments", 200, {}),
        ("job", "add_users_plus", 0, {"enrolled": 1, "refused": 1}),
        ("platform", "add_users_plus", 0, {"enrolled": 1, "refused": 0}),
        ("platform", "delete_users", 0, {"people": 2}),
        ("platform", "(unread)", 40071, {}),
        ("token", "DELETE /api/v1/people/{identity_id:path}", 404, {}),
        ("token", "POST (unknown path)", 404, {}),
        ("token", "refused", 40300, {}),
        ("command", "token new", 0, {}),
    ]
    assert "(admin)" in deeds[0].who
    assert deeds[0].address == "127.0.0.1"
    written = (api.store.data_dir / "audit.log").read_text()
    for secret in (NAME, ID, "Xanthippe", obama[:60], *api.tokens.values()):
        assert secret not in written


def test_strangers_fill_a_line_each_only_so_often(api: RunningApi, log: AuditLog) -> None:
    with api.client(role=None) as stranger:
        for _ in range(audit.REFUSALS_PER_MINUTE + 20):
            assert error(stranger.get("/api/v1/people")) == 40100
    assert audit.REFUSALS_PER_MINUTE <= len(log.newest_first(1000)) <= audit.REFUSALS_PER_MINUTE + 20
    noted = sum(1 + deed.counts.get("not_noted_before", 0) for deed in log.newest_first(1000))
    assert noted <= audit.REFUSALS_PER_MINUTE + 20


def test_it_takes_no_more_than_so_many_bytes_whoever_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_BYTES", 4000)

    def write(number: int) -> None:
        log = AuditLog(tmp_path)
        for deed in range(200):
            log.note(f"writer {number}", "wrote", counts={"deed": deed})

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["audit.log", *(f"audit.log.{n}" for n in range(1, 5))]
    assert all(file.stat().st_size <= 4000 for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    deeds = AuditLog(tmp_path).newest_first(10_000)
    assert len(deeds) == sum(file.read_bytes().count(b"\n") for file in files)
    for number in range(4):
        order = [deed.counts["deed"] for deed in deeds if deed.who == f"writer {number}"]
        assert order == sorted(order, reverse=True)


def test_a_line_cut_by_a_power_failure_hides_no_other(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.note("a", "first")
    with (tmp_path / "audit.log").open("ab") as file:
        file.write(b'{"at": 1, "who": "b\n')
    log.note("c", "third")
    assert [deed.what for deed in log.newest_first(10)] == ["third", "first"]
    shown = CliRunner().invoke(app, ["audit", "--json", "--data-dir", str(tmp_path)])
    assert [deed["who"] for deed in orjson.loads(shown.output)] == ["c", "a"]


def test_a_disk_that_takes_no_line_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    AuditLog(tmp_path / "missing").note("a", "b")
    assert "audit log can't be written" in caplog.text

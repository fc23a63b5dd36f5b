"""The process and the machine fail; the numbers are those of the list of faults in the documentation."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import psutil
import pytest

from sophon.status import StatusReport, read_status
from sophon.store import Store
from tests.daemon.box_process import BoxProcess
from tests.faults.bench import FaultBench

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(900)]

Report = Callable[[str, str, str], None]


def consuming(report: StatusReport) -> bool:
    return report.phase == "consuming"


def test_22_sigkill_in_mid_enrolment(bench: FaultBench, portraits: Path, report: Report) -> None:
    photo = portraits / "people" / "joe_biden" / "biden.jpg"
    ids = [f"P{number}" for number in range(600)]
    for one in ids:
        bench.platform.add_person(one, one, photo)
    bench.desk.send(
        [{"method": "add_users_plus", "userid_list": ids, "extend_params": {"path": "/getSendPerson"}}]
    )
    chance = random.Random(22)
    kills = 0
    bench.box.start()
    while bench.ledger.missing and kills < 12:
        bench.desk.collect(chance.uniform(0.5, 2.5), lambda: not bench.ledger.missing)
        bench.box.kill()
        kills += 1
        bench.box.start()
    bench.all_answered(180)
    assert bench.box.terminate() == 0
    with Store(bench.box.data_dir) as store, store.read() as snapshot:
        assert snapshot.people.all_ids() == set(ids)
        assert snapshot.counters.get("people_enrolled") == len(ids)
        assert snapshot.counters.get("people_refused") == 0
    fetched = sum(len(bench.platform.received(f"/photos/{one}.jpg")) for one in ids)
    report(
        "22",
        f"SIGKILL {kills} times in an enrolment of 600",
        f"all enrolled once, {fetched} photographs fetched",
    )
    assert fetched <= len(ids) + kills * 80


def test_24_sigterm_at_random_points(bench: FaultBench, report: Report) -> None:
    chance = random.Random(24)
    bench.desk.send(bench.commands(120))
    slowest = 0.0
    for _ in range(6):
        bench.box.start()
        time.sleep(chance.uniform(0.0, 0.5))
        os.kill(bench.box.pid, signal.SIGHUP)  # changes nothing
        started = time.monotonic()
        assert bench.box.terminate(30) == 0
        slowest = max(slowest, time.monotonic() - started)
    bench.box.start()
    bench.all_answered(60)
    bench.check_end()
    report("24", "SIGTERM at 6 random points, SIGHUP before", f"status 0 each time, {slowest:.1f} s at most")


def test_24_a_second_sigterm_does_not_wait(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    os.kill(bench.box.pid, signal.SIGTERM)
    os.kill(bench.box.pid, signal.SIGTERM)
    started = time.monotonic()
    bench.box.wait(10)
    assert time.monotonic() - started < 10
    report("24", "SIGTERM twice", "ended at once")


def test_25_disk_is_full(bench: FaultBench, tmp_path: Path, report: Report) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root: " + mounted.stderr.decode())
    bench.box.kill()
    bench.box = BoxProcess(disk / "data", bench.platform.login_url, bench.dev_sno)
    bench.box.log = tmp_path / "full.log"
    try:
        bench.box.start()
        bench.desk.send(bench.commands(8))
        bench.all_answered(30)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        bench.desk.send(bench.commands(40))
        time.sleep(6)
        assert bench.box.is_running
        ballast.unlink()
        seconds = bench.all_answered(60)
        bench.check_end()
        assert "nearly full" in bench.box.log.read_text() or "disk is full" in bench.box.log.read_text()
        report(
            "25",
            "disk full for 6 s",
            f"paused, nothing lost, drained {seconds:.1f} s after without a restart",
        )
    finally:
        bench.box.kill()
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_26_database_is_locked_by_another_process(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(8))
    bench.all_answered(30)
    other = sqlite3.connect(bench.box.data_dir / "sophon.db", isolation_level=None, timeout=10)
    other.execute("BEGIN EXCLUSIVE")
    bench.desk.send(bench.commands(8))
    time.sleep(25)
    other.execute("ROLLBACK")
    other.close()
    seconds = bench.all_answered(60)
    status = read_status(bench.box.data_dir)
    assert status is not None
    assert all(link.connections == 1 for link in status.links.values())
    bench.check_end()
    report(
        "26",
        "database locked by another process for 25 s",
        f"connections kept, drained {seconds:.1f} s after",
    )


@pytest.mark.parametrize("damage", ["overwritten", "cut off"])
def test_27_database_is_damaged(bench: FaultBench, report: Report, damage: str) -> None:
    bench.box.start()
    bench.desk.send([one for one in bench.commands(80) if one["method"] == "sync_permissions"])
    bench.all_answered(30)
    assert bench.box.terminate() == 0
    file = bench.box.data_dir / "sophon.db"
    with file.open("r+b") as database:
        if damage == "cut off":
            database.truncate(file.stat().st_size // 2)
        else:
            database.seek(file.stat().st_size // 2)
            database.write(b"\xa5" * (file.stat().st_size // 4))
    bench.box.start()
    bench.desk.send(bench.commands(8))
    bench.all_answered(30)
    assert "the database was damaged" in bench.box.log.read_text()
    assert list(bench.box.data_dir.glob("damaged-*.db"))
    assert bench.box.terminate() == 0
    report("27", f"database file {damage}", "moved aside, what was readable kept, consuming")


def test_32_file_descriptors_run_out(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    usual = resource.prlimit(bench.box.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(bench.box.pid, resource.RLIMIT_NOFILE, (24, usual[1]))
    bench.proxy.cut()
    bench.desk.send(bench.commands(20))
    time.sleep(5)
    assert bench.box.is_running
    resource.prlimit(bench.box.pid, resource.RLIMIT_NOFILE, usual)
    seconds = bench.all_answered(60)
    report("32", "no more file descriptors for 5 s", f"recovered, drained {seconds:.1f} s after")
    assert bench.box.terminate() == 0


def test_33_two_daemons_on_one_data_directory(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    other = BoxProcess(bench.box.data_dir, bench.platform.login_url, bench.dev_sno)
    other.log = bench.box.data_dir.parent / "other.log"
    other.start(wait=False)
    assert other.wait(30) == 78
    assert "is in use by another sophon process" in other.log.read_text()
    other.kill()
    bench.desk.send(bench.commands(4))
    bench.all_answered(30)
    bench.check_end()
    report("33", "a second daemon on the same data", "refused with status 78, the first goes on")


def test_34_database_of_a_newer_version(bench: FaultBench, report: Report) -> None:
    Store(bench.box.data_dir).close()
    connection = sqlite3.connect(bench.box.data_dir / "sophon.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    bench.box.start(wait=False)
    assert bench.box.wait(30) == 78
    assert "newer version" in bench.box.log_tail()
    report("34", "database of a newer schema", "refused with status 78 and a remedy")


def test_45_57_fifty_thousand_people_and_fiqa_beside_them(
    bench: FaultBench, portraits: Path, broker_fiqa: Callable[[FaultBench], float], report: Report
) -> None:
    photo = portraits / "people" / "joe_biden" / "biden.jpg"
    ids = [f"P{number}" for number in range(50_000)]
    for one in ids[:400]:
        bench.platform.add_person(one, one, photo)
    bench.box.start()
    process = psutil.Process(bench.box.pid)
    broker_fiqa(bench)
    before = peak = process.memory_info().rss
    command = {
        "method": "add_users_plus",
        "userid_list": [*ids, "P7"],
        "extend_params": {"path": "/getSendPerson"},
    }
    started = time.monotonic()
    bench.desk.send([command])
    slowest = 0.0
    while bench.ledger.missing and time.monotonic() - started < 600:
        slowest = max(slowest, broker_fiqa(bench))
        peak = max(peak, process.memory_info().rss)
        bench.desk.collect(0.5, lambda: not bench.ledger.missing)
    seconds = bench.all_answered(10) + time.monotonic() - started
    ((_, body),) = bench.ledger.results["m1"]
    result = orjson.loads(body)["result"]
    assert [one["userid"] for one in result["success_users"]] == ids[:400]
    assert [one["userid"] for one in result["failed_users"]] == ids[400:]
    assert {one["code"] for one in result["failed_users"]} == {50074}
    grown = (peak - before) >> 20
    report("45, 57", "50,000 ids, 400 with a photograph, fiqa beside them",
           f"{seconds:.0f} s, {grown} MiB above the start, slowest fiqa {slowest:.2f} s")  # fmt: skip
    assert grown < 300
    assert slowest < 2
    assert bench.box.terminate() == 0


def test_41_token_expires_in_mid_enrolment(bench: FaultBench, portraits: Path, report: Report) -> None:
    photo = portraits / "people" / "joe_biden" / "biden.jpg"
    ids = [f"P{number}" for number in range(250)]
    for one in ids:
        bench.platform.add_person(one, one, photo)
    bench.box.start()
    bench.desk.send(
        [{"method": "add_users_plus", "userid_list": ids, "extend_params": {"path": "/getSendPerson"}}]
    )
    time.sleep(1)
    bench.platform.refuse_token()
    bench.all_answered(240)
    assert bench.box.terminate() == 0
    with Store(bench.box.data_dir) as store, store.read() as snapshot:
        enrolled = snapshot.people.count()
    logins = len(bench.platform.received("/login"))
    assert enrolled == len(ids)
    assert logins <= 3
    report("41", "token refused in an enrolment of 250", f"all enrolled, {logins} logins")


def test_a_result_s_receiver_that_hangs_delays_no_other(bench: FaultBench, report: Report) -> None:
    bench.name_broker(upload_queue=None, fiqa_upload_queue=None)
    bench.platform.misbehave("/getResult", delay=60, times=10)
    bench.box.start()
    for path in ("/getResult", "/event"):
        bench.desk.send(
            [{"method": "delete_users", "userid_list": ["X"], "extend_params": {"notify_path": path}}]
        )
    started = time.monotonic()
    bench.platform.wait_for("/event", 1, 15)
    report("42", "notify_path hangs", f"another receiver served in {time.monotonic() - started:.1f} s")
    assert bench.box.is_running


def test_sqlite_is_told_to_keep_its_promises(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sophon.store import Store\n"
        f"store = Store(Path({str(tmp_path)!r}))\n"
        "ask = lambda name: store._writer.execute(f'PRAGMA {name}').fetchone()[0]\n"
        "print(ask('journal_mode'), ask('synchronous'), ask('foreign_keys'), ask('secure_delete'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["wal", "2", "1", "1"]

"""The machine fails: its power goes, its clock jumps; the numbers are those of the list of faults in the documentation."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from sophon.status import StatusReport, read_status
from tests.daemon.box_process import BoxProcess
from tests.faults.bench import FaultBench
from tests.faults.flow import Flow
from tests.faults.preloads import ForgetfulDisk, WrongClock
from tests.faults.tcp_proxy import TcpProxy

POWER_CUTS = 10
COMMANDS_PER_CUT = 25
DAY = 24 * 3600.0

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(600)]
Report = Callable[[str, str, str], None]


@pytest.mark.parametrize(("synchronous", "is_kept"), [("FULL", True), ("OFF", False)])
def test_23_the_disk_keeps_what_was_synced_and_forgets_the_rest(
    tmp_path: Path, power_cut_library: Path, synchronous: str, is_kept: bool
) -> None:
    # Given a program that commits, under a disk that forgets
    folder = tmp_path / "data"
    folder.mkdir()
    disk = ForgetfulDisk(folder, power_cut_library)
    program = (
        "import sqlite3, sys, time\n"
        "base = sqlite3.connect('data/some.db', isolation_level=None)\n"
        "base.execute('PRAGMA journal_mode = WAL')\n"
        f"base.execute('PRAGMA synchronous = {synchronous}')\n"
        "base.execute('CREATE TABLE numbers (number)')\n"
        "for number in range(100): base.execute('INSERT INTO numbers VALUES (?)', (number,))\n"
        "print('committed', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **disk.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "committed\n"
        # When the power goes
        process.send_signal(signal.SIGKILL)
    lost = disk.cut()
    # Then what it committed is there if it was told to sync, else it is not
    count = (
        "import sqlite3; base = sqlite3.connect('data/some.db')\n"
        "print(base.execute('SELECT count(*) FROM numbers').fetchone()[0])"
    )
    found = subprocess.run(
        [sys.executable, "-c", count], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (found.stdout == "100\n") is is_kept
    assert lost is not is_kept


def test_23_power_is_cut_while_commands_flow(
    bench: FaultBench, power_cut_library: Path, report: Report
) -> None:
    # Given a box on a disk that forgets what was not synced
    bench.name_broker(port=bench.proxy.port, fiqa_down_queue=None, fiqa_upload_queue=None)
    disk = ForgetfulDisk(bench.box.data_dir, power_cut_library)
    bench.box = BoxProcess(
        bench.box.data_dir, bench.platform.login_url, bench.dev_sno, environment=disk.environment
    )
    chance = random.Random(23)
    commands = Flow(bench.photo, chance).take(COMMANDS_PER_CUT * POWER_CUTS)
    turn = len(commands) // POWER_CUTS
    losses = 0
    # When the power is cut at random moments
    for number in range(POWER_CUTS):
        bench.desk.send(commands[number * turn : (number + 1) * turn])
        bench.box.start()
        bench.desk.collect(chance.uniform(0.02, 0.8), lambda: False)
        bench.box.kill()
        losses += disk.cut()
    bench.desk.send(commands[POWER_CUTS * turn :])
    bench.box.start()
    seconds = bench.all_answered(240)
    # Then no accepted command is lost, and the database is sound without having been repaired
    bench.check_end()
    assert "the database was damaged" not in bench.box.log.read_text()
    report(
        "23",
        f"power cut {POWER_CUTS} times while {len(bench.ledger.sent)} commands flow: what was not synced is gone, or torn",
        f"0 lost, database sound, {losses} times something was lost that was owed to nobody, drained in {seconds:.0f} s",
    )


def test_29_wall_clock_jumps(bench: FaultBench, tmp_path: Path, clock_library: Path, report: Report) -> None:
    # Given a box whose clock stands at 1970 when it starts
    clock = WrongClock(tmp_path, clock_library)
    clock.set_wrong_by(-time.time())
    bench.box = BoxProcess(
        bench.box.data_dir, bench.platform.login_url, bench.dev_sno, environment=clock.environment
    )
    bench.box.start()
    bench.desk.send(bench.commands(8))
    bench.all_answered(30)
    # When it is set right, and jumps back and ahead by a day
    for wrong_by in (0.0, -DAY, DAY, 0.0):
        clock.set_wrong_by(wrong_by)
        bench.desk.send(bench.commands(8))
        # Then commands are answered, its timers go on, and no connection was lost for it
        bench.all_answered(30)
        bench.wait_status(_written_at(wrong_by), 15)
        bench.wait_status(_written_at(wrong_by), 15)
    status = read_status(bench.box.data_dir)
    assert status is not None
    assert {link.connections for link in status.links.values()} == {1}
    bench.check_end()
    report(
        "29", "clock at 1970 at the start, set right, a day back, a day ahead", "no connection lost, answered"
    )


@pytest.mark.parametrize("wrong_by", [0.0, -DAY])
def test_29_the_box_knows_whether_its_clock_is_kept_in_time(
    tmp_path: Path, clock_library: Path, wrong_by: float
) -> None:
    # Given a kernel that says so, or not
    clock = WrongClock(tmp_path, clock_library)
    clock.set_wrong_by(wrong_by)
    question = "from sophon.wall_clock import is_known_unsynchronised as ask; print(ask())"
    asked = subprocess.run(
        [sys.executable, "-c", question],
        env={**os.environ, **clock.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == f"{wrong_by != 0}\n"


@pytest.mark.parametrize(
    ("years", "reason"), [(-40, "certificate is not yet valid"), (40, "certificate has expired")]
)
def test_29_18_certificate_that_is_not_valid_by_the_box_s_clock(
    bench: FaultBench, tmp_path: Path, clock_library: Path, report: Report, years: int, reason: str
) -> None:
    # Given a broker that speaks TLS, and a box whose clock is wrong
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    valid_until = datetime.now(timezone.utc) + timedelta(days=3650)
    authority.issue_cert("127.0.0.1", not_after=valid_until).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    clock = WrongClock(tmp_path, clock_library)
    clock.set_wrong_by(years * 365 * DAY)
    with TcpProxy(bench.node.host, bench.node.port, context) as proxy:
        bench.name_broker(port=proxy.port)
        bench.box = BoxProcess(
            bench.box.data_dir,
            bench.platform.login_url,
            bench.dev_sno,
            environment=clock.environment,
            amqps="true",
            amqps_ca_file=tmp_path / "ca.pem",
        )
        # When it connects, then it says why it can't
        bench.box.start(wait=False)
        bench.wait_status(lambda status: any(reason in link.reason for link in status.links.values()), 30)
        # And when the clock is set right, then it works without a restart
        clock.set_wrong_by(0.0)
        bench.box.wait_ready()
        bench.desk.send(bench.commands(4))
        bench.all_answered(30)
        bench.check_end()
    report("18, 29", f"TLS with the clock wrong by {years} years", f"{reason}; works once the clock is right")


def _written_at(wrong_by: float) -> Callable[[StatusReport], bool]:
    """Whether a report is new, by a clock that is wrong."""
    since = time.time() + wrong_by
    return lambda report: since <= report.written_at < since + 30

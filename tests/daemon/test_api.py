"""A whole box by its API alone, as a process: https, encrypted photographs, jobs, backups, the audit log. No platform answers."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from sophon import Client, NewPerson
from sophon.erasure import find_bytes
from sophon.errors import SophonError
from sophon.self_signed import make_certificate, own_names
from tests.daemon.box_process import BoxProcess

pytestmark = pytest.mark.slow

PEOPLE = 12


@pytest.fixture
def photo(portraits: Path) -> bytes:
    return (portraits / "people" / "barack_obama" / "obama.jpg").read_bytes()


class ApiBox:
    """A box process and a client of its API."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self.tls = make_certificate(folder / "tls", own_names(), 1, replace=False)
        (folder / "photo.key").write_text("5a" * 32)
        self.process = BoxProcess(
            folder / "data",
            "http://127.0.0.1:9/login",
            http_port=self.port,
            http_tls_certificate=self.tls.certificate,
            http_tls_key=self.tls.key,
            enrolment_photos="encrypt",
            enrolment_photos_key_file=folder / "photo.key",
            duplicate_faces="allow",
        )

    def start(self) -> Client:
        """Start it; a client once it answers."""
        self.process.start(wait=False)
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, self.process.log_tail()
            assert self.process.is_running, self.process.log_tail()
            time.sleep(0.2)
            # Shown at the first start, once, and good until it is revoked.
            found = re.findall(r"^    (sophon_\S+)$", self.process.log.read_text(), re.MULTILINE)
            if not found:
                continue
            client = Client(f"https://127.0.0.1:{self.port}", found[0], ca_file=self.tls.certificate)
            try:
                client.status()
            except SophonError:
                client.close()
            else:
                return client


@pytest.fixture
def box(tmp_path: Path) -> Iterator[ApiBox]:
    box = ApiBox(tmp_path)
    yield box
    box.process.kill()


def test_a_job_outlives_a_kill_and_a_backup_outlives_the_box(
    box: ApiBox, photo: bytes, tmp_path: Path
) -> None:
    data_dir = box.process.data_dir
    with box.start() as client:
        people = [NewPerson(f"E{number}", photo, "Xanthippe", level="no") for number in range(PEOPLE)]
        [job] = client.enrol_many(people)
        box.process.kill()
    with box.start() as client:
        done = client.wait_for_job(job.id, timeout_s=120)
        assert (done.state, done.total, done.refused) == ("done", PEOPLE, 0)
        assert [one.identity_id for one in client.outcomes(job.id)] == [one.identity_id for one in people]
        assert client.match(photo).retcode == "1"

        client.backup(tmp_path / "backup")
        assert client.delete("E0")
        restored = client.restore(tmp_path / "backup")
        assert (restored.people, restored.left_out, restored.recognisable) == (PEOPLE - 1, 1, PEOPLE - 1)
    assert find_bytes(data_dir, photo) == []
    assert find_bytes(tmp_path, photo) == []

    shown = subprocess.run(
        [sys.executable, "-m", "sophon", "audit", "--json", "--data-dir", str(data_dir)],
        capture_output=True,
        check=True,
    )
    deeds = {deed["what"]: deed for deed in orjson.loads(shown.stdout)}
    assert deeds["add_users_plus"]["counts"] == {"enrolled": PEOPLE, "refused": 0}
    assert {"GET /api/v1/backup", "POST /api/v1/restore", "DELETE /SophonFogSys/api/users"} <= set(deeds)
    assert b"E0" not in shown.stdout
    assert b"Xanthippe" not in shown.stdout

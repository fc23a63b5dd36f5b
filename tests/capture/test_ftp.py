"""Snapshot cameras, with a real FTP client."""

from __future__ import annotations

import ftplib
import io
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from pyftpdlib.handlers import FTPHandler

from sophon.box import Box
from sophon.capture.ftp_password import hash_password, is_password
from sophon.capture.ftp_server import BYTES_PER_SECOND, FtpCameras
from sophon.capture.uploads import sweep
from sophon.recognition import EventLog, Recogniser, RecogniserOptions
from sophon.reports import DevicePresence
from sophon.store import DeviceRow, EventRow, EventsLimit, Store
from tests.recognition.conftest import Enrol

CAMERA = DeviceRow("10.0.0.8", "1", "hall", ftp_user="hall", ftp_password=hash_password("pw of hall"))


class Site:
    """A box with FTP cameras."""

    def __init__(
        self, store: Store, box: Box, folder: Path, bytes_per_second: int = BYTES_PER_SECOND
    ) -> None:
        self.store, self.folder = store, folder
        with store.write() as transaction:
            transaction.devices.put(CAMERA)
        self.presence = DevicePresence()
        self.recogniser = Recogniser(
            store,
            box,
            EventLog(store, EventsLimit()),
            lambda _sighting: None,
            RecogniserOptions(cooldown_s=0),
        )
        self.server = FtpCameras(
            store,
            self.recogniser,
            self.presence,
            folder=folder,
            host="127.0.0.1",
            port=0,
            bytes_per_second=bytes_per_second,
        )

    def client(self, user: str = "hall", password: str = "pw of hall") -> ftplib.FTP:
        client = ftplib.FTP()
        client.connect("127.0.0.1", self.server.port, 10)
        client.login(user, password)
        return client

    def events(self, number: int) -> list[EventRow]:
        def events() -> list[EventRow]:
            with self.store.read() as snapshot:
                return snapshot.events.after(0)

        wait_until(lambda: len(events()) >= number)
        return events()

    def wait_counted(self, what: str, number: int = 1) -> None:
        wait_until(lambda: self.recogniser.counts.get(what, 0) >= number)

    def files(self) -> list[Path]:
        return [file for file in self.folder.rglob("*") if file.is_file()]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def site(store: Store, box: Box, tmp_path: Path) -> Iterator[Site]:
    site = Site(store, box, tmp_path / "ftp")
    with site.server:
        yield site


@pytest.fixture
def photo(portraits: Path) -> bytes:
    return (portraits / "people" / "barack_obama" / "obama2.jpg").read_bytes()


def test_a_picture_becomes_an_event_with_what_the_camera_says_and_is_deleted(
    site: Site, enrol: Enrol, photo: bytes
) -> None:
    enrol("E1", "barack_obama/obama.jpg")
    with site.client() as client:
        client.mkd("today")
        client.storbinary("STOR today/1.json", io.BytesIO(orjson.dumps({"confidence": 90, "age": 34})))
        client.storbinary("STOR today/1.jpg", io.BytesIO(photo))
        (event,) = site.events(1)
    assert (event.identity_id, event.device_ip, event.device_type) == ("E1", "10.0.0.8", "1")
    assert event.details["grab_fiqa_info"] == {"confidence": 90, "age": 34}
    assert event.details["box_fiqa_info"]["fiqa_result"] in (True, False)
    assert site.presence.of("10.0.0.8").is_online
    wait_until(lambda: site.files() == [])


def test_a_picture_that_is_renamed_when_complete_is_taken_then(site: Site, photo: bytes) -> None:
    with site.client() as client:
        client.storbinary("STOR 1.tmp", io.BytesIO(photo))
        client.rename("1.tmp", "1.jpg")
        assert len(site.events(1)) == 1


def test_an_upload_that_breaks_off_is_never_looked_at(site: Site, photo: bytes) -> None:
    client = site.client()
    with client.transfercmd("STOR half.jpg") as data:
        data.sendall(photo[: len(photo) // 2])
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
        client.close()
    site.wait_counted("uploads_incomplete")
    assert site.files() == []
    assert "pictures" not in site.recogniser.counts


def test_a_file_of_100_mb_is_cut_off(site: Site) -> None:
    client = site.client()
    with pytest.raises((ftplib.Error, OSError)):
        client.storbinary("STOR large.jpg", io.BytesIO(b"\xff\xd8" + bytes(100 << 20)), blocksize=1 << 20)
    client.close()
    site.wait_counted("uploads_incomplete")
    assert site.files() == []


def test_an_upload_is_slowed_down_to_its_limit(store: Store, box: Box, tmp_path: Path, photo: bytes) -> None:
    """Given a limit of 256 KiB a second; when a picture of 640 KiB comes as fast as the client can send it; then it
    takes over a second, and is taken whole."""
    site = Site(store, box, tmp_path / "ftp", bytes_per_second=256 << 10)
    picture = photo + bytes((640 << 10) - len(photo))
    with site.server, site.client() as client:
        started = time.monotonic()
        client.storbinary("STOR 1.jpg", io.BytesIO(picture))
        assert time.monotonic() - started > 1.0
        assert len(site.events(1)) == 1


def test_an_upload_that_is_slowed_down_keeps_nobody_waiting(
    store: Store, box: Box, tmp_path: Path, photo: bytes
) -> None:
    """Given an upload that takes minutes at its limit; when another picture comes; then it is taken meanwhile."""
    site = Site(store, box, tmp_path / "ftp", bytes_per_second=64 << 10)
    with site.server, site.client() as slow, site.client() as other:
        with slow.transfercmd("STOR slow.jpg") as data:
            data.setblocking(False)
            data.send(bytes(8 << 20))
            other.storbinary("STOR 1.jpg", io.BytesIO(photo[: 64 << 10]))
            site.wait_counted("uploads")
            assert "uploads_incomplete" not in site.recogniser.counts
        slow.close()


def test_garbage_is_counted_and_the_next_picture_is_taken(site: Site, photo: bytes) -> None:
    with site.client() as client:
        client.storbinary("STOR 1.jpg", io.BytesIO(b"<html>"))
        client.storbinary("STOR 2.json", io.BytesIO(b"{{{"))
        client.storbinary("STOR 2.jpg", io.BytesIO(photo))
        site.events(1)
    assert site.recogniser.counts["uploads_unusable"] == 1


@pytest.mark.parametrize("name", ["../../x.jpg", "/../../x.jpg", "a/../../../x.jpg"])
def test_nothing_is_written_outside_the_cameras_folder(site: Site, photo: bytes, name: str) -> None:
    before = {file for file in site.folder.parent.rglob("*") if site.folder not in file.parents}
    with site.client() as client:
        try:
            client.storbinary(f"STOR {name}", io.BytesIO(photo))
        except ftplib.error_perm:
            pass
        else:
            site.events(1)
    assert {file for file in site.folder.parent.rglob("*") if site.folder not in file.parents} == before


def test_cameras_can_neither_read_nor_delete(site: Site) -> None:
    with site.client() as client:
        client.storbinary("STOR kept.json", io.BytesIO(b"{}"))
        for order in ("RETR kept.json", "DELE kept.json", "APPE kept.json", "SITE CHMOD 777 kept.json"):
            with pytest.raises(ftplib.error_perm):
                client.voidcmd(order)


@pytest.mark.parametrize(
    ("user", "password"), [("hall", "wrong"), ("nobody", "pw of hall"), ("anonymous", "")]
)
def test_a_wrong_login_is_refused(
    site: Site, user: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FTPHandler, "auth_failed_timeout", 0.1)  # 3 s, which nobody need wait for here
    with pytest.raises((ftplib.error_perm, EOFError)):
        site.client(user, password)


def test_ten_cameras_behind_one_address_upload_at_once(site: Site, store: Store, photo: bytes) -> None:
    cameras = [
        DeviceRow(f"10.0.1.{one}", "1", "", ftp_user=f"c{one}", ftp_password=CAMERA.ftp_password)
        for one in range(10)
    ]
    with store.write() as transaction:
        for camera in cameras:
            transaction.devices.put(camera)
    clients = [site.client(camera.ftp_user) for camera in cameras]
    for client in clients:
        client.storbinary("STOR 1.jpg", io.BytesIO(photo))
    assert {event.device_ip for event in site.events(10)} == {camera.ip for camera in cameras}
    for client in clients:
        client.quit()


def test_what_nobody_came_for_is_swept_and_folders_in_use_stay(tmp_path: Path) -> None:
    homes = tmp_path / "cameras"
    for file in ("10.0.0.8/left.json", "10.0.0.8/today/left.tmp"):
        (homes / file).parent.mkdir(parents=True, exist_ok=True)
        (homes / file).write_bytes(b"x")
    sweep(homes, time.time() + 30)
    assert (homes / "10.0.0.8" / "left.json").exists()
    sweep(homes, time.time() + 90)
    assert [path.name for path in homes.rglob("*")] == ["10.0.0.8", "today"]
    sweep(homes, time.time() + 2 * 24 * 3600)
    assert [path.name for path in homes.rglob("*")] == ["10.0.0.8"]


def test_a_password_is_kept_as_a_salted_hash() -> None:
    stored = hash_password("secret")
    assert "secret" not in stored
    assert stored != hash_password("secret")
    assert is_password("secret", stored)
    assert not is_password("Secret", stored)
    assert not is_password("", "")


def test_a_flood_is_dropped_and_counted_and_other_cameras_are_served(
    site: Site, store: Store, photo: bytes
) -> None:
    """Given a camera that uploads faster than pictures are recognised; then what does not fit is gone from the disk and
    counted, and another camera's picture is taken all the same."""
    calm = DeviceRow("10.0.0.9", "1", "", ftp_user="calm", ftp_password=CAMERA.ftp_password)
    with store.write() as transaction:
        transaction.devices.put(calm)
    flooding, other = site.client(), site.client("calm")
    sent = 0
    while site.recogniser.counts.get("uploads_dropped", 0) < 5:
        flooding.storbinary(f"STOR {sent}.jpg", io.BytesIO(photo))
        sent += 1
        assert sent < 2000
    other.storbinary("STOR 1.jpg", io.BytesIO(photo))
    wait_until(lambda: site.files() == [], 60)
    counts = site.recogniser.counts
    assert counts["uploads"] == sent + 1 == counts["pictures"] + counts["uploads_dropped"]
    assert any(event.device_ip == calm.ip for event in site.events(1))
    flooding.close()
    other.close()

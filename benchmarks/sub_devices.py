"""Sub-devices that hand a box a picture each second, out of step with each other, and streams of ten frames a second."""

from __future__ import annotations

import ftplib
import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from sophon.capture.ftp_password import hash_password
from sophon.contract import encode_photo
from sophon.demo.box_under_demo import BoxUnderDemo
from sophon.store import DeviceRow

FPS = 10
PASSWORD = "benchmark"

Sender = Callable[[threading.Event], None]


class Pad:
    """Posts pictures; ``latencies`` in s from a picture to its decision, ``refused`` by HTTP status."""

    def __init__(self, box: BoxUnderDemo, number: int, phase: float, pictures: list[bytes]) -> None:
        self.device = DeviceRow(f"10.0.0.{number}", "0", f"pad {number}")
        self.latencies: list[float] = []
        self.refused: Counter[int] = Counter()
        self._box, self._phase = box, phase
        self._bodies = [
            {"rgb_image_base64": encode_photo(picture), "device_ip": self.device.ip}
            for picture in pictures[number % len(pictures) :] + pictures[: number % len(pictures)]
        ]

    def run(self, stopping: threading.Event) -> None:
        with httpx.Client(
            base_url=self._box.http.base_url, headers=self._box.http.headers, trust_env=False, timeout=30
        ) as client:
            for turn in every_second(self._phase, stopping):
                started = time.perf_counter()
                body = self._bodies[turn % len(self._bodies)]
                answer = client.post("/SophonMatch/api/PictureMatch", json=body)
                if answer.status_code == 200:
                    self.latencies.append(time.perf_counter() - started)
                else:
                    self.refused[answer.status_code] += 1


class SnapshotCamera:
    """Uploads pictures; ``sent`` counts them."""

    def __init__(self, box: BoxUnderDemo, number: int, phase: float, pictures: list[bytes]) -> None:
        user = f"camera{number}"
        self.device = DeviceRow(
            f"10.0.1.{number}", "1", user, ftp_user=user, ftp_password=hash_password(PASSWORD)
        )
        self.sent = 0
        self._port, self._phase, self._number, self._pictures = box.ftp_port, phase, number, pictures

    def run(self, stopping: threading.Event) -> None:
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", self._port, 10)
            client.login(self.device.ftp_user, PASSWORD)
            for turn in every_second(self._phase, stopping):
                picture = self._pictures[(turn + self._number) % len(self._pictures)]
                client.storbinary(f"STOR {turn}.jpg", io.BytesIO(picture))
                self.sent += 1


def stream(kind: str, number: int, clip: Path) -> DeviceRow:
    """A static ("2") or dynamic ("3") camera that shows a clip again and again."""
    return DeviceRow(f"10.0.{kind}.{number}", kind, f"stream {number}", stream_url=str(clip))


def make_clip(file: Path, pictures: list[bytes]) -> Path:
    """People who move over a grey background, one after the other."""
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (1280, 720))
    for picture in pictures:
        scene: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        for step in range(2 * FPS):
            canvas = np.full((720, 1280, 3), 128, np.uint8)
            canvas[120:600, 30 * step : 30 * step + 640] = scene
            writer.write(canvas)
        for _ in range(FPS):
            writer.write(np.full((720, 1280, 3), 128, np.uint8))
    writer.release()
    return file


def every_second(phase: float, stopping: threading.Event) -> Iterator[int]:
    due = time.monotonic() + phase
    number = 0
    while not stopping.wait(max(due - time.monotonic(), 0.0)):
        yield number
        number += 1
        # Who can't keep up skips seconds, as a camera does.
        due = max(due + 1.0, time.monotonic())


@contextmanager
def running(senders: list[Sender]) -> Iterator[None]:
    stopping = threading.Event()
    threads = [threading.Thread(target=sender, args=(stopping,), daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(300)

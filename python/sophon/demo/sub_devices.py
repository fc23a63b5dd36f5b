"""Sub-devices that are simulated. What they hand to the box goes the real ways: HTTP, FTP, a stream of frames."""

from __future__ import annotations

import ftplib
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon.capture.ftp_password import hash_password
from sophon.demo.box_under_demo import BoxUnderDemo
from sophon.engine import load_photo
from sophon.store import DeviceRow

Image = NDArray[np.uint8]

FTP_SECONDS = 10.0
#: People come to the snapshot camera so many seconds apart.
APART_SECONDS = 0.5
#: Sub-devices' pictures are of moderate size.
PICTURE_HEIGHT = 640
FRAME_HEIGHT, FRAME_WIDTH = 720, 1280
# At ten frames per second.
FRAMES_OF_A_PERSON, FRAMES_BETWEEN = 6, 2
PIXELS_PER_FRAME = 6
WALL = 150


class Pad:
    """A pad at a door: one picture at a time by HTTP, each answered with the decision."""

    def __init__(self, box: BoxUnderDemo, ip: str, door_url: str) -> None:
        self._box = box
        self.device = DeviceRow(ip, "4", "pad at the door", door_url=door_url)
        box.attach(self.device)

    def show(self, photos: Sequence[Path]) -> None:
        """Let people pass."""
        for photo in photos:
            self._box.recognise(_picture(photo), device_ip=self.device.ip)


class SnapshotCamera:
    """A camera that uploads a picture of each face by FTP."""

    def __init__(self, box: BoxUnderDemo, ip: str, password: str) -> None:
        self._port, self._password = box.ftp_port, password
        self.device = DeviceRow(
            ip, "1", "snapshot camera", ftp_user="camera", ftp_password=hash_password(password)
        )
        box.attach(self.device)

    def show(self, photos: Sequence[Path]) -> None:
        """Let people pass."""
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", self._port, FTP_SECONDS)
            client.login(self.device.ftp_user, self._password)
            for number, photo in enumerate(photos):
                client.storbinary(f"STOR {number}.jpg", io.BytesIO(_picture(photo)))
                time.sleep(APART_SECONDS)


class IpCamera:
    """A dynamic camera: a folder of frames, in which people come by again and again, stands in for its stream."""

    def __init__(self, box: BoxUnderDemo, ip: str, folder: Path) -> None:
        self._box, self._folder = box, folder
        self.device = DeviceRow(ip, "3", "IP camera", stream_url=str(folder))

    def show(self, photos: Sequence[Path]) -> None:
        """Let people pass, from now on until `leave`."""
        self._folder.mkdir()
        lane = FRAME_WIDTH // len(photos)
        frames = (
            frame
            for number, photo in enumerate(photos)
            for frame in _passing(
                load_photo(photo), number * lane, lane - FRAMES_OF_A_PERSON * PIXELS_PER_FRAME
            )
        )
        for number, frame in enumerate(frames):
            (self._folder / f"{number:04}.jpg").write_bytes(_jpeg(frame))
        self._box.attach(self.device)

    def leave(self) -> None:
        """Take the camera away."""
        self._box.detach(self.device.ip)


def _passing(photo: Image, left: int, width: int) -> Iterator[Image]:
    """A person on the way through a lane of the picture, then nobody."""
    person = _fitting(photo, FRAME_HEIGHT, width)
    height, width = person.shape[:2]
    for step in range(FRAMES_OF_A_PERSON):
        frame = _wall()
        start = left + step * PIXELS_PER_FRAME
        frame[FRAME_HEIGHT - height :, start : start + width] = person
        yield frame
    for _ in range(FRAMES_BETWEEN):
        yield _wall()


def _picture(photo: Path) -> bytes:
    image = load_photo(photo)
    return _jpeg(_fitting(image, PICTURE_HEIGHT, image.shape[1]))


def _fitting(photo: Image, height: int, width: int) -> Image:
    scale = min(height / photo.shape[0], width / photo.shape[1], 1.0)
    shrunk = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def _jpeg(image: Image) -> bytes:
    encoded, data = cv2.imencode(".jpg", image)
    assert encoded
    return data.tobytes()


def _wall() -> Image:
    return np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), WALL, np.uint8)

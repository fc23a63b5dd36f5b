"""Video is decoded to pictures of their own size, and what is no video says so."""

from __future__ import annotations

import io
import itertools
import socket
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sophon.capture.video import AHEAD_S, MAX_FPS, pictures_of
from sophon.engine.photo import MAX_PHOTO_PIXELS
from sophon.errors import SophonError
from tests.platform_http.hostile_server import Answer, hostile_server


def h264(height: int, width: int, frames: int = 5, container: str = "h264") -> bytes:
    """Black pictures with a white square at the upper left."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[20:100, 20:100] = 255
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        output.mux(stream.encode())
    return file.getvalue()


def test_a_change_of_resolution_changes_the_pictures(tmp_path: Path) -> None:
    file = tmp_path / "clip.h264"
    file.write_bytes(h264(240, 320) + h264(360, 640))
    shapes = []
    for picture in pictures_of(str(file), paced=True):
        image = picture()
        ys, xs = np.nonzero(image[:, :, 0] > 128)
        assert abs(int(np.ptp(ys)) - int(np.ptp(xs))) <= 1
        shapes.append(image.shape)
    assert [shape for shape, _ in itertools.groupby(shapes)] == [(240, 320, 3), (360, 640, 3)]


def test_a_telephones_clip_is_turned_upright(tmp_path: Path) -> None:
    """Given an MP4 whose header says that it was filmed with the telephone turned by 90° clockwise."""
    file = tmp_path / "clip.mp4"
    upright = np.array([1 << 16, 0, 0, 0, 1 << 16, 0], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -1 << 16, 0, 0], ">i4").tobytes()
    movie, _, track = (clip := h264(240, 320, container="mp4")).rpartition(upright)
    assert movie, len(clip)
    file.write_bytes(movie + turned + track)
    image = next(pictures_of(str(file), paced=False))()
    assert image.shape == (320, 240, 3)
    assert image[60, -60, 0] > 200  # what was at the upper left is at the upper right


def test_garbage_between_pictures_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "clip.ts"
    clip = h264(240, 320, container="mpegts")
    file.write_bytes(clip + b"garbage" * 999 + clip)
    assert 5 < len(list(pictures_of(str(file), paced=False))) <= 10


def test_what_holds_no_video_says_so(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    with pytest.raises(SophonError, match="there is no video in it"):
        list(pictures_of(str(file), paced=False))


def test_pictures_that_are_too_large_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a limit (set low: frames over the true one take long to encode), and a clip that passes it from the first
    frame, or later."""
    assert MAX_PHOTO_PIXELS > 640 * 480
    monkeypatch.setattr("sophon.capture.video.MAX_PHOTO_PIXELS", 640 * 480 - 1)
    file = tmp_path / "clip.h264"
    file.write_bytes(h264(480, 640))
    with pytest.raises(SophonError, match="640 × 480 pixels"):
        list(pictures_of(str(file), paced=False))
    file.write_bytes(h264(240, 320) + h264(480, 640))
    assert {picture().shape for picture in pictures_of(str(file), paced=False)} == {(240, 320, 3)}


def test_a_problem_never_names_the_address() -> None:
    with pytest.raises(SophonError) as raised:
        next(pictures_of("rtsp://admin:secret@127.0.0.1:9/live", paced=False))
    assert str(raised.value) == "it can't be opened: Connection refused"


PICTURE = bytes(cv2.imencode(".jpg", np.full((120, 160, 3), 128, np.uint8))[1])
PART = b"--part\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURE + b"\r\n"


def camera(then: Callable[[socket.socket], None]) -> Answer:
    """A camera that speaks motion JPEG over HTTP: some pictures, and then what it likes."""

    def answer(connection: socket.socket, _head: str) -> None:
        start = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=part\r\n\r\n"
        connection.sendall(start + PART * 5)
        then(connection)

    return answer


def flood(connection: socket.socket, what: bytes) -> None:
    while True:
        connection.sendall(what * 100)


def test_a_camera_that_floods_is_slowed_down() -> None:
    """Given a camera that sends as fast as it can; when read for a second; then at most so many frames are decoded as a
    camera may send, besides those it may be ahead."""
    with hostile_server(camera(lambda connection: flood(connection, PART))) as (url, _):
        started, frames = time.monotonic(), 0
        for _ in pictures_of(url, paced=False):
            frames += 1
            seconds = time.monotonic() - started
            if seconds > 1.0:
                break
    assert frames <= MAX_FPS * (seconds + AHEAD_S) + 1


@pytest.mark.parametrize(
    "garbage", [b"garbage", PART.replace(PICTURE, b"garbage")], ids=["no parts", "parts"]
)
def test_a_camera_that_comes_to_send_garbage_is_given_up(
    garbage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sophon.capture.video.SILENT_S", 0.5)
    with hostile_server(camera(lambda connection: flood(connection, garbage))) as (url, _):
        pictures = pictures_of(url, paced=False)
        assert next(pictures)().shape == (120, 160, 3)
        with pytest.raises(SophonError, match="nothing"):
            list(pictures)


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "dripping"])
def test_a_camera_that_falls_silent_is_given_up(drip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.capture.video.SILENT_S", 0.5)
    given_up = threading.Event()

    def trickle(connection: socket.socket) -> None:
        while not given_up.wait(0.1):
            connection.sendall(drip)

    with hostile_server(camera(trickle)) as (url, _):
        with pytest.raises(SophonError, match="nothing came in time"):
            list(pictures_of(url, paced=False))
        given_up.set()

"""Streams: video files and folders stand in for cameras; faces are followed and recognised once."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sophon.box import Box
from sophon.capture.frames import Frame, FrameSource
from sophon.capture.streams import Streams
from sophon.capture.tracks import BEST_SHOT_S, LOST_S, Tracker
from sophon.engine import Face
from sophon.engine.photo import Image
from sophon.platform import Pauses
from sophon.recognition import EventLog, Recogniser, Sighting
from sophon.reports import DevicePresence
from sophon.store import DeviceRow, EventRow, EventsLimit, Store
from tests.recognition.conftest import Enrol

BLANK = np.zeros((64, 64, 3), np.uint8)


def frame(number: int, clock: float) -> Frame:
    return Frame(lambda: BLANK, number, 0, clock)


def face(x: float, quality: float, person: int = 0) -> Face:
    box = np.array([x, 0, x + 100, 100], np.float32)
    return Face(box, np.zeros((5, 2), np.float32), 0.9, quality, np.eye(4, dtype=np.float32)[person], BLANK)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_face_is_given_out_once_by_its_best_shot() -> None:
    tracker = Tracker()
    due = []
    for number, (clock, quality) in enumerate(((0.0, 0.2), (0.1, 0.9), (0.2, 0.5), (0.3, 0.8), (0.4, 1.0))):
        due += tracker.follow(frame(number, clock), [face(10 * number, quality)])
    (track,) = due
    assert (track.frame.number, track.face.quality) == (1, 0.9)


def test_two_faces_are_two_tracks_and_one_that_comes_back_is_a_new_one() -> None:
    tracker = Tracker()
    due = []
    for number in range(4):
        due += tracker.follow(frame(number, number * 0.1), [face(0, 0.5), face(300, 0.5)])
    assert len(due) == 2
    back = 0.3 + LOST_S
    due += tracker.follow(frame(5, back), [face(0, 0.5)])
    due += tracker.follow(frame(6, back + BEST_SHOT_S + 0.01), [face(0, 0.5)])
    assert len(due) == 3


def test_who_steps_into_anothers_place_is_given_out_too() -> None:
    tracker = Tracker()
    due = []
    for number in range(10):
        due += tracker.follow(frame(number, number * 0.1), [face(0, 0.5, person=number // 5)])
    assert [int(track.face.embedding.argmax()) for track in due] == [0, 1]


def test_the_order_of_the_faces_does_not_matter() -> None:
    tracker = Tracker()
    tracker.follow(frame(0, 0.0), [face(0, 0.1), face(300, 0.2)])
    due = tracker.follow(frame(1, BEST_SHOT_S), [face(300, 0.4), face(0, 0.3)])
    assert sorted(track.face.quality for track in due) == [0.3, 0.4]


def test_a_face_that_leaves_at_once_is_given_out_too() -> None:
    tracker = Tracker()
    assert tracker.follow(frame(0, 0.0), [face(0, 0.5)]) == []
    assert len(tracker.follow(frame(1, 0.1), [])) == 1


@pytest.fixture
def clip(tmp_path: Path, obama: Image) -> Path:
    """Two seconds of a portrait that moves over a grey background."""
    path = tmp_path / "clip.avi"
    portrait = cv2.resize(obama, (320, 320 * obama.shape[0] // obama.shape[1]))[:400]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for number in range(20):
        canvas = np.full((480, 640, 3), 128, np.uint8)
        canvas[40:440, 10 * number : 10 * number + 320] = portrait
        writer.write(canvas)
    writer.release()
    return path


class Watch:
    """A box that watches one stream."""

    def __init__(self, store: Store, box: Box) -> None:
        self._store = store
        self.sightings: list[Sighting] = []
        self.recogniser = Recogniser(store, box, EventLog(store, EventsLimit()), self.sightings.append)
        self.presence = DevicePresence()
        self.streams = Streams(store, box.engine, self.recogniser, self.presence)

    def put(self, device: DeviceRow) -> None:
        with self._store.write() as transaction:
            transaction.devices.put(device)

    def events(self) -> list[EventRow]:
        with self._store.read() as snapshot:
            return snapshot.events.after(0)


@pytest.fixture
def watch(store: Store, box: Box) -> Iterator[Watch]:
    watch = Watch(store, box)
    with watch.streams:
        yield watch


def test_a_dynamic_camera_recognises_who_walks_by_once(watch: Watch, enrol: Enrol, clip: Path) -> None:
    enrol("E1", "barack_obama/obama.jpg")
    watch.put(DeviceRow("10.0.0.11", "3", "hall", stream_url=str(clip)))
    wait_until(lambda: len(watch.events()) >= 1)
    time.sleep(0.5)
    (event,) = watch.events()
    assert (event.identity_id, event.device_type) == ("E1", "3")
    assert watch.presence.of("10.0.0.11").is_online
    age = watch.streams.frame_ages["10.0.0.11"]
    assert age is not None


def test_a_static_camera_is_sampled(watch: Watch, clip: Path) -> None:
    watch.put(DeviceRow("10.0.0.12", "2", "hall", stream_url=str(clip)))
    wait_until(lambda: len(watch.events()) >= 1)
    wait_until(lambda: watch.recogniser.counts.get("frames_skipped", 0) > 0)
    assert watch.events()[0].device_type == "2"


class RtspServer:
    """The server of `rtsp_server.py` in a process of its own."""

    def __init__(self, clip: Path) -> None:
        """Plays an AVI, or a pattern of JPEG files."""
        self._process = subprocess.Popen(
            ["/usr/bin/python3", str(Path(__file__).with_name("rtsp_server.py")), str(clip)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("rtsp://"), "is gir1.2-gst-rtsp-server-1.0 installed?"

    def pause(self) -> None:
        """Stall: connections stay open and nothing comes."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def rtsp(clip: Path) -> Iterator[RtspServer]:
    server = RtspServer(clip)
    yield server
    server.close()


def test_a_camera_is_watched_over_real_rtsp(watch: Watch, enrol: Enrol, rtsp: RtspServer) -> None:
    enrol("E1", "barack_obama/obama.jpg")
    watch.put(DeviceRow("10.0.0.17", "3", "hall", stream_url=rtsp.url))
    wait_until(lambda: len(watch.events()) >= 1)
    assert watch.events()[0].identity_id == "E1"


@pytest.mark.slow
@pytest.mark.fault
def test_a_stream_that_stalls_is_asked_anew(rtsp: RtspServer) -> None:
    with FrameSource(rtsp.url, "hall", pauses=Pauses(0.1, 0.5)) as source:
        first = source.next(0, 20)
        assert first is not None
        rtsp.pause()
        wait_until(lambda: source.problem != "")
        assert source.frame_age is not None
        rtsp.go_on()
        wait_until(lambda: source.problem == "")


def test_frames_keep_their_shape_when_an_rtsp_camera_changes_its_resolution(
    tmp_path: Path,
) -> None:
    """Given a camera that sends 4:3 and then 16:9 over one connection; then its frames are of both sizes, and what is in
    them is not stretched."""
    sizes = [(480, 640), (360, 640)]
    for number in range(20):
        height, width = sizes[number // 10]
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[40:240, 40:240] = 255
        cv2.imwrite(str(tmp_path / f"{number:02}.jpg"), canvas)
    seen: dict[tuple[int, ...], tuple[int, int]] = {}
    server = RtspServer(tmp_path / "%02d.jpg")
    try:
        with FrameSource(server.url, "hall") as source:
            number = 0
            wait_until(lambda: source.problem == "")
            while len(seen) < 2:
                shown = source.next(number, 20)
                assert shown is not None
                number = shown.number
                ys, xs = np.nonzero(shown.image[:, :, 0] > 128)
                seen[shown.image.shape[:2]] = (int(np.ptp(ys)), int(np.ptp(xs)))
    finally:
        server.close()
    assert set(seen) == set(sizes)
    for height, width in seen.values():
        assert abs(height - width) <= 2
    assert source.problem == ""


def test_a_stream_that_is_gone_says_why_and_the_others_go_on(watch: Watch, clip: Path) -> None:
    watch.put(DeviceRow("10.0.0.13", "3", "dead", stream_url="rtsp://127.0.0.1:9/nothing"))
    watch.put(DeviceRow("10.0.0.14", "3", "nowhere", stream_url="/no/such/file"))
    watch.put(DeviceRow("10.0.0.15", "3", "well", stream_url=str(clip)))
    wait_until(lambda: len(watch.events()) >= 1)
    refused = "it can't be opened: Connection refused"
    wait_until(lambda: watch.streams.problems.get("10.0.0.13") == refused)
    assert "neither a URL nor a file" in watch.streams.problems["10.0.0.14"]
    assert not watch.presence.of("10.0.0.13").is_online


def test_a_stream_is_dropped_with_its_device(watch: Watch, store: Store, clip: Path) -> None:
    device = DeviceRow("10.0.0.16", "2", "hall", stream_url=str(clip))
    watch.put(device)
    wait_until(lambda: "10.0.0.16" in watch.streams.frame_ages)
    watch.put(replace(device, name="other"))
    with store.write() as transaction:
        transaction.devices.remove("10.0.0.16")
    wait_until(lambda: watch.streams.frame_ages == {})


def test_who_is_slow_sees_the_newest_frame_only(tmp_path: Path) -> None:
    for number in range(30):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((32, 32, 3), number * 8, np.uint8))
    with FrameSource(str(tmp_path), "folder") as source:
        first = source.next(0, 10)
        assert first is not None
        time.sleep(0.55)
        later = source.next(first.number, 10)
        assert later is not None
        assert later.number >= first.number + 3
        assert int(later.image[0, 0, 0]) == (later.number - 1) * 8


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_garbage_is_no_stream_and_is_tried_again(tmp_path: Path, content: bytes, clip: Path) -> None:
    file = tmp_path / "stream.avi"
    file.write_bytes(content)
    with FrameSource(str(file), "garbage", pauses=Pauses(0.01, 0.05)) as source:
        wait_until(lambda: source.problem.startswith("it can't be opened: "))
        file.write_bytes(clip.read_bytes())
        assert source.next(0, 20) is not None
        assert source.problem == ""


def test_four_static_and_two_dynamic_cameras_are_watched_at_once(
    watch: Watch, enrol: Enrol, clip: Path
) -> None:
    enrol("E1", "barack_obama/obama.jpg")
    kinds = {f"10.0.1.{one}": "2" if one < 4 else "3" for one in range(6)}
    for ip, kind in kinds.items():
        watch.put(DeviceRow(ip, kind, "hall", stream_url=str(clip)))
    wait_until(lambda: {event.device_ip for event in watch.events()} == set(kinds), 60)
    assert {event.device_ip: event.device_type for event in watch.events()} == kinds


def jpeg(height: int, width: int, grey: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), grey, np.uint8))[1])


def test_a_stream_may_change_its_resolution_and_hold_garbage(tmp_path: Path) -> None:
    """Given a motion-JPEG stream of dark frames, rubbish, and light frames of another size; then both come."""
    file = tmp_path / "camera.mjpeg"
    file.write_bytes(jpeg(240, 320, 40) * 20 + b"rubbish" * 999 + jpeg(480, 640, 200) * 20)
    greys: set[float] = set()
    number = 0
    with FrameSource(str(file), "hall", pauses=Pauses(0.01, 0.05)) as source:
        end = time.monotonic() + 30
        while len(greys) < 2 and time.monotonic() < end:
            shown = source.next(number, 5)
            if shown is not None:
                number = shown.number
                greys.add(round(float(shown.image.mean()), -1))
    assert greys == {40, 200}


def test_people_are_recognised_over_a_change_of_resolution(
    watch: Watch, enrol: Enrol, tmp_path: Path, obama: Image, biden: Image
) -> None:
    enrol("E1", "barack_obama/obama.jpg")
    enrol("E2", "joe_biden/biden.jpg")
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):
        person, height = (obama, 300) if number < 6 else (biden, 600)
        picture = cv2.resize(person, (height * person.shape[1] // person.shape[0], height))
        cv2.imwrite(str(folder / f"{number:02}.png"), picture)
    watch.put(DeviceRow("10.0.0.18", "2", "hall", stream_url=str(folder)))
    wait_until(lambda: {event.identity_id for event in watch.events()} == {"E1", "E2"})

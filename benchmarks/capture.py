"""Capture to decision under load: pads over HTTP, snapshot cameras over FTP, streams, beside an enrolment.

    python -m benchmarks.capture [--seconds 60] [--pads 10] [--snapshots 0] [--static 0] [--dynamic 0]
                                 [--enrolled 50000] [--enrol-beside] [--json FILE] [--plot FILE]

Each pad and snapshot camera sends one 640 × 480 picture per second, out of step with the others; streams deliver 10
frames per second. Latencies are the client's: from sending a picture to the answer (pads); and the box's own, from the
capture to the decision (all events). Sustained means that nothing but the cooldown's repeats was left out.
"""

from __future__ import annotations

import argparse
import ftplib
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.galleries import gallery
from sophon.api import Access, Analyses, ApiServer, Services, guarded_app
from sophon.audit import AuditLog
from sophon.box import Box
from sophon.calibration import load_calibration
from sophon.capture.ftp_password import hash_password
from sophon.capture.ftp_server import FtpCameras
from sophon.capture.streams import Streams
from sophon.contract import encode_photo
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.logs import configure_logs
from sophon.models import ModelPack
from sophon.recognition import EventLog, Recogniser, RecogniserOptions
from sophon.reports import DevicePresence
from sophon.sim.portraits import fetch_portraits
from sophon.status import StatusReport
from sophon.store import DEFAULT_GROUP, DeviceRow, EventsLimit, PersonRow, Store
from sophon.tokens import TokenCheck

FPS = 10
PORTRAITS = ("barack_obama/obama2.jpg", "joe_biden/biden.jpg", "eileen_collins/astronaut.png")


class _NoStation:
    """The API needs a daemon for calls that the benchmark does not make."""

    dev_sno = "BENCH"
    login_url = ""

    def move(self, *, dev_sno: str | None = None, login_url: str | None = None) -> None:
        raise NotImplementedError

    def report(self) -> StatusReport:
        raise SophonError(Code.NOT_IMPLEMENTED, "not in the benchmark")

    def wake(self) -> None:
        raise NotImplementedError

    def check_room(self) -> None:
        raise NotImplementedError

    def check_callable(self, url: str) -> None:
        raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pads", type=int, default=10)
    parser.add_argument("--snapshots", type=int, default=0)
    parser.add_argument("--static", type=int, default=0)
    parser.add_argument("--dynamic", type=int, default=0)
    parser.add_argument("--enrolled", type=int, default=50_000)
    parser.add_argument("--enrol-beside", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    configure_logs("error")
    result = measure(options)
    _print(result)
    if options.json:
        options.json.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    if options.plot:
        _plot(result, options.plot)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run one mix and return its figures."""
    pictures = _pictures()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as owned:
        folder = Path(directory)
        store = owned.enter_context(Store(folder / "data"))
        pack = ModelPack.load()
        engine = owned.enter_context(FaceEngine(pack))
        box = Box(store, engine, calibration=load_calibration(pack.directory, engine.making_id))
        _fill(store, engine, options.enrolled)
        box.load()
        presence = DevicePresence()
        recogniser = Recogniser(
            store,
            box,
            EventLog(store, EventsLimit()),
            lambda _sighting: None,
            RecogniserOptions(cooldown_s=0.5),
        )
        services = Services(store, box, _NoStation(), Analyses(2), pack, folder / "pictures", recogniser)
        access = Access(TokenCheck(store), AuditLog(store.data_dir), (ip_network("127.0.0.1/32"),))
        server = owned.enter_context(ApiServer(guarded_app(services, access), "127.0.0.1", 0))
        ftp = owned.enter_context(
            FtpCameras(store, recogniser, presence, folder=folder / "ftp", host="127.0.0.1", port=0)
        )
        _configure(store, options, _clip(folder / "clip.avi", pictures))
        latencies: list[float] = []
        senders: list[Callable[[threading.Event], None]] = [
            *(_pad(one, options.pads, server.port, pictures, latencies) for one in range(options.pads)),
            *(
                _snapshot_camera(one, options.snapshots, ftp.port, pictures)
                for one in range(options.snapshots)
            ),
        ]
        if options.enrol_beside:
            senders.append(_enrolling(box, pictures))
        process = psutil.Process()
        with Streams(store, engine, recogniser, presence), _running(senders):
            time.sleep(5.0)  # everything is warm after that
            latencies.clear()
            counted = recogniser.counts
            first_event = _last_event(store)
            rss = process.memory_info().rss
            process.cpu_percent()
            started = time.perf_counter()
            time.sleep(options.seconds)
            seconds = time.perf_counter() - started
            cpu, grown = process.cpu_percent(), process.memory_info().rss - rss
            counts = {name: value - counted.get(name, 0) for name, value in recogniser.counts.items()}
            answered = list(latencies)
        with store.read() as snapshot:
            decisions = [row.details["decision_ms"] for row in snapshot.events.after(first_event, 1_000_000)]
        return {
            "mix": {name: getattr(options, name) for name in ("pads", "snapshots", "static", "dynamic")},
            "enrolled": options.enrolled,
            "enrol_beside": options.enrol_beside,
            "seconds": round(seconds, 1),
            "pictures_per_second": round(counts.get("pictures", 0) / seconds, 2),
            "pad_answers_per_second": round(len(answered) / seconds, 2),
            "pad_ms": _percentiles([one * 1000 for one in answered]),
            "decision_ms": _percentiles(decisions),
            "counts": counts,
            "cpu_percent": cpu,
            "rss_mb": round(rss / 1e6),
            "rss_growth_mb": round(grown / 1e6, 1),
            "latencies_ms": [round(one * 1000, 1) for one in answered] or decisions,
        }


def _pictures() -> list[bytes]:
    people = fetch_portraits() / "people"
    pictures = []
    for portrait in PORTRAITS:
        image: Any = cv2.imread(str(people / portrait))
        height, width = image.shape[:2]
        side = min(height, width * 3 // 4)
        scene = cv2.resize(image[:side, : side * 4 // 3], (640, 480), interpolation=cv2.INTER_AREA)
        pictures.append(bytes(cv2.imencode(".jpg", scene)[1]))
    return pictures


def _fill(store: Store, engine: FaceEngine, number: int) -> None:
    vectors = gallery("isotropic", number, engine.dim)
    with store.write() as transaction:
        transaction.groups.ensure(DEFAULT_GROUP)
        for one, vector in enumerate(vectors):
            identity_id = f"E{one}"
            transaction.people.put(PersonRow(identity_id, {"name": identity_id, "type": 1}, 1, 1, 0))
            transaction.people.put_embedding(identity_id, engine.making_id, vector)
            transaction.groups.add_members(DEFAULT_GROUP, [identity_id])


def _configure(store: Store, options: argparse.Namespace, clip: Path) -> None:
    devices = [DeviceRow(f"10.0.0.{one}", "0", f"pad {one}") for one in range(options.pads)]
    devices += [
        DeviceRow(f"10.0.1.{one}", "1", f"camera {one}", ftp_user=f"c{one}", ftp_password=hash_password("pw"))
        for one in range(options.snapshots)
    ]
    for kind, number in (("2", options.static), ("3", options.dynamic)):
        devices += [
            DeviceRow(f"10.0.{kind}.{one}", kind, f"stream {one}", stream_url=str(clip))
            for one in range(number)
        ]
    with store.write() as transaction:
        for device in devices:
            transaction.devices.put(device)


def _clip(file: Path, pictures: list[bytes]) -> Path:
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


def _every_second(phase: float, stopping: threading.Event) -> Iterator[int]:
    due = time.monotonic() + phase
    number = 0
    while not stopping.wait(max(due - time.monotonic(), 0.0)):
        yield number
        number += 1
        # Who can't keep up skips seconds, as a camera does.
        due = max(due + 1.0, time.monotonic())


def _pad(
    number: int, all_pads: int, port: int, pictures: list[bytes], latencies: list[float]
) -> Callable[[threading.Event], None]:
    bodies = [
        {"rgb_image_base64": encode_photo(picture), "device_ip": f"10.0.0.{number}"} for picture in pictures
    ]

    def run(stopping: threading.Event) -> None:
        url = f"http://127.0.0.1:{port}/SophonMatch/api/PictureMatch"
        with httpx.Client(trust_env=False, timeout=30) as client:
            for turn in _every_second(number / all_pads, stopping):
                started = time.perf_counter()
                client.post(url, json=bodies[(turn + number) % len(bodies)]).raise_for_status()
                latencies.append(time.perf_counter() - started)

    return run


def _snapshot_camera(
    number: int, all_cameras: int, port: int, pictures: list[bytes]
) -> Callable[[threading.Event], None]:
    def run(stopping: threading.Event) -> None:
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", port, 10)
            client.login(f"c{number}", "pw")
            for turn in _every_second(number / all_cameras, stopping):
                client.storbinary(f"STOR {turn}.jpg", io.BytesIO(pictures[(turn + number) % len(pictures)]))

    return run


def _enrolling(box: Box, pictures: list[bytes]) -> Callable[[threading.Event], None]:
    def run(stopping: threading.Event) -> None:
        while not stopping.is_set():
            box.portrait(pictures[0], "no")

    return run


@contextmanager
def _running(senders: list[Callable[[threading.Event], None]]) -> Iterator[None]:
    stopping = threading.Event()
    threads = [threading.Thread(target=sender, args=(stopping,), daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)


def _last_event(store: Store) -> int:
    with store.read() as snapshot:
        return max((row.id for row in snapshot.events.after(0, 1_000_000)), default=0)


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"p{one}": round(float(np.percentile(values, one)), 1) for one in (50, 90, 99)} | {
        "max": round(max(values), 1)
    }


def _print(result: dict[str, Any]) -> None:
    table = Table(show_header=False)
    for name, value in result.items():
        if name != "latencies_ms":
            table.add_row(name, orjson.dumps(value).decode())
    Console().print(table)


def _plot(result: dict[str, Any], file: Path) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.hist(result["latencies_ms"], bins=60)
    axes.axvline(500, color="red", linestyle="--", label="deadline")
    axes.set(xlabel="ms", ylabel="pictures", title=f"capture to decision: {result['mix']}")
    axes.legend()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()

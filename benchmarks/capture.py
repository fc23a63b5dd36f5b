"""Capture to decision under load: pads over HTTP, snapshot cameras over FTP, streams, beside an enrolment.

    python -m benchmarks.capture [--seconds 60] [--mix pads --mix mixed ...] [--enrolled 50000] [--no-enrolment]
                                 [--json FILE] [--plot FILE]

`sophon run` is the box, a process of its own, behind a private RabbitMQ; its CPU and memory are its own, but the sub-devices,
the platform and the broker share the machine. Each pad and snapshot camera sends one 640 × 480 picture per second, out of
step with the others; streams deliver 10 frames of 1280 × 720 per second. Meanwhile the platform has people enrolled, one
command after the other. Latencies are the client's, from sending a picture to the answer (pads), and the box's own, from
the capture to the decision (all events). Every event goes to the platform, in real time and as history. `growth` is by how
much the box's memory grew in the second half, and `--seconds 600 --mix mixed` the run that shows whether it does.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.galleries import gallery
from benchmarks.process_load import ProcessLoad
from benchmarks.sub_devices import Pad, Sender, SnapshotCamera, make_clip, running, stream
from sophon.contract import AddUsersPlus, ExtendParams, PeopleResult
from sophon.demo.box_under_demo import BoxUnderDemo, daemon_box
from sophon.engine import FaceEngine
from sophon.models import ModelPack
from sophon.sim import ReferencePlatform
from sophon.sim.portraits import fetch_portraits
from sophon.sim.reference_platform import EVENT_PATH, PEOPLE_PATH
from sophon.store import DEFAULT_GROUP, PersonRow, Store

PORTRAITS = ("barack_obama/obama2.jpg", "joe_biden/biden.jpg", "eileen_collins/astronaut.png")
WARM_SECONDS = 6.0
STATUS_SECONDS = 1.2
PEOPLE_PER_COMMAND = 30
COMMAND_SECONDS = 300.0
#: Why a picture, face or event went no further.
DROPS = (
    "uploads_dropped", "uploads_incomplete", "uploads_unusable", "frames_skipped", "faces_below_filter", "suppressed",
    "late", "real_time_late", "real_time_dropped", "real_time_failed", "events_not_kept", "strangers_not_enrolled",
)  # fmt: skip
TYPES = {"0": "pads", "1": "snapshots", "2": "static", "3": "dynamic"}


@dataclass(frozen=True)
class Mix:
    """How many sub-devices of each type are there at once."""

    name: str
    pads: int = 0
    snapshots: int = 0
    static: int = 0
    dynamic: int = 0


MIXES = (
    Mix("pads", pads=10),
    Mix("snapshots", snapshots=10),
    Mix("static", static=4),
    Mix("dynamic", dynamic=2),
    Mix("mixed", pads=4, snapshots=2, static=1, dynamic=1),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each mix")
    parser.add_argument("--mix", action="append", choices=[mix.name for mix in MIXES], help="by default all")
    parser.add_argument("--enrolled", type=int, default=50_000)
    parser.add_argument("--no-enrolment", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    mixes = [mix for mix in MIXES if not options.mix or mix.name in options.mix]
    results = measure(mixes, options.seconds, options.enrolled, beside_enrolment=not options.no_enrolment)
    Console().print(_table(results))
    if options.json:
        options.json.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    if options.plot:
        _plot(results, options.plot)


def measure(
    mixes: list[Mix], seconds: float, enrolled: int, *, beside_enrolment: bool = True
) -> list[dict[str, Any]]:
    """The figures of each mix, one after the other, with one box."""
    portraits = [fetch_portraits() / "people" / name for name in PORTRAITS]
    pictures = [_scene(portrait) for portrait in portraits]
    with (
        tempfile.TemporaryDirectory() as directory,
        ReferencePlatform(calls_kept=100) as platform,
        daemon_box(
            platform,
            Path(directory),
            prepare=lambda store: _fill(store, enrolled),
            capacity=enrolled + 1000,
            cooldown_s=0.5,  # so that each picture of a pad makes an event
            stranger_events_per_min=0,
        ) as box,
    ):
        clip = make_clip(Path(directory) / "clip.avi", pictures)
        receivers = {"content-type": "json", "event_server_url": [platform.root + EVENT_PATH]}
        box.http.post("/SophonFogSys/api/EventServerUrl", json=receivers).raise_for_status()
        enrolment = _Enrolment(box, platform, portraits) if beside_enrolment else None
        return [
            {**_measure(box, mix, seconds, pictures, clip, enrolment), "enrolled": enrolled} for mix in mixes
        ]


def _measure(
    box: BoxUnderDemo,
    mix: Mix,
    seconds: float,
    pictures: list[bytes],
    clip: Path,
    enrolment: _Enrolment | None,
) -> dict[str, Any]:
    pads = [Pad(box, one, one / mix.pads, pictures) for one in range(mix.pads)]
    cameras = [SnapshotCamera(box, one, one / mix.snapshots, pictures) for one in range(mix.snapshots)]
    streams = [stream("2", one, clip) for one in range(mix.static)]
    streams += [stream("3", one, clip) for one in range(mix.dynamic)]
    devices = [*(pad.device for pad in pads), *(camera.device for camera in cameras), *streams]
    for device in devices:
        box.attach(device)
    senders: list[Sender] = [*(pad.run for pad in pads), *(camera.run for camera in cameras)]
    senders += [enrolment.run] if enrolment is not None else []
    load_before = os.getloadavg()[0]
    with running(senders):
        time.sleep(WARM_SECONDS)
        for pad in pads:
            pad.latencies.clear()
            pad.refused.clear()
        sent = sum(camera.sent for camera in cameras)
        people = enrolment.people if enrolment is not None else 0
        first_event, before = _last_event(box), _status(box)
        started = time.perf_counter()
        with ProcessLoad(before["pid"]) as load:
            time.sleep(seconds)
        taken = time.perf_counter() - started
        answered = [latency * 1000 for pad in pads for latency in pad.latencies]
        sent = sum(camera.sent for camera in cameras) - sent
        people = enrolment.people - people if enrolment is not None else 0
        time.sleep(STATUS_SECONDS)
        counted_seconds = time.perf_counter() - started
        after = _status(box)
        counted = before["recognition"]
        counts = {name: value - counted.get(name, 0) for name, value in after["recognition"].items()}
    for device in devices:
        box.detach(device.ip)
    decisions = _decisions(box, first_event)
    return {
        "mix": asdict(mix),
        "seconds": round(taken, 1),
        "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)],
        "per_second": {
            "pad answers": round(len(answered) / taken, 2),
            "uploads sent": round(sent / taken, 2),
            "uploads taken": round(counts.get("uploads", 0) / counted_seconds, 2),
            "frames looked at": round(counts.get("frames", 0) / counted_seconds, 2),
            "frames skipped": round(counts.get("frames_skipped", 0) / counted_seconds, 2),
            "pictures recognised": round(counts.get("pictures", 0) / counted_seconds, 2),
            "events": round(counts.get("events", 0) / counted_seconds, 2),
            "people enrolled": round(people / taken, 2),
        },
        "drops": {name: counts[name] for name in DROPS if counts.get(name)}
        | {f"pad HTTP {status}": pad.refused[status] for pad in pads for status in pad.refused},
        "pad_ms": _percentiles(answered),
        "decision_ms": {name: _percentiles(values) for name, values in decisions.items()},
        "latencies_ms": {"pads, answer": [round(one, 1) for one in answered], **decisions},
        "box": (summary := load.summary()),
        "growth": _growth(summary, after["people"] - before["people"]),
    }


class _Enrolment:
    """Has the same few people enrolled again and again, each time by another photograph, through the broker."""

    def __init__(self, box: BoxUnderDemo, platform: ReferencePlatform, portraits: list[Path]) -> None:
        self._box, self._platform, self._portraits = box, platform, portraits
        self._rounds = itertools.count()
        self.people = 0

    def run(self, stopping: threading.Event) -> None:
        ids = [f"B{one}" for one in range(PEOPLE_PER_COMMAND)]
        command = AddUsersPlus(userid_list=ids, extend_params=ExtendParams(path=PEOPLE_PATH))
        while not stopping.is_set():
            turn = next(self._rounds)
            for one, identity_id in enumerate(ids):
                photo = self._portraits[(one + turn) % len(self._portraits)]
                self._platform.add_person(identity_id, identity_id, photo, fiqa_level="no")
            result = self._box.call(command, COMMAND_SECONDS).result
            self.people += len(result.success_users) if isinstance(result, PeopleResult) else 0


def _scene(portrait: Path) -> bytes:
    image: Any = cv2.imread(str(portrait))
    height, width = image.shape[:2]
    side = min(height, width * 3 // 4)
    scene = cv2.resize(image[:side, : side * 4 // 3], (640, 480), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", scene)[1])


def _fill(store: Store, number: int) -> None:
    with FaceEngine(ModelPack.load()) as engine:
        dim, making_id = engine.dim, engine.making_id
    with store.write() as transaction:
        transaction.groups.ensure(DEFAULT_GROUP)
        for one, vector in enumerate(gallery("isotropic", number, dim)):
            identity_id = f"E{one}"
            transaction.people.put(PersonRow(identity_id, {"name": identity_id, "type": 1}, 1, 1, 0))
            transaction.people.put_embedding(identity_id, making_id, vector)
            transaction.groups.add_members(DEFAULT_GROUP, [identity_id])


def _status(box: BoxUnderDemo) -> dict[str, Any]:
    """What the box says of itself, a second ago at most."""
    answer: dict[str, Any] = box.http.get("/api/v1/status").raise_for_status().json()["data"]
    return answer


def _growth(load: dict[str, Any], people: int) -> str:
    """By how much the memory grew, by the slope of the second half; more people need more of it."""
    minutes = load["second_half_minutes"]
    grown = load["rss_mb_per_minute_second_half"] * minutes
    return f"{grown:+.1f} MB in {minutes:.1f} minutes ({people:+d} people enrolled meanwhile)"


def _last_event(box: BoxUnderDemo) -> int:
    with Store(box.data_dir, exclusive=False) as store, store.read() as snapshot:
        return max((row.id for row in snapshot.events.after(0, 1_000_000)), default=0)


def _decisions(box: BoxUnderDemo, after: int) -> dict[str, list[float]]:
    """Milliseconds from capture to decision of the newest events, by the sub-device's type."""
    found: dict[str, list[float]] = {}
    with Store(box.data_dir, exclusive=False) as store, store.read() as snapshot:
        for row in snapshot.events.after(after, 1_000_000):
            found.setdefault(TYPES[row.device_type], []).append(row.details["decision_ms"])
    return found


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"p{one}": round(float(np.percentile(values, one)), 1) for one in (50, 90, 99)} | {
        "max": round(max(values), 1),
        "number": len(values),
    }


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table("", *(result["mix"]["name"] for result in results))
    for name in (
        "mix",
        "enrolled",
        "seconds",
        "load_average",
        "per_second",
        "drops",
        "pad_ms",
        "decision_ms",
        "growth",
    ):
        table.add_row(name, *(_lines(result[name]) for result in results))
    table.add_row("box", *(_lines(_without_samples(result["box"])) for result in results))
    return table


def _without_samples(box: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in box.items() if name != "samples"}


def _lines(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return "\n".join(f"{name}: {_short(one)}" for name, one in value.items() if one not in (0, 0.0))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {one:g}" for name, one in value.items())
    return str(value)


def _plot(results: list[dict[str, Any]], file: Path) -> None:
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(len(results), 2, figsize=(13, 3.5 * len(results)), squeeze=False)
    for result, (latency, load) in zip(results, rows, strict=True):
        for name, values in result["latencies_ms"].items():
            if values:
                latency.hist(np.clip(values, 0, 1000), bins=50, range=(0, 1000), histtype="step", label=name)
        latency.axvline(500, color="red", linestyle="--", label="deadline")
        latency.set(xlabel="ms", ylabel="number", title=f"capture to decision: {result['mix']['name']}")
        latency.legend()
        samples = result["box"]["samples"]
        seconds = [one["seconds"] for one in samples]
        load.plot(seconds, [one["cpu"] for one in samples], color="tab:blue", linewidth=0.8)
        load.set(xlabel="s", ylabel="CPU, % of a core", ylim=(0, None), title="the box alone")
        memory = load.twinx()
        memory.plot(seconds, [one["rss_mb"] for one in samples], color="tab:orange", label="resident")
        memory.plot(seconds, [one["own_mb"] for one in samples], color="tab:red", label="no file's")
        memory.set(ylabel="memory, MB", ylim=(0, None))
        memory.legend(title=result["growth"], loc="lower right")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()

"""How fast `add_users_plus` enrols, against the engine's own rate on the same photographs, in interleaved rounds.

    python -m benchmarks.enrolment [--photos FOLDER] [--people 300] [--rounds 3] [--json FILE]

`engine` is `analyze_many` with the photographs in memory. `box` is one command for all people, from its publication to its result: details
and photographs are fetched from a platform on this machine, judged at level `no`, and committed to disk. On a machine that does other
things too, processor time tells more than the clock.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from benchmarks.box_process import start_box
from sophon.contract import AddUsersPlus, ExtendParams, PeopleResult
from sophon.engine import FaceEngine
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from sophon.sim.portraits import fetch_portraits

DEV_SNO = "ENROL"
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Speed:
    """Photographs per second, and what each took of all processors' time; how many people were enrolled."""

    per_second: float
    cpu_ms: float
    enrolled: int = 0


def engine_speed(engine: FaceEngine, photos: list[bytes]) -> Speed:
    """`analyze_many` with the photographs in memory."""
    started, cpu = time.perf_counter(), time.process_time()
    for _ in engine.analyze_many(photos):
        pass
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Speed(len(photos) / seconds, cpu * 1000 / len(photos))


def box_speed(node: BrokerNode, photos: list[bytes]) -> Speed:
    """One `add_users_plus` for all."""
    with ExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory()))
        platform = owned.enter_context(ReferencePlatform())
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        for number, photo in enumerate(photos):
            platform.add_person(f"P{number}", "n", photo, fiqa_level="no")
        box = psutil.Process(start_box(owned, folder / "data", platform.login_url, DEV_SNO).pid)
        desk = owned.enter_context(PlatformDesk(lines))
        ids = [f"P{number}" for number in range(len(photos))]
        command = AddUsersPlus(userid_list=ids, extend_params=ExtendParams(path="/getSendPerson"))
        started, cpu = time.perf_counter(), sum(box.cpu_times()[:2])
        result = desk.call(command, 3600)
        seconds, cpu = time.perf_counter() - started, sum(box.cpu_times()[:2]) - cpu
    assert isinstance(result.result, PeopleResult)
    return Speed(len(photos) / seconds, cpu * 1000 / len(photos), len(result.result.success_users))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="take these; by default the demo's portraits")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    folder = options.photos or fetch_portraits() / "people"
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    photos = [file.read_bytes() for file in itertools.islice(itertools.cycle(files), options.people)]
    with FaceEngine() as engine, BrokerNode() as node:
        rounds = [(engine_speed(engine, photos), box_speed(node, photos)) for _ in range(options.rounds)]
    figures = {
        name: {
            "per_second": statistics.median(one.per_second for one in speeds),
            "cpu_ms": statistics.median(one.cpu_ms for one in speeds),
        }
        for name, speeds in zip(("engine", "box"), zip(*rounds, strict=True), strict=True)
    }
    for name, values in figures.items():
        print(f"{name}: {values['per_second']:.1f}/s, {values['cpu_ms']:.0f} ms of processor time each")
    print(f"rate: {figures['box']['per_second'] / figures['engine']['per_second']:.2f} of the engine's; "
          f"by processor time {figures['engine']['cpu_ms'] / figures['box']['cpu_ms']:.2f}; "
          f"{rounds[-1][1].enrolled} of {len(photos)} enrolled")  # fmt: skip
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

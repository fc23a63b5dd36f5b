"""How fast `add_users_plus` enrols, against the engine's own rates on the same photographs, in interleaved rounds.

    python -m benchmarks.enrolment [--photos FOLDER] [--people 300] [--rounds 3] [--json FILE]

`add_users_plus` is one command for all people, from its publication to its result: details and photographs are fetched from a
platform on this machine, which takes its share of the cores, judged at a level, and committed to disk. The engine has the
photographs in memory. Both have a few done before. What has the same work asked is compared: at level `no`, where nothing is judged, with `analyze_many`; at level
`high`, where everything is, with `enroll_candidates_many`, and for what judging costs with `analyze_many` too. On a machine that
does other things, processor time tells more than the clock.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
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
#: A process that just started is slower: so many are done first.
WARM_UP = 24
#: What is set against what.
PAIRS = (
    ("add_users_plus, no", "analyze_many"),
    ("add_users_plus, high", "enroll_candidates_many, high"),
    ("add_users_plus, high", "analyze_many"),
)
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Speed:
    """Photographs per second, and what each took of all processors' time; how many people were enrolled."""

    per_second: float
    cpu_ms: float
    enrolled: int = 0


def engine_speed(analysis: Callable[[], Iterable[object]], photos: int) -> Speed:
    """An analysis of so many photographs that are in memory."""
    started, cpu = time.perf_counter(), time.process_time()
    for _ in analysis():
        pass
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Speed(photos / seconds, cpu * 1000 / photos)


def box_speed(node: BrokerNode, photos: list[bytes], level: str) -> Speed:
    """One `add_users_plus` for all."""
    with ExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory()))
        platform = owned.enter_context(ReferencePlatform())
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        box = psutil.Process(start_box(owned, folder / "data", platform.login_url, DEV_SNO).pid)
        desk = owned.enter_context(PlatformDesk(lines))

        def enrol(name: str, people: list[bytes]) -> int:
            ids = [f"{name}{number}" for number in range(len(people))]
            for one, photo in zip(ids, people, strict=True):
                platform.add_person(one, "n", photo, fiqa_level=level)
            command = AddUsersPlus(userid_list=ids, extend_params=ExtendParams(path="/getSendPerson"))
            result = desk.call(command, 3600).result
            assert isinstance(result, PeopleResult)
            return len(result.success_users)

        enrol("W", photos[:WARM_UP])
        started, cpu = time.perf_counter(), sum(box.cpu_times()[:2])
        enrolled = enrol("P", photos)
        seconds, cpu = time.perf_counter() - started, sum(box.cpu_times()[:2]) - cpu
    return Speed(len(photos) / seconds, cpu * 1000 / len(photos), enrolled)


def _median(speeds: list[Speed]) -> Speed:
    return Speed(
        statistics.median(one.per_second for one in speeds),
        statistics.median(one.cpu_ms for one in speeds),
        speeds[-1].enrolled,
    )


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
        engine_speed(lambda: engine.enroll_candidates_many(photos[:WARM_UP], "high"), WARM_UP)
        measures: dict[str, Callable[[], Speed]] = {
            "analyze_many": lambda: engine_speed(lambda: engine.analyze_many(photos), len(photos)),
            "enroll_candidates_many, high": lambda: engine_speed(
                lambda: engine.enroll_candidates_many(photos, "high"), len(photos)
            ),
            "add_users_plus, no": lambda: box_speed(node, photos, "no"),
            "add_users_plus, high": lambda: box_speed(node, photos, "high"),
        }
        rounds = [{name: measure() for name, measure in measures.items()} for _ in range(options.rounds)]
    speeds = {name: _median([one[name] for one in rounds]) for name in measures}
    for name, speed in speeds.items():
        enrolled = f", {speed.enrolled} of {len(photos)} enrolled" if name.startswith("add") else ""
        print(f"{name}: {speed.per_second:.1f}/s, {speed.cpu_ms:.1f} ms of processor time each{enrolled}")
    for box, engine_alone in PAIRS:
        ours, theirs = speeds[box], speeds[engine_alone]
        print(f"{box}: {ours.per_second / theirs.per_second:.2f} of {engine_alone}; "
              f"by processor time {theirs.cpu_ms / ours.cpu_ms:.2f}")  # fmt: skip
    if options.json:
        options.json.write_bytes(orjson.dumps(speeds, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

"""How fast `add_users_plus` enrols, against the engine's own rate on the same photographs, in interleaved rounds.

    python -m benchmarks.enrolment [--photos FOLDER] [--people 300] [--rounds 3] [--json FILE]

`engine` is `analyze_many` with the photographs in memory. `box` is one command for all people, from its publication to its result: details
and photographs are fetched from a platform on this machine, judged at level `no`, and committed to disk.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import orjson

from benchmarks.box_process import start_box
from sophon.contract import AddUsersPlus, ExtendParams, PeopleResult
from sophon.engine import FaceEngine
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from sophon.sim.portraits import fetch_portraits

DEV_SNO = "ENROL"
SUFFIXES = {".jpg", ".jpeg", ".png"}


def engine_rate(engine: FaceEngine, photos: list[bytes]) -> float:
    """Photographs per second."""
    started = time.perf_counter()
    for _ in engine.analyze_many(photos):
        pass
    return len(photos) / (time.perf_counter() - started)


def box_rate(node: BrokerNode, photos: list[bytes]) -> tuple[float, int]:
    """People per second, and how many of them were enrolled."""
    with ExitStack() as owned:
        folder = Path(owned.enter_context(tempfile.TemporaryDirectory()))
        platform = owned.enter_context(ReferencePlatform())
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        for number, photo in enumerate(photos):
            platform.add_person(f"P{number}", "n", photo, fiqa_level="no")
        start_box(owned, folder / "data", platform.login_url, DEV_SNO)
        desk = owned.enter_context(PlatformDesk(lines))
        ids = [f"P{number}" for number in range(len(photos))]
        started = time.perf_counter()
        result = desk.call(
            AddUsersPlus(userid_list=ids, extend_params=ExtendParams(path="/getSendPerson")), 3600
        )
        seconds = time.perf_counter() - started
    assert isinstance(result.result, PeopleResult)
    return len(photos) / seconds, len(result.result.success_users)


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
    engine_rates, box_rates = [], []
    with FaceEngine() as engine, BrokerNode() as node:
        for _ in range(options.rounds):
            engine_rates.append(engine_rate(engine, photos))
            rate, enrolled = box_rate(node, photos)
            box_rates.append(rate)
    ours, theirs = statistics.median(box_rates), statistics.median(engine_rates)
    print(
        f"engine {theirs:.1f}/s, box {ours:.1f}/s ({enrolled} of {len(photos)} enrolled): {ours / theirs:.2f}"
    )
    if options.json:
        figures = {"engine": theirs, "box": ours, "ratio": ours / theirs, "enrolled": enrolled}
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()

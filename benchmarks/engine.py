"""Where a photograph's time goes, and how long others take: `python -m benchmarks.engine [--rounds 100]`.

Every round asks each pipeline in turn for the same photograph, so that whatever else the machine does hits all alike;
medians of the rounds. The plain pipeline is OpenCV, NumPy and ONNX Runtime with the same installed networks, as anyone would
write it in an afternoon (benchmarks/plain_pipeline.py), with FAISS for the search; once with the networks as the installation
rewrote them, once with the embedding network as its package ships it. The search finds who of 50,000 reaches the score from
which on a comparison counts as a match; FAISS, whose search by a score is slower, finds the five most similar. Arithmetic is
all that no network does, the search included.
Writes engine.json and engine.png to bench-out/.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import orjson
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.dlib_pipeline import DlibPipeline, is_installed
from benchmarks.galleries import gallery
from benchmarks.peers import FaissFlatSelectingAll
from benchmarks.plain_pipeline import DETECTION_SIZE, MAX_OVERLAP, MIN_SCORE, PlainPipeline
from sophon import ExactIndex, Face, FaceEngine
from sophon.calibration import load_calibration
from sophon.engine.sessions import Network, Tensor
from sophon.errors import SophonError
from sophon.models import ModelPack, Role
from sophon.models.registry import fetch_source, silent
from sophon.sim.portraits import fetch_portraits

Image = NDArray[np.uint8]
Accuracy = Literal["best", "fast"]

ENROLLED = 50_000
K = 5
WARM_UP_ROUNDS = 5
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Photo:
    name: str
    file: bytes
    image: Image


@dataclass(frozen=True)
class Stages:
    """Medians in milliseconds of one pipeline on one photograph; `whole` was measured apart, not added up."""

    pipeline: str
    photo: str
    threads: int
    stages: dict[str, float]
    whole: float
    network: float
    """The share of the whole that the networks took, 0-1."""


@dataclass(frozen=True)
class Whole:
    """One pipeline from the picture to the decision against 50,000 people, milliseconds."""

    photo: str
    pipeline: str
    median: float
    p99: float
    rounds: int


class Stopwatch:
    """A network that adds up the time it ran."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.model = network.model
        self.seconds = 0.0

    def run(self, batch: Tensor) -> list[Tensor]:
        begin = time.perf_counter()
        try:
            return self._network.run(batch)
        finally:
            self.seconds += time.perf_counter() - begin


def search(index: ExactIndex, faces: Sequence[Face], floor: float) -> None:
    if faces:
        index.search(np.stack([face.embedding for face in faces]), K, floor)


def matching_cosine(pack: ModelPack) -> float:
    """The cosine from which on a comparison counts as a match."""
    with FaceEngine(pack) as engine:
        calibration = load_calibration(pack.directory, engine.making_id)
    if calibration is None:
        raise SystemExit("the installed networks have no calibration; run `sophon calibrate` first")
    return calibration.threshold()


def timed(function: Callable[[], object], rounds: int) -> list[float]:
    times = []
    for turn in range(WARM_UP_ROUNDS + rounds):
        begin = time.perf_counter()
        function()
        if turn >= WARM_UP_ROUNDS:
            times.append((time.perf_counter() - begin) * 1e3)
    return times


def photographs() -> list[Photo]:
    folder = fetch_portraits() / "people"
    astronaut: Any = cv2.imread(str(folder / "eileen_collins" / "astronaut.png"))
    one = np.ascontiguousarray(cv2.resize(astronaut[:384], (640, 480)))
    ten = np.ascontiguousarray(np.tile(cv2.resize(one, (256, 240)), (2, 5, 1)))
    large: Any = cv2.imread(str(folder / "joe_biden" / "biden.jpg"))
    pictures = [
        ("640 × 480, one face", one),
        ("1280 × 480, ten faces", ten),
        ("2204 × 970, one face", large),
    ]
    return [
        Photo(name, bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]), image)
        for name, image in pictures
    ]


def stages(
    photo: Photo, accuracy: Accuracy, threads: int, index: ExactIndex, floor: float, rounds: int
) -> Stages:
    """Time an engine's parts one after the other: what one hands to the next is made beforehand."""
    from sophon.engine.alignment import aligning_transform
    from sophon.engine.embedder import unit_embeddings
    from sophon.engine.photo import load_photo
    from sophon.engine.quality import Subject

    with FaceEngine(accuracy=accuracy, threads=threads) as engine:
        watches = _watch(engine)
        found = engine._detector.detect(photo.image)
        landmarks = [
            engine._landmarks_for_alignment(photo.image, box, points)
            for box, points in zip(found.boxes, found.landmarks, strict=True)
        ]
        transforms = [aligning_transform(points) for points in landmarks]
        raw, _ = engine._embedder.embed(photo.image, transforms)
        embeddings = unit_embeddings(raw)
        subjects = [
            Subject(photo.image, box, points, transform)
            for box, points, transform in zip(found.boxes, found.landmarks, transforms, strict=True)
        ]
        parts: dict[str, Callable[[], object]] = {
            "decode": lambda: load_photo(photo.file),
            "detect": lambda: engine._detector.detect(photo.image),
            "landmarks": lambda: [
                aligning_transform(engine._landmarks_for_alignment(photo.image, box, points))
                for box, points in zip(found.boxes, found.landmarks, strict=True)
            ],
            "align and embed": lambda: engine._embedder.embed(photo.image, transforms),
            "quality": lambda: [subject.statistics() for subject in subjects],
            "search": lambda: index.search(embeddings, K, floor),
        }
        medians = {name: float(np.median(timed(part, rounds))) for name, part in parts.items()}
        before = sum(watch.seconds for watch in watches)
        whole = timed(lambda: search(index, engine.analyze(photo.file), floor), rounds)
        network = sum(watch.seconds for watch in watches) - before
        share = network * 1e3 / (float(np.mean(whole)) * (rounds + WARM_UP_ROUNDS))
    return Stages(f"sophon, {accuracy}", photo.name, threads, medians, float(np.median(whole)), share)


def _watch(engine: FaceEngine) -> list[Stopwatch]:
    watches = []
    for part in (engine._detector, engine._embedder, engine._contour):
        if part is not None:
            watch = Stopwatch(part._network)
            part._network = watch
            watches.append(watch)
    return watches


def opencv_detector(pack: ModelPack, size: tuple[int, int]) -> Any:
    """OpenCV's own reader of the same YuNet file."""
    return cv2.FaceDetectorYN.create(str(pack.path(Role.DETECTOR)), "", size, MIN_SCORE, MAX_OVERLAP)


def embedder_as_shipped(pack: ModelPack) -> bytes | None:
    """The embedding network before the installation rewrote it; None where it can't be had."""
    source = pack.model(Role.EMBEDDING).source
    if source is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return fetch_source(source, Path(scratch), silent)
    except SophonError as error:
        print(f"left out the network as shipped: {error}", file=sys.stderr)
        return None


def wholes(
    photo: Photo,
    pack: ModelPack,
    vectors: NDArray[np.float32],
    shipped: bytes | None,
    floor: float,
    rounds: int,
) -> list[Whole]:
    """Interleave all pipelines, from the encoded photograph to who reaches the score of a match."""
    ours = ExactIndex(vectors.shape[1])
    ours.add(np.arange(len(vectors)), vectors)
    faiss = FaissFlatSelectingAll(vectors, np.arange(1))
    with ExitStack() as owned:
        best = owned.enter_context(FaceEngine(pack))
        fast = owned.enter_context(FaceEngine(pack, accuracy="fast"))
        plain = {"plain + FAISS": PlainPipeline(pack)}
        if shipped is not None:
            plain["plain + FAISS, as shipped"] = PlainPipeline(pack, embedder=shipped)

        def decide(pipeline: PlainPipeline) -> None:
            for face in pipeline.analyze(_decode(photo.file)):
                faiss.search(face.embedding[None], K)

        pipelines: dict[str, Callable[[], object]] = {
            "sophon, best": lambda: search(ours, best.analyze(photo.file), floor),
            "sophon, fast": lambda: search(ours, fast.analyze(photo.file), floor),
        }
        pipelines |= {name: partial(decide, pipeline) for name, pipeline in plain.items()}
        if is_installed():
            dlib = DlibPipeline()
            pipelines[f"{DlibPipeline.name}, no search"] = lambda: dlib.analyze(_decode(photo.file))
        else:
            print(f"left out {DlibPipeline.name}: it is not installed", file=sys.stderr)
        return [
            Whole(photo.name, name, float(np.median(times)), float(np.percentile(times, 99)), len(times))
            for name, times in _interleaved(pipelines, rounds).items()
        ]


def detection(photo: Photo, pack: ModelPack, rounds: int) -> dict[str, float]:
    """Medians of finding faces alone, at the same single scale: ours and OpenCV's FaceDetectorYN."""
    scale = DETECTION_SIZE / max(photo.image.shape[:2])
    size = round(photo.image.shape[1] * scale), round(photo.image.shape[0] * scale)
    theirs = opencv_detector(pack, size)
    with FaceEngine(pack, detector_sizes=(DETECTION_SIZE,)) as engine:
        times = _interleaved(
            {
                "sophon": lambda: engine._detector.detect(photo.image),
                "FaceDetectorYN": lambda: theirs.detect(cv2.resize(photo.image, size)),
            },
            rounds,
        )
    return {name: float(np.median(values)) for name, values in times.items()}


def throughput(photo: Photo, pack: ModelPack, photographs_each: int) -> dict[str, float]:
    """Photographs per second of analyze_many, by the number of workers."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    with FaceEngine(pack) as engine:
        for workers in itertools.chain.from_iterable([(1, 2)] * 5):
            begin = time.perf_counter()
            for _ in engine.analyze_many([photo.file] * photographs_each, workers=workers):
                pass
            rates[workers].append(photographs_each / (time.perf_counter() - begin))
    return {f"{workers} workers": float(np.median(values)) for workers, values in rates.items()}


def _decode(file: bytes) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _interleaved(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(WARM_UP_ROUNDS + rounds):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            if turn >= WARM_UP_ROUNDS:
                times[name].append((time.perf_counter() - begin) * 1e3)
    return times


def plot(measured: Sequence[Stages], path: Path) -> None:
    """A bar a pipeline and photograph, stacked by stage."""
    figure = Figure(figsize=(12, 0.5 * len(measured) + 2), layout="constrained")
    axes = figure.subplots()
    names = [f"{row.photo}; {row.pipeline}, {row.threads} thread{'s'[: row.threads - 1]}" for row in measured]
    left = np.zeros(len(measured))
    for stage in measured[0].stages:
        widths = np.array([row.stages[stage] for row in measured])
        axes.barh(names, widths, left=left, label=stage)
        left += widths
    axes.invert_yaxis()
    axes.set(xlabel="ms, median", title="where a photograph's time goes")
    axes.legend()
    figure.savefig(path, dpi=150)


def print_stages(console: Console, measured: Sequence[Stages]) -> None:
    table = Table(title="stages, ms (medians)")
    for column in ("photograph", "engine", "threads", *measured[0].stages, "whole", "arithmetic"):
        table.add_column(column, justify="left" if column in ("photograph", "engine") else "right")
    for row in measured:
        table.add_row(
            row.photo,
            row.pipeline,
            str(row.threads),
            *(f"{value:.2f}" for value in row.stages.values()),
            f"{row.whole:.2f}",
            f"{1 - row.network:.0%}",
        )
    console.print(table)


def print_wholes(console: Console, measured: Sequence[Whole]) -> None:
    table = Table(title=f"from the file to the decision against {ENROLLED:,} people, one thread, ms")
    for column in ("photograph", "pipeline", "median", "p99", "× sophon, best"):
        table.add_column(column, justify="left" if column in ("photograph", "pipeline") else "right")
    own = {row.photo: row.median for row in measured if row.pipeline == "sophon, best"}
    for row in measured:
        table.add_row(
            row.photo,
            row.pipeline,
            f"{row.median:.2f}",
            f"{row.p99:.2f}",
            f"{row.median / own[row.photo]:.2f}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        # The libraries read these when they load.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.engine", *sys.argv[1:]],
            os.environ | ONE_THREAD,
        )
    console = Console(width=None if sys.stdout.isatty() else 150)
    pack = ModelPack.load()
    pictures = photographs()
    vectors = gallery("isotropic", ENROLLED, 512)
    index = ExactIndex(512)
    index.add(np.arange(ENROLLED), vectors)
    floor = matching_cosine(pack)
    measured = [
        stages(photo, accuracy, threads, index, floor, options.rounds)
        for photo in pictures
        for accuracy, threads in _settings()
    ]
    print_stages(console, measured)
    shipped = embedder_as_shipped(pack)
    whole = [
        row for photo in pictures for row in wholes(photo, pack, vectors, shipped, floor, options.rounds)
    ]
    print_wholes(console, whole)
    found = detection(pictures[0], pack, options.rounds)
    console.print(f"detection alone, at {DETECTION_SIZE} pixels, ms:", found)
    rates = throughput(pictures[0], pack, options.rounds)
    console.print("photographs per second, analyze_many:", rates)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {
        "stages": [asdict(row) for row in measured],
        "wholes": [asdict(row) for row in whole],
        "detection": found,
        "throughput": rates,
    }
    (options.out / "engine.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    plot(measured, options.out / "engine.png")
    console.print(f"wrote {options.out}/engine.json and engine.png")


def _settings() -> Iterator[tuple[Accuracy, int]]:
    yield from (("best", 1), ("fast", 1), ("best", 2))


if __name__ == "__main__":
    main()

"""The matcher beside its peers: `python -m benchmarks.matching [--quick]`.

Every round asks each matcher the same question in turn, so that whatever else the machine does hits all alike; medians and p99
of the rounds. One thread each. Hot: the matcher's previous question is asked again first, untimed. Cold: 64 MiB of
other memory are read first. Writes matching.json and matching.png to bench-out/.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import orjson
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.galleries import Kind, Vectors, gallery
from benchmarks.peers import BEST_KNOWN, OTHERS, FaissFlat, FaissFlatSelectingAll, Matcher, Sophon

K = 5
ALLOWED = 0.1
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Gallery:
    """What is searched."""

    kind: Kind
    count: int
    dim: int


@dataclass(frozen=True)
class Question:
    """What is asked."""

    batch: int = 1
    threshold: float = -1.0
    within: bool = False
    cold: bool = False

    def __str__(self) -> str:
        words = [f"batch {self.batch}" if self.batch > 1 else "one query"]
        words += [f"threshold {self.threshold:g}"] * (self.threshold > -1)
        words += [f"{ALLOWED:.0%} allowed"] * self.within
        words += ["cold"] * self.cold
        return ", ".join(words)


@dataclass(frozen=True)
class Figures:
    """One matcher's times for one question, in milliseconds, and whether its answers are the float32 ones."""

    gallery: Gallery
    question: Question
    matcher: str
    rounds: int
    median: float
    p99: float
    best: float
    same: float
    """The share of the first matcher's keys that this one found too."""


def measure(
    chosen: Gallery,
    question: Question,
    matchers: Sequence[Matcher],
    queries: Vectors,
    rounds: int,
    seconds: float,
) -> list[Figures]:
    """Interleaved rounds until there are enough or the time is up; at least ten."""
    other_memory = np.zeros(64 << 20, np.uint8)
    times: list[list[float]] = [[] for _ in matchers]
    same: list[list[float]] = [[] for _ in matchers]
    end = time.perf_counter() + seconds
    for turn in range(rounds):
        if turn >= 10 and time.perf_counter() > end:
            break
        start = turn * question.batch % (len(queries) - question.batch + 1)
        asked = queries[start : start + question.batch]
        reference: NDArray[np.int64] | None = None
        for matcher, mine, equal in zip(matchers, times, same, strict=True):
            if question.cold:
                other_memory.max()
            else:
                matcher.search(queries[: question.batch], K, question.threshold, question.within)
            begin = time.perf_counter()
            keys, scores = matcher.search(asked, K, question.threshold, question.within)
            mine.append((time.perf_counter() - begin) * 1e3)
            keys = np.where(scores >= question.threshold, keys, -1)
            reference = keys if reference is None else reference
            equal.append(float((keys == reference).mean()))
    return [
        Figures(
            chosen,
            question,
            matcher.name,
            len(mine),
            float(np.median(mine)),
            float(np.percentile(mine, 99)),
            min(mine),
            float(np.mean(equal)),
        )
        for matcher, mine, equal in zip(matchers, times, same, strict=True)
    ]


def memory_bandwidth() -> dict[str, float]:
    """GB/s of reading memory end to end by one thread: the largest byte of a large and of a small array."""
    result = {}
    for name, size, turns in (("400 MiB", 400 << 20, 7), ("8 MiB", 8 << 20, 200)):
        array = np.zeros(size, np.uint8)
        times = []
        for _ in range(turns):
            begin = time.perf_counter()
            array.max()
            times.append(time.perf_counter() - begin)
        result[name] = size / float(np.median(times)) / 1e9
    return result


def build(
    makers: Sequence[type[Matcher]], vectors: Vectors, allowed: NDArray[np.int64], console: Console
) -> list[Matcher]:
    """Those whose library is installed."""
    matchers: list[Matcher] = []
    for maker in makers:
        if find_spec(maker.library) is None:
            console.print(f"[yellow]left out {maker.name}: {maker.library} is not installed[/]")
        else:
            matchers.append(maker(vectors, allowed))
    return matchers


def print_table(console: Console, chosen: Gallery, figures: Sequence[Figures]) -> None:
    table = Table(title=f"{chosen.count:,} × {chosen.dim}, {chosen.kind}; top {K}; ms")
    for column in (
        "question",
        "matcher",
        "median",
        "p99",
        "best",
        "same keys",
        "× Sophon's median",
        "rounds",
    ):
        table.add_column(column, justify="left" if column in ("question", "matcher") else "right")
    own = {row.question: row.median for row in figures if row.matcher == Sophon.name}
    for row in figures:
        table.add_row(
            str(row.question) if row.matcher == Sophon.name else "",
            row.matcher,
            f"{row.median:.3f}",
            f"{row.p99:.3f}",
            f"{row.best:.3f}",
            f"{row.same:.4f}",
            f"{row.median / own[row.question]:.2f}",
            str(row.rounds),
            end_section=row.matcher == figures[-1].matcher,
        )
    console.print(table)


def plot(figures: Sequence[Figures], path: Path) -> None:
    """How one query's cost grows with the gallery, and how often faster than FAISS each question is answered."""
    plain = [row for row in figures if row.question == Question() and row.gallery.kind == "isotropic"]
    figure = Figure(figsize=(13, 5), layout="constrained")
    growth, ratios = figure.subplots(1, 2)
    for name, dim in sorted({(row.matcher, row.gallery.dim) for row in plain}):
        line = sorted(
            (row.gallery.count, row.median) for row in plain if (row.matcher, row.gallery.dim) == (name, dim)
        )
        growth.plot(*zip(*line, strict=True), "o-", label=f"{name}, {dim}")
    growth.set(
        xscale="log",
        yscale="log",
        xlabel="vectors",
        ylabel="ms, median",
        title="one query, top 5, one thread",
    )
    growth.legend(fontsize=7)
    own = {(row.gallery, row.question): row.median for row in figures if row.matcher == Sophon.name}
    bars = [
        (f"{row.gallery.count // 1000}k × {row.gallery.dim} {row.gallery.kind}: {row.question}", ratio)
        for row in figures
        if row.matcher == FaissFlatSelectingAll.name
        for ratio in [row.median / own[row.gallery, row.question]]
    ]
    ratios.barh(*zip(*bars, strict=True))
    ratios.axvline(1, color="black")
    ratios.set(xlabel="times faster than FAISS IndexFlatIP at its best")
    ratios.tick_params(axis="y", labelsize=6)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="50,000 vectors, fewer rounds and questions")
    parser.add_argument(
        "--count", type=int, action="append", help="gallery sizes instead of 50k, 200k and 1M"
    )
    parser.add_argument("--dim", type=int, action="append", help="dimensions instead of 128 and 512")
    parser.add_argument(
        "--people", type=Path, help=".npy of real embeddings (n, dim) for the face-like galleries"
    )
    parser.add_argument("--peers", choices=["all", "faiss"], default="all", help="all: up to 50,000 vectors")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        # The libraries read these when they load.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.matching", *sys.argv[1:]],
            os.environ | ONE_THREAD,
        )

    console = Console(width=None if sys.stdout.isatty() else 150)
    rounds = options.rounds or (50 if options.quick else 200)
    people = None if options.people is None else np.load(options.people).astype(np.float32)
    questions = [Question(), Question(threshold=0.3), Question(within=True), Question(batch=64)]
    if not options.quick:
        questions += [Question(batch=8), Question(cold=True), Question(threshold=0.3, cold=True)]
    bandwidth = memory_bandwidth()
    console.print(
        "reading memory, one thread:", {name: f"{rate:.1f} GB/s" for name, rate in bandwidth.items()}
    )
    kinds: list[Kind] = ["isotropic"] if options.quick else ["isotropic", "face-like"]
    counts = options.count or ([50_000] if options.quick else [50_000, 200_000, 1_000_000])
    figures: list[Figures] = []
    for kind, count, dim in product(kinds, counts, options.dim or [128, 512]):
        chosen = Gallery(kind, count, dim)
        fitting = people if people is not None and people.shape[1] == dim else None
        vectors = gallery(kind, count, dim, people=fitting)
        queries = gallery(kind, 512, dim, seed=1, people=fitting)
        allowed = np.sort(np.random.default_rng(2).permutation(count)[: int(count * ALLOWED)])
        with_others = options.peers == "all" and count <= 50_000 and kind == "isotropic"
        matchers = build(BEST_KNOWN + (OTHERS if with_others else []), vectors, allowed, console)
        rows = []
        for question in questions:
            # The others answer the plain questions; not all of them know thresholds or filters.
            plain = question.threshold <= -1 and not question.within
            asked = [matcher for matcher in matchers if plain or isinstance(matcher, Sophon | FaissFlat)]
            rows += measure(chosen, question, asked, queries, rounds, seconds=20 if options.quick else 90)
        print_table(console, chosen, rows)
        one = next(row for row in rows if row.matcher == Sophon.name and row.question == Question())
        floats = count * dim * 4 / one.median / 1e6
        console.print(
            f"one query as if the floats were read at {floats:.0f} GB/s: "
            f"{floats / bandwidth['400 MiB']:.1f} × what memory gives\n"
        )
        figures += rows
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"bandwidth": bandwidth, "k": K, "figures": [asdict(row) for row in figures]}
    (options.out / "matching.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    plot(figures, options.out / "matching.png")
    console.print(f"wrote {options.out}/matching.json and matching.png")


if __name__ == "__main__":
    main()

"""Searches beside changes: `python -m benchmarks.under_change [--seconds 10]`.

One writer adds, removes and regroups people at a set pace while two searchers ask without pause. The searchers' times
are given with and without the writer, since two searchers and a writer may be more than the machine's cores.
"""

from __future__ import annotations

import argparse
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table

import sophon
from benchmarks.galleries import gallery


@dataclass
class Times:
    """Milliseconds."""

    each: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        median, p99, worst = np.percentile(self.each, [50, 99, 100])
        return [str(len(self.each)), f"{median:.3f}", f"{p99:.3f}", f"{worst:.3f}"]


def run(count: int, dim: int, seconds: float, changes: int) -> tuple[Times, Times]:
    """Return the searches' and the changes' times; `changes` per second, 0 for none."""
    index = sophon.ExactIndex(dim)
    index.add(np.arange(count), gallery("isotropic", count, dim))
    group = index.subset(np.arange(0, count, 10))
    queries = gallery("isotropic", 256, dim, seed=1)
    passing = gallery("isotropic", 1024, dim, seed=2)
    end = time.perf_counter() + seconds
    searches, changed = [Times(), Times()], Times()

    def search(times: Times) -> None:
        turn = 0
        while time.perf_counter() < end:
            begin = time.perf_counter()
            index.search(queries[turn % 256], k=5, threshold=0.3, allow=group if turn % 4 == 0 else None)
            times.each.append((time.perf_counter() - begin) * 1e3)
            turn += 1

    def change() -> None:
        begin = time.perf_counter()
        turn = 0
        while (now := time.perf_counter()) < end:
            behind = begin + turn / changes - now
            if behind > 0:
                time.sleep(behind)
            start = time.perf_counter()
            key = count + turn
            index.add([key], passing[turn % 1024], join=[group] if turn % 2 else [])
            if turn % 3 == 0:
                group.add([key])
            if turn >= 1000:
                index.remove([key - 1000])
            changed.each.append((time.perf_counter() - start) * 1e3)
            turn += 1

    threads = [threading.Thread(target=search, args=(times,)) for times in searches]
    threads += [threading.Thread(target=change)] if changes else []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Times(searches[0].each + searches[1].each), changed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--changes", type=int, default=1000, help="per second")
    options = parser.parse_args()
    table = Table(title=f"{options.count:,} × {options.dim}, two searchers; ms")
    for column in ("what", "calls", "median", "p99", "worst"):
        table.add_column(column, justify="left" if column == "what" else "right")
    alone, _ = run(options.count, options.dim, options.seconds, 0)
    beside, changed = run(options.count, options.dim, options.seconds, options.changes)
    table.add_row("searches, nothing changes", *alone.row())
    table.add_row(f"searches, {options.changes} changes/s", *beside.row())
    table.add_row("changes", *changed.row())
    Console().print(table)


if __name__ == "__main__":
    main()

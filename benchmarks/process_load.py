"""What a process takes of the machine, second by second."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import psutil


@dataclass(frozen=True)
class Sample:
    """``seconds`` since the start; ``cpu`` in percent of one core since the last sample; ``rss_mb`` resident, of which
    ``own_mb`` is no file's."""

    seconds: float
    cpu: float
    rss_mb: float
    own_mb: float


class ProcessLoad:
    """Samples a process with its children while it is open."""

    def __init__(self, pid: int, period_s: float = 1.0) -> None:
        self._process, self._period = psutil.Process(pid), period_s
        self.samples: list[Sample] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ProcessLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def summary(self) -> dict[str, object]:
        """Means, and by how much the memory grows per minute in the second half, when everything is warm."""
        half = self.samples[len(self.samples) // 2 :]
        seconds = [one.seconds for one in half]
        return {
            "cpu_percent": round(float(np.mean([one.cpu for one in self.samples])), 1),
            "rss_mb_first": round(self.samples[0].rss_mb, 1),
            "rss_mb_last": round(self.samples[-1].rss_mb, 1),
            "second_half_minutes": round((seconds[-1] - seconds[0]) / 60, 2),
            "rss_mb_per_minute_second_half": round(60 * slope(seconds, [one.rss_mb for one in half]), 2),
            "own_mb_per_minute_second_half": round(60 * slope(seconds, [one.own_mb for one in half]), 2),
            "samples": [asdict(one) for one in self.samples],
        }

    def _run(self) -> None:
        start = before = time.monotonic()
        used = self._cpu_seconds()
        while not self._stopping.wait(self._period):
            now, using = time.monotonic(), self._cpu_seconds()
            memory = [one.memory_info() for one in self._all()]
            rss = sum(one.rss for one in memory)
            own = rss - sum(one.shared for one in memory)
            cpu = 100 * (using - used) / (now - before)
            self.samples.append(
                Sample(round(now - start, 1), round(cpu, 1), round(rss / 1e6, 1), round(own / 1e6, 1))
            )
            before, used = now, using

    def _cpu_seconds(self) -> float:
        times = [one.cpu_times() for one in self._all()]
        return float(sum(one.user + one.system for one in times))

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The median slope over all pairs of points (Theil-Sen): a child process or a burst does not tilt it."""
    first, second = np.triu_indices(len(xs), 1)
    if len(first) == 0:
        return float("nan")
    x, y = np.asarray(xs), np.asarray(ys)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))

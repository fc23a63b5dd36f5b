"""Many items through one function on several threads: results in the items' order, memory bounded, errors as values."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from sophon.errors import SophonError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the error that refused it."""

    item: Item
    result: Result | None
    error: SophonError | None

    def get(self) -> Result:
        """Return the result. Raises the SophonError where there is none."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # Result itself may include None


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    ahead: int | None = None,
) -> Generator[Outcome[Item, Result], None, None]:
    """Call `function` on every item, `workers` of them at once (default: one per core), and yield in the items' order.

    A SophonError is the item's outcome and stops nothing; any other exception is a defect and ends the iteration. Items
    are taken from `items` in the caller's thread, at most `ahead` (default: twice the workers) more than were yielded:
    so much is in memory, however many there are. The threads live from the first `next` until the iteration ends, is
    closed or fails, and are joined then. Raises ValueError, at the first `next`, for fewer than one worker or item.
    """
    workers = usable_cores() if workers is None else workers
    ahead = 2 * workers if ahead is None else ahead
    if workers < 1 or ahead < 1:
        raise ValueError(f"workers and ahead are at least 1, not {workers} and {ahead}")

    def outcome_of(item: Item) -> Outcome[Item, Result]:
        try:
            return Outcome(item, function(item), None)
        except SophonError as error:
            return Outcome(item, None, error)

    pending: deque[Future[Outcome[Item, Result]]] = deque()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="sophon-bulk")
    try:
        for item in items:
            pending.append(executor.submit(outcome_of, item))
            if len(pending) == ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)

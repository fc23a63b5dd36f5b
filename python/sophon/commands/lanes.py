"""The threads that carry commands out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import structlog

from sophon.commands.executor import Executor
from sophon.errors import SophonError

IDLE_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0

_log = structlog.get_logger(__name__)


class _Lane:
    """One thread that takes steps while there is something to do."""

    def __init__(
        self, name: str, step: Callable[[], bool], done: Callable[[], None], stopping: threading.Event
    ) -> None:
        self._name = name
        self._step = step
        self._done = done
        self._stopping = stopping
        self.wake = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"lane {name}", daemon=True)

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self.wake.clear()
            try:
                if self._step():
                    self._done()
                else:
                    self.wake.wait(IDLE_S)
                pause = FIRST_PAUSE_S
            except SophonError as error:
                _log.warning("lane pauses", lane=self._name, reason=str(error))
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("the lane failed inside", lane=self._name)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)


class Lanes:
    """Runs an executor's steps in threads of their own: commands, enrolments, and fiqa commands beside them.

    ``answered`` is called, from any of them, when there may be new results.
    """

    def __init__(self, executor: Executor, *, fiqa_workers: int, answered: Callable[[], None]) -> None:
        self._stopping = threading.Event()

        def done() -> None:
            answered()
            self.wake()

        self._lanes = [
            _Lane("commands", executor.run_commands, done, self._stopping),
            _Lane("enrolment", lambda: executor.run_enrolment(self._stopping), done, self._stopping),
            *(
                _Lane(f"fiqa {number}", executor.run_fiqa, answered, self._stopping)
                for number in range(fiqa_workers)
            ),
        ]

    @property
    def are_alive(self) -> bool:
        """Whether every thread runs."""
        return all(lane.thread.is_alive() for lane in self._lanes)

    def start(self) -> None:
        """Begin to carry commands out."""
        for lane in self._lanes:
            lane.thread.start()

    def wake(self) -> None:
        """There is something new in the inbox."""
        for lane in self._lanes:
            lane.wake.set()

    def close(self) -> None:
        """Let what is under way come to a point where it can be left, and end."""
        self._stopping.set()
        self.wake()
        for lane in self._lanes:
            lane.thread.join()

    def __enter__(self) -> Lanes:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

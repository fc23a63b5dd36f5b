"""Judging a photograph in a process of its own first, when it was under way as the box ended.

Most such photographs are innocent: the power went, or somebody killed the box. One that ends the trial's process too, or
hangs it, is to blame, and is refused instead of ending the box again and again.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

import structlog

TRIAL_SECONDS = 60.0

#: Before each photograph: the length of the level's name, and its own.
LENGTHS = struct.Struct("<II")
SURVIVED = b"\x01"
_log = structlog.get_logger(__name__)


class Trial:
    """Owns the process, which is started when first needed. Thread-safe, one photograph at a time."""

    def __init__(
        self, model_dir: Path | None, *, program: tuple[str, ...] = ("-m", "sophon.commands.trial_process")
    ) -> None:
        self._command = [sys.executable, *program, str(model_dir or "")]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def survives(self, photo: bytes, level: str) -> bool:
        """Whether judging the photograph ends in a verdict, whichever."""
        with self._lock:
            process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            overdue = threading.Timer(TRIAL_SECONDS, process.kill)
            overdue.start()
            try:
                name = level.encode()
                process.stdin.write(LENGTHS.pack(len(name), len(photo)) + name + photo)
                process.stdin.flush()
                survived = process.stdout.read(1) == SURVIVED
            except BrokenPipeError:
                survived = False
            finally:
                overdue.cancel()
            if not survived:
                self._end()
                _log.error("a photograph ends the process that judges it", bytes=len(photo))
            return survived

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._process = None

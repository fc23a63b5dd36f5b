"""A real `sophon run` in a process of its own, as an operator starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from sophon.models.pack import default_directory

READY_SECONDS = 60.0


class BoxProcess:
    """One box; `start` after `kill` is a restart on the same data."""

    def __init__(
        self,
        data_dir: Path,
        login_url: str,
        dev_sno: str = "BOXA0001",
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **settings: str | int | Path,
    ) -> None:
        self.data_dir = data_dir
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._arguments = tuple(arguments)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "SOPHON_DATA_DIR": str(data_dir),
            "SOPHON_LOGIN_URL": login_url,
            "SOPHON_DEV_SNO": dev_sno,
            "SOPHON_HTTP_PORT": "0",
            "SOPHON_MODEL_DIR": str(default_directory()),
            "SOPHON_LOG_FORMAT": "json",
            **{f"SOPHON_{name.upper()}": str(value) for name, value in settings.items()},
            **(environment or {}),
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> BoxProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sophon", "run", *self._arguments],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        overdue = threading.Timer(seconds, self._process.kill)
        overdue.start()
        line = self._process.stdout.readline()
        overdue.cancel()
        assert line == "ready\n", f"not ready within {seconds} s:\n{self.log_tail()}"

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def wait(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL: nothing is put in order."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

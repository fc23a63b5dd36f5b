"""A `sophon run` of a benchmark's own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path


def start_box(
    owned: ExitStack, data_dir: Path, login_url: str, dev_sno: str, *arguments: str
) -> subprocess.Popen[str]:
    """Start a box; it is ready when this returns, and ended with what owns it."""
    environment = {
        **os.environ,
        "SOPHON_DATA_DIR": str(data_dir),
        "SOPHON_LOGIN_URL": login_url,
        "SOPHON_DEV_SNO": dev_sno,
        "SOPHON_HTTP_PORT": "0",
        "SOPHON_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sophon", "run", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    owned.callback(process.wait)
    owned.callback(process.terminate)
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise SystemExit("a box did not start")
    return process

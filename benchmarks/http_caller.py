"""One caller of the API, as a process of its own: `python -m benchmarks.http_caller PORT PATH BODY SECONDS`.

The token comes by the environment, SOPHON_TOKEN. Says `ready`, waits for a line, posts the body again and again over one
connection until the time is over, and prints how many answers came.
"""

from __future__ import annotations

import os
import sys
import time
from http.client import HTTPConnection
from pathlib import Path


def main() -> None:
    port, path, body_file, seconds = sys.argv[1:]
    body = Path(body_file).read_bytes()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['SOPHON_TOKEN']}"}
    connection = HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.connect()
    print("ready", flush=True)
    sys.stdin.readline()
    answers = 0
    end = time.perf_counter() + float(seconds)
    while time.perf_counter() < end:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise SystemExit(f"status {response.status}")
        answers += 1
    print(answers, flush=True)


if __name__ == "__main__":
    main()

"""How much of the engine's own throughput the HTTP API gives on: FIQA and PictureMatch over loopback.

    python -m benchmarks.http [--photo FILE] [--rounds N] [--seconds S]

The engine called in this process and the API called over loopback by wrk take turns in one run: the engine on as many
threads as the machine has cores, which is as many calls as the API works on at once, wrk over twice as many connections,
so that there is always a next call. The table gives medians over the rounds. Both do the same work with the same
networks: FIQA is `Box.assess` at level `high`, the photograph's decoding included; PictureMatch is `Box.compare`, with
decoding, the look at the store for the group, the search and the person's record. What the API does besides is what the
ratio tells: HTTP, JSON, base64, the token, the audit, the way to a thread and back. wrk shares the cores with the box, so
the ratios are lower bounds. The processor times of one call, in brackets, tell the same on a machine where others work,
too.

Then a steady 70 % of the API's own rate is asked for, and its latencies are taken, alone and again beside 1,000 idle
connections and 50 that send a byte a second.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import psutil

from sophon.api import Access, Analyses, ApiServer, LoneStation, Services, guarded_app
from sophon.audit import AuditLog
from sophon.box import Box
from sophon.contract import encode_photo
from sophon.engine import FaceEngine
from sophon.models import ModelPack
from sophon.sim.portraits import fetch_portraits
from sophon.store import Store
from sophon.tokens import Role, TokenCheck, new_token

CALLERS = os.cpu_count() or 1
LOAD = 0.7
IDLE_CONNECTIONS = 1000
SLOW_CONNECTIONS = 50
POST = Path(__file__).with_name("http_post.lua")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photo", type=Path, help="by default one of the demo's portraits")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="per measurement")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed; `make bench` installs it")
    # Both ends of every connection are this process's open files.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    photo_file = options.photo or fetch_portraits() / "people" / "barack_obama" / "obama.jpg"
    photo = photo_file.read_bytes()
    pack = ModelPack.load()
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "data") as store,
        FaceEngine(pack) as engine,
        Analyses(CALLERS) as analyses,
    ):
        box = Box(store, engine)
        box.load()
        with store.write() as transaction:
            _, token = new_token(transaction, Role.ADMIN)
        # FIQA and PictureMatch ask nothing of the daemon, so there is none.
        services = Services(store, box, LoneStation("BENCH", ""), analyses, pack, Path(folder))
        app = guarded_app(services, Access(TokenCheck(store), AuditLog(store.data_dir)))
        with (
            ApiServer(app, "127.0.0.1", 0) as server,
            httpx.Client(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=60,
            ) as http,
        ):
            enrol = {
                "identity_id": "E1",
                "reg_photo": encode_photo(photo),
                "group_name": "default_group",
                "info": {"name": "one"},
            }
            http.post("/SophonFogSys/api/users", json=enrol).raise_for_status()
            calls = _calls(box, photo, Path(folder))
            _measure(calls, server.port, token, len(photo), options.rounds, options.seconds)


@dataclass(frozen=True)
class Call:
    """One call of the API, and what the engine does for it."""

    direct: Callable[[], object]
    path: str
    body: Path


def _calls(box: Box, photo: bytes, folder: Path) -> dict[str, Call]:
    def body(field: str) -> Path:
        file = folder / f"{field}.json"
        file.write_bytes(orjson.dumps({field: encode_photo(photo)}))
        return file

    return {
        "FIQA": Call(lambda: box.assess(photo, "high"), "/SophonFace/api/FIQA", body("image_base64_str")),
        "PictureMatch": Call(
            lambda: box.compare(photo), "/SophonMatch/api/PictureMatch", body("rgb_image_base64")
        ),
    }


def _measure(
    calls: dict[str, Call],
    port: int,
    token: str,
    photo_bytes: int,
    rounds: int,
    seconds: float,
) -> None:
    print(f"{photo_bytes:,} bytes, {CALLERS} callers, {rounds} rounds of {seconds:g} s each, medians")
    rates: dict[str, float] = {}
    for name, call in calls.items():
        call.direct()
        both = [
            (
                _timed(_rate, call.direct, seconds, CALLERS),
                _timed(_api_rate, call, port, token, seconds, 2 * CALLERS),
            )
            for _ in range(rounds)
        ]
        ratio = statistics.median(api.rate / engine.rate for engine, api in both)
        rates[name] = statistics.median(api.rate for _, api in both)
        by_engine, by_api = zip(*both, strict=True)
        print(f"{name:13} engine {_median(by_engine)}  API {_median(by_api)}  ratio {ratio:.1%}")
    process = psutil.Process()
    for name, call in calls.items():
        for crowd in (contextlib.nullcontext(), _crowd(port)):
            resident = process.memory_info().rss
            with crowd:
                p50, p99 = _latencies(call, port, token, LOAD * rates[name], rounds * seconds)
            grown = (process.memory_info().rss - resident) / 2**20
            beside = "alone" if isinstance(crowd, contextlib.nullcontext) else "beside a crowd"
            print(
                f"{name:13} at {LOAD:.0%} load, {beside:14} p50 {p50 * 1e3:5.0f} ms  p99 {p99 * 1e3:5.0f} ms  "
                f"p99/p50 {p99 / p50:.1f}  RSS {grown:+.0f} MiB"
            )


@dataclass(frozen=True)
class Throughput:
    """Calls per second, and the processor time of one in ms: this process's, and wrk's."""

    rate: float
    own_ms: float
    wrk_ms: float


def _timed(measure: Callable[..., float], *values: Any) -> Throughput:
    started, own, others = time.perf_counter(), time.process_time(), _children_seconds()
    rate = measure(*values)
    calls = rate * (time.perf_counter() - started)
    return Throughput(
        rate, (time.process_time() - own) / calls * 1e3, (_children_seconds() - others) / calls * 1e3
    )


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _median(measured: Sequence[Throughput]) -> str:
    rate, own, wrk = (
        statistics.median(column)
        for column in zip(*((one.rate, one.own_ms, one.wrk_ms) for one in measured), strict=True)
    )
    return f"{rate:6.1f}/s ({own:.1f} ms{f' + wrk {wrk:.1f} ms' if wrk else ''})"


def _rate(call: Callable[[], object], seconds: float, callers: int) -> float:
    """Calls per second of all callers together."""
    end = time.perf_counter() + seconds

    def work(_caller: int) -> int:
        calls = 0
        while time.perf_counter() < end:
            call()
            calls += 1
        return calls

    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        calls = sum(pool.map(work, range(callers)))
    return calls / (time.perf_counter() - started)


def _api_rate(call: Call, port: int, token: str, seconds: float, callers: int) -> float:
    """Answers per second to callers in a process of their own, as they are in life. Raises if a call fails."""
    command = ["wrk", "--threads=1", f"--connections={callers}", f"--duration={max(round(seconds), 1)}s"]
    run = subprocess.run(
        [*command, "--timeout=60s", f"--script={POST}", f"http://127.0.0.1:{port}{call.path}"],
        env=os.environ | {"SOPHON_TOKEN": token, "SOPHON_BODY": str(call.body)},
        capture_output=True,
        text=True,
        check=True,
    )
    answers, microseconds, failures = map(int, run.stdout.splitlines()[-1].split())
    if failures:
        raise RuntimeError(f"{failures} of {answers} calls of {call.path} failed")
    return answers / microseconds * 1e6


def _latencies(call: Call, port: int, token: str, rate: float, seconds: float) -> tuple[float, float]:
    """The latencies' median and 99th percentile, in seconds, when calls come at a rate, whether or not the last is done.

    The callers are a process of their own: they must not wait for the server's interpreter.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        asked = elsewhere.submit(_taken, call.path, call.body.read_bytes(), port, token, rate, seconds)
        taken = asked.result()
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 99))


def _taken(path: str, body: bytes, port: int, token: str, rate: float, seconds: float) -> list[float]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    kept = threading.local()

    def timed(due: float) -> float:
        if not hasattr(kept, "connection"):
            kept.connection = HTTPConnection("127.0.0.1", port, timeout=60)
        time.sleep(max(0.0, due - time.perf_counter()))
        kept.connection.request("POST", path, body, headers)
        answer = kept.connection.getresponse()
        answer.read()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"{path} answers {answer.status}")
        return time.perf_counter() - due

    start = time.perf_counter() + 0.1
    with ThreadPoolExecutor(4 * CALLERS) as pool:
        return list(pool.map(timed, (start + number / rate for number in range(max(1, int(rate * seconds))))))


@contextlib.contextmanager
def _crowd(port: int) -> Iterator[None]:
    """Connections that want nothing, and some that send their head a byte a second."""
    with contextlib.ExitStack() as crowd:
        for _ in range(IDLE_CONNECTIONS):
            crowd.enter_context(_connection(port))
        slow = [crowd.enter_context(_connection(port)) for _ in range(SLOW_CONNECTIONS)]
        ended = threading.Event()

        def trickle() -> None:
            for byte in b"POST /SophonFace/api/FIQA HTTP/1.1\r\nHost: 127.0.0.1\r\n" * 100:
                if ended.wait(1.0):
                    return
                for one in slow:
                    with contextlib.suppress(OSError):
                        one.send(bytes([byte]))

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


if __name__ == "__main__":
    main()

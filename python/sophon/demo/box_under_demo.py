"""The box that the demo talks to: the daemon behind a real broker, or its handlers in this process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from pydantic import SecretStr

from sophon.box import Box
from sophon.calibration import load_calibration
from sophon.commands import Enroller, Executor
from sophon.contract import AnyResult, Command, ErrorResponse, RabbitMq, encode_photo, parse_result
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.models import ModelPack
from sophon.platform import PlatformClient
from sophon.sim import BrokerNode, PlatformDesk, QueueMessage, ReferencePlatform
from sophon.store import Kind, Store
from sophon.tokens import Role, new_token

DEV_SNO = "DEMO0001"
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
RECOGNISE_SECONDS = 30.0


@dataclass(frozen=True)
class Recognised:
    """Who the box says a picture shows: ``identity_id`` None is a stranger; ``problem`` is why it could not say."""

    identity_id: str | None
    score: float
    problem: str = ""


class BoxUnderDemo(Protocol):
    """What the demo asks of a box."""

    def call(self, command: Command, seconds: float) -> AnyResult:
        """Carry out a command and give back its result."""

    def recognise(self, photo: bytes) -> Recognised:
        """Compare the largest face of a picture with everybody enrolled."""

    def messages(self) -> list[QueueMessage]:
        """Every message so far, in both directions."""


@contextlib.contextmanager
def daemon_box(platform: ReferencePlatform, folder: Path) -> Iterator[BoxUnderDemo]:
    """A private RabbitMQ node, and `sophon run` as a process of its own."""
    with BrokerNode() as node:
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        port = _free_port()
        with Store(folder / "box") as store, store.write() as transaction:
            _, token = new_token(transaction, Role.DEVICE, "demo")
        with (
            _daemon(platform.login_url, folder, port),
            PlatformDesk(lines) as desk,
            httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http,
        ):
            yield _DaemonBox(desk, http, f"http://127.0.0.1:{port}")


class _DaemonBox:
    def __init__(self, desk: PlatformDesk, http: httpx.Client, root: str) -> None:
        self._desk, self._http, self._root = desk, http, root

    def call(self, command: Command, seconds: float) -> AnyResult:
        return self._desk.call(command, seconds)

    def recognise(self, photo: bytes) -> Recognised:
        response = self._http.post(
            f"{self._root}/SophonMatch/api/PictureMatch",
            json={"rgb_image_base64": encode_photo(photo)},
            timeout=RECOGNISE_SECONDS,
        )
        if response.status_code != 200:
            error = ErrorResponse.model_validate(response.json()).error
            return Recognised(None, 0.0, "" if error.code == Code.EMPTY_GROUP else error.message)
        data = response.json()["data"]
        return Recognised(data["identity_id"] if data["retcode"] == "1" else None, data["score"])

    def messages(self) -> list[QueueMessage]:
        return list(self._desk.messages)


@contextlib.contextmanager
def _daemon(login_url: str, folder: Path, port: int) -> Iterator[None]:
    """`sophon run`, until the block ends."""
    own = {
        "SOPHON_DATA_DIR": str(folder / "box"),
        "SOPHON_LOGIN_URL": login_url,
        "SOPHON_DEV_SNO": DEV_SNO,
        "SOPHON_HTTP_PORT": str(port),
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SOPHON_")}
    kept |= {key: os.environ[key] for key in ("SOPHON_MODEL_DIR", "SOPHON_ISA") if key in os.environ}
    log = folder / "box.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sophon", "run"],
            env={**kept, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends the box in order
        )
    try:
        _wait_until_ready(process, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed at the end
            for line in process.stdout:
                if line.strip() == b"ready":
                    ready.set()

    threading.Thread(target=read, name="box-output", daemon=True).start()
    deadline = time.monotonic() + READY_SECONDS
    while not ready.wait(0.05):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise SophonError(Code.SERVER_PROCESS_FAILED, f"the box did not become ready:\n{tail}")


@contextlib.contextmanager
def in_process_box(platform: ReferencePlatform, folder: Path) -> Iterator[BoxUnderDemo]:
    """The box's own handlers, store and platform line, fed by hand; there is no broker and no daemon."""
    no_broker = RabbitMq(
        host="127.0.0.1", port=1, login="", password=SecretStr(""), queue="none", un_need_bind_exchange=True
    )
    platform.add_box(DEV_SNO, no_broker)
    models = ModelPack.load()
    with (
        Store(folder / "box") as store,
        FaceEngine(models) as engine,
        PlatformClient(platform.login_url, DEV_SNO) as client,
    ):
        box = Box(store, engine, calibration=load_calibration(models.directory, engine.making_id))
        box.load()
        client.login()
        enroller = Enroller(store, box, client, dev_sno=DEV_SNO)
        with contextlib.closing(enroller):
            yield _InProcessBox(store, box, Executor(store, box, enroller, dev_sno=DEV_SNO))


class _InProcessBox:
    def __init__(self, store: Store, box: Box, executor: Executor) -> None:
        self._store, self._box, self._executor = store, box, executor
        self._messages: list[QueueMessage] = []

    def call(self, command: Command, seconds: float) -> AnyResult:
        self._messages.append(QueueMessage(True, "in process", command.encode()))
        self._executor.take_in(command.encode())
        self._executor.run_until_idle()
        with self._store.write() as transaction:
            (row,) = transaction.outbox.oldest([Kind.RESULT, Kind.FIQA], 1)
            transaction.outbox.delivered([row.id])
        self._messages.append(QueueMessage(False, "in process", row.body, row.message_id))
        return parse_result(row.body)

    def recognise(self, photo: bytes) -> Recognised:
        try:
            comparison = self._box.compare(photo)
        except SophonError as error:
            return Recognised(None, 0.0, "" if error.code is Code.EMPTY_GROUP else str(error))
        person = comparison.person
        return Recognised(person.identity_id if person else None, comparison.score)

    def messages(self) -> list[QueueMessage]:
        return self._messages


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

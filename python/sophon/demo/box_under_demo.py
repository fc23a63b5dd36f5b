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
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from sophon.api import Access, Analyses, ApiServer, LoneStation, Services, guarded_app
from sophon.audit import AuditLog
from sophon.box import Box
from sophon.calibration import load_calibration
from sophon.commands import Enroller, Executor
from sophon.config import ENVIRONMENT_PREFIX, Settings
from sophon.contract import AnyResult, Command, ErrorResponse, RabbitMq, encode_photo, parse_result
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.models import ModelPack
from sophon.pipeline import RecognitionPipeline
from sophon.platform import PlatformClient
from sophon.sim import BrokerNode, PlatformDesk, QueueMessage, ReferencePlatform
from sophon.store import DeviceRow, Kind, Store
from sophon.tokens import Role, TokenCheck, new_token

DEV_SNO = "DEMO0001"
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
CALL_SECONDS = 30.0


@dataclass(frozen=True)
class Recognised:
    """Who the box says a picture shows: ``identity_id`` None is a stranger; ``problem`` is why it could not say."""

    identity_id: str | None
    score: float
    problem: str = ""


class BoxUnderDemo(ABC):
    """What the demo asks of a box; only the way of the commands differs.

    Attributes:
        http: calls its HTTP API, as an administrator.
        ftp_port: where its snapshot cameras upload to.
        data_dir: where it keeps its data; others may look at it beside the box, as `sophon events` does.
    """

    def __init__(self, settings: Settings, http: httpx.Client) -> None:
        self.http, self.ftp_port, self.data_dir = http, settings.ftp_port, settings.data_dir

    @abstractmethod
    def call(self, command: Command, seconds: float) -> AnyResult:
        """Carry out a command and give back its result."""

    @abstractmethod
    def messages(self) -> list[QueueMessage]:
        """Every message so far, in both directions."""

    def recognise(self, photo: bytes, *, device_ip: str | None = None) -> Recognised:
        """Compare the largest face of a picture with everybody enrolled, as the picture of a sub-device if one is named."""
        device = {} if device_ip is None else {"device_ip": device_ip}
        response = self.http.post(
            "/SophonMatch/api/PictureMatch", json={"rgb_image_base64": encode_photo(photo), **device}
        )
        if response.status_code != 200:
            error = ErrorResponse.model_validate(response.json()).error
            return Recognised(None, 0.0, "" if error.code == Code.EMPTY_GROUP else error.message)
        data = response.json()["data"]
        return Recognised(data["identity_id"] if data["retcode"] == "1" else None, data["score"])

    def attach(self, device: DeviceRow) -> None:
        """Configure a sub-device, as `sophon devices add` does beside a box that runs."""
        with Store(self.data_dir, exclusive=False) as store, store.write() as transaction:
            transaction.devices.put(device)

    def detach(self, device_ip: str) -> None:
        """Take a sub-device away."""
        with Store(self.data_dir, exclusive=False) as store, store.write() as transaction:
            transaction.devices.remove(device_ip)


@contextlib.contextmanager
def daemon_box(
    platform: ReferencePlatform,
    folder: Path,
    *,
    prepare: Callable[[Store], None] = lambda _store: None,
    **settings_besides: Any,
) -> Iterator[BoxUnderDemo]:
    """A private RabbitMQ node, and `sophon run` as a process of its own.

    ``prepare`` is called with the store before the daemon has it; ``settings_besides`` are settings of the daemon.
    """
    with BrokerNode() as node:
        lines = node.add_box(DEV_SNO)
        platform.add_box(DEV_SNO, lines)
        settings = _settings(platform, folder).model_copy(update=settings_besides)
        with Store(settings.data_dir) as store:
            prepare(store)
            token = _token(store)
        with (
            _daemon(settings, folder / "box.log"),
            PlatformDesk(lines) as desk,
            _api_client(settings, token) as http,
        ):
            yield _DaemonBox(settings, http, desk)


class _DaemonBox(BoxUnderDemo):
    def __init__(self, settings: Settings, http: httpx.Client, desk: PlatformDesk) -> None:
        super().__init__(settings, http)
        self._desk = desk

    def call(self, command: Command, seconds: float) -> AnyResult:
        return self._desk.call(command, seconds)

    def messages(self) -> list[QueueMessage]:
        return list(self._desk.messages)


@contextlib.contextmanager
def _daemon(settings: Settings, log: Path) -> Iterator[None]:
    """`sophon run`, until the block ends."""
    own = {
        ENVIRONMENT_PREFIX + name.upper(): str(getattr(settings, name)) for name in settings.model_fields_set
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ENVIRONMENT_PREFIX)}
    kept |= {key: os.environ[key] for key in ("SOPHON_MODEL_DIR", "SOPHON_ISA") if key in os.environ}
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
    """The box's own handlers, store, pipeline, API and platform line; there is no broker and no daemon."""
    no_broker = RabbitMq(
        host="127.0.0.1", port=1, login="", password=SecretStr(""), queue="none", un_need_bind_exchange=True
    )
    platform.add_box(DEV_SNO, no_broker)
    settings = _settings(platform, folder)
    models = ModelPack.load()
    with (
        Store(settings.data_dir) as store,
        FaceEngine(models) as engine,
        PlatformClient(settings.login_url, DEV_SNO) as client,
    ):
        box = Box(store, engine, calibration=load_calibration(models.directory, engine.making_id))
        box.load()
        login = client.login()
        enroller = Enroller(store, box, client, dev_sno=DEV_SNO)
        with (
            contextlib.closing(enroller),
            RecognitionPipeline(
                settings,
                store,
                box,
                client,
                login=lambda: login,
                identity=lambda: (settings.login_url, DEV_SNO),
            ) as pipeline,
            Analyses(settings.analyses) as analyses,
        ):
            services = Services(
                store,
                box,
                LoneStation(DEV_SNO, settings.login_url),
                analyses,
                models,
                settings.data_dir / "pictures",
                pipeline.recogniser,
                pipeline.presence.saw,
            )
            app = guarded_app(services, Access(TokenCheck(store), AuditLog(settings.data_dir)))
            with (
                ApiServer(app, settings.http_host, settings.http_port),
                _api_client(settings, _token(store)) as http,
            ):
                executor = Executor(store, box, enroller, dev_sno=DEV_SNO)
                yield _InProcessBox(settings, http, store, executor)


class _InProcessBox(BoxUnderDemo):
    def __init__(self, settings: Settings, http: httpx.Client, store: Store, executor: Executor) -> None:
        super().__init__(settings, http)
        self._store, self._executor = store, executor
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

    def messages(self) -> list[QueueMessage]:
        return self._messages


def _settings(platform: ReferencePlatform, folder: Path) -> Settings:
    return Settings(
        login_url=platform.login_url,
        dev_sno=DEV_SNO,
        data_dir=folder / "box",
        http_port=_free_port(),
        ftp_port=_free_port(),
    )


def _token(store: Store) -> str:
    with store.write() as transaction:
        _, token = new_token(transaction, Role.ADMIN, "demo")
    return token


def _api_client(settings: Settings, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{settings.http_host}:{settings.http_port}",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=CALL_SECONDS,
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

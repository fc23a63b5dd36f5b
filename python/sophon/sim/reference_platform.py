"""The reference management platform: login, person details, photographs, and receivers for all a box reports."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

import orjson
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sophon.contract import (
    Acknowledgement,
    ErrorDetails,
    ErrorResponse,
    LoginResponse,
    Message,
    Person,
    PersonInfo,
    RabbitMq,
    UserDetails,
    UserIdList,
    encode_photo,
)
from sophon.errors import Code, SophonError
from sophon.sim.photo_folder import PhotographedPerson

LOGIN_PATH = "/login"
PEOPLE_PATH = "/getSendPerson"
PHOTOS_PATH = "/photos"
NOTIFY_PATH = "/getResult"
RECORD_PATHS = ("/box/cross/record/report", "/box/cross/record/backup")
STATUS_PATH = "/box/monitor/status/report"
DEVICES_PATH = "/box/device/sync"
OPERATIONS_PATH = "/brain/service/device/operate"
EVENT_PATH = "/event"

RECEIVERS = (NOTIFY_PATH, *RECORD_PATHS, STATUS_PATH, DEVICES_PATH, OPERATIONS_PATH)
MESSAGES_KEPT = 10_000

PhotoWay = Literal["relative", "absolute", "inline"]


@dataclass(frozen=True)
class ReceivedCall:
    """One call a box made: ``body`` is the JSON value, or the bytes where they are not JSON; ``at`` in Unix seconds."""

    path: str
    query: dict[str, str]
    body: Any
    at: float


@dataclass
class _Misbehaviour:
    response: Response
    delay: float
    times: int


class ReferencePlatform:
    """A management platform on the loopback interface, served by a thread of its own.

    Attributes:
        people: who can be fetched, by id; may be changed while it runs.
        token: the token of the newest login; `refuse_token` makes it stale.
        on_call: called with every call received, in the server's thread.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        protocol_version: Literal["V2R2C01", "V2R1C01"] = "V2R2C01",
        record_upload_period: int = 5,
        calls_kept: int = MESSAGES_KEPT,
        on_call: Callable[[ReceivedCall], None] | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._version = protocol_version
        self._record_upload_period = record_upload_period
        self._on_call = on_call
        self._boxes: dict[str, RabbitMq] = {}
        self._photos: dict[str, bytes | Path] = {}
        self._received: dict[str, deque[ReceivedCall]] = defaultdict(lambda: deque(maxlen=calls_kept))
        self._changed = threading.Condition()
        self._misbehaviours: dict[str, _Misbehaviour] = {}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.people: dict[str, Person] = {}
        self.token = secrets.token_hex(16)

    def __enter__(self) -> ReferencePlatform:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def root(self) -> str:
        """Scheme, host and port."""
        return f"http://{self._host}:{self._port}"

    @property
    def login_url(self) -> str:
        """What a box is configured with."""
        return self.root + LOGIN_PATH

    def start(self) -> None:
        """Bind the port and serve; returns when calls are accepted.

        Raises:
            SophonError: if the port can't be bound.
        """
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise SophonError(
                Code.SERVER_PROCESS_FAILED,
                f"can't listen on {self._host}:{self._port}: {error.strerror}; give another port",
            ) from None
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app(), lifespan="off", log_level="error", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="reference-platform"
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            # Who still holds a connection open is not waited for.
            self._server.force_exit = True
            self._thread.join()
        self._server = self._thread = None

    def add_box(self, dev_sno: str, lines: RabbitMq) -> None:
        """Let a box log in, and answer it with these broker parameters."""
        self._boxes[dev_sno] = lines

    def add_photo(self, name: str, photo: bytes | Path) -> str:
        """Serve a photograph; returns its relative URL."""
        self._photos[name] = photo
        return f"{PHOTOS_PATH}/{quote(name)}"

    def add_person(
        self, identity_id: str, name: str, photo: bytes | Path, *, way: PhotoWay = "relative", **fields: Any
    ) -> Person:
        """Make someone known, with a photograph given in one of the contract's three ways.

        ``fields`` are further fields of the person (``register_type``, ``fiqa_level``) and, under ``info``, of theirs.
        """
        if way == "inline":
            given = {"reg_photo": encode_photo(photo.read_bytes() if isinstance(photo, Path) else photo)}
        else:
            suffix = photo.suffix if isinstance(photo, Path) else ".jpg"
            url = self.add_photo(f"{identity_id}{suffix}", photo)
            given = {"relative_pic_url": url} if way == "relative" else {"reg_url": self.root + url}
        info = PersonInfo.model_validate({"name": name, **fields.pop("info", {})})
        person = Person.model_validate({"identity_id": identity_id, "info": info, **given, **fields})
        self.people[identity_id] = person
        return person

    def add_people(self, people: list[PhotographedPerson], *, way: PhotoWay = "relative") -> None:
        """Make everybody known, each with their first photograph."""
        for person in people:
            self.add_person(person.identity_id, person.name, person.photos[0], way=way)

    def received(self, path: str) -> list[ReceivedCall]:
        """The newest calls to a path, oldest first."""
        with self._changed:
            return list(self._received[path])

    def wait_for(self, path: str, count: int = 1, seconds: float = 30.0) -> list[ReceivedCall]:
        """The calls to a path once there are ``count`` of them.

        Raises:
            SophonError: if they did not come in time.
        """
        with self._changed:
            if self._changed.wait_for(lambda: len(self._received[path]) >= count, seconds):
                return list(self._received[path])
        raise SophonError(
            Code.REMOTE_SERVER_FAILED, f"fewer than {count} calls to {path} within {seconds:.0f} s"
        )

    def refuse_token(self) -> None:
        """Make the token stale: calls answer 401 until the box logs in again."""
        self.token = secrets.token_hex(16)

    def misbehave(
        self,
        path: str,
        *,
        status: int = 500,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Answer the next ``times`` calls to a path with this instead, after ``delay`` seconds."""
        self._misbehaviours[path] = _Misbehaviour(Response(body, status, headers), delay, times)

    def _app(self) -> Starlette:
        answers = {
            LOGIN_PATH: self._login,
            PEOPLE_PATH: self._people,
            EVENT_PATH: self._acknowledge,
            **dict.fromkeys(RECEIVERS, self._acknowledge),
            "/people": self._directory,
            "/received": self._inspection,
            PHOTOS_PATH + "/{name:path}": self._photo,
        }
        posted = (PEOPLE_PATH, EVENT_PATH, *RECEIVERS)
        known = [
            Route(path, partial(self._receive, answer), methods=["POST" if path in posted else "GET"])
            for path, answer in answers.items()
        ]
        unknown = Route("/{path:path}", partial(self._receive, self._unknown), methods=["GET", "POST"])
        return Starlette(routes=[*known, unknown])

    async def _receive(self, answer: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        """Keep every call, then let it fail as arranged, refuse it without the token, or answer it."""
        call = ReceivedCall(
            request.url.path, dict(request.query_params), _value(await request.body()), time.time()
        )
        with self._changed:
            self._received[call.path].append(call)
            self._changed.notify_all()
        if self._on_call is not None:
            self._on_call(call)
        arranged = self._misbehaviours.get(call.path)
        if arranged is not None and arranged.times > 0:
            arranged.times -= 1
            await asyncio.sleep(arranged.delay)
            return arranged.response
        if call.path in (PEOPLE_PATH, *RECEIVERS) and not self._carries_token(call):
            return _error(401, 40003, "未授权")
        return await answer(request)

    def _carries_token(self, call: ReceivedCall) -> bool:
        token_fits = hmac.compare_digest(call.query.get("token", "").encode(), self.token.encode())
        return token_fits and call.query.get("dev_sno") in self._boxes

    async def _login(self, request: Request) -> Response:
        lines = self._boxes.get(request.query_params.get("dev_sno", ""))
        if lines is None:
            return _error(400, 500001, "unknown dev_sno")
        return _json(self._login_response(lines))

    def _login_response(self, lines: RabbitMq) -> LoginResponse:
        if self._version == "V2R1C01":
            return LoginResponse(
                token=SecretStr(self.token), device_info_addr=OPERATIONS_PATH, rabbitmq=lines
            )
        return LoginResponse(
            token=SecretStr(self.token),
            message="登录成功",
            img_server_addr="",
            record_addr=", ".join(RECORD_PATHS),
            record_upload_period=self._record_upload_period,
            device_list_info_addr=DEVICES_PATH,
            device_monitor_addr=STATUS_PATH,
            device_monitor_period=20,
            rabbitmq=lines,
        )

    async def _people(self, request: Request) -> Response:
        asked = UserIdList.model_validate(orjson.loads(await request.body())).userid_list
        return _json(UserDetails.of(self.people[one] for one in asked if one in self.people))

    async def _photo(self, request: Request) -> Response:
        photo = self._photos.get(request.path_params["name"])
        if photo is None:
            return _error(404, 40400, "no such photo")
        content = await asyncio.to_thread(photo.read_bytes) if isinstance(photo, Path) else photo
        return Response(content, media_type="application/octet-stream")

    async def _acknowledge(self, _: Request) -> Response:
        return _json(Acknowledgement(status=0, message="成功", data=None))

    async def _directory(self, _: Request) -> Response:
        """Who can be added: for this package's own command line."""
        return Response(orjson.dumps(sorted(self.people)), media_type="application/json")

    async def _inspection(self, request: Request) -> Response:
        """What came in at a path: for this package's own command line."""
        received = self.received(request.query_params.get("path", ""))
        calls = [call.body for call in received if not isinstance(call.body, bytes)]
        return Response(orjson.dumps(calls), media_type="application/json")

    async def _unknown(self, _: Request) -> Response:
        return _error(404, 40400, "no such address")


def _value(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _json(message: Message, status: int = 200) -> Response:
    return Response(message.encode(), status, media_type="application/json")


def _error(status: int, code: int, message: str) -> Response:
    return _json(ErrorResponse(error=ErrorDetails(code=code, message=message, status="PARAM_ERROR")), status)

"""A real server on loopback, over a real store and the real engine; only the daemon around it is a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from sophon.api import Access, Analyses, ApiServer, Services, TlsFiles, guarded_app
from sophon.audit import AuditLog
from sophon.box import Box, DeletedPersonEvents
from sophon.contract import encode_photo
from sophon.engine import FaceEngine
from sophon.errors import Code, SophonError
from sophon.models import ModelPack
from sophon.platform import PlatformClient
from sophon.recognition import EventLog, Recogniser
from sophon.status import StatusReport
from sophon.store import EventsLimit, PhotoKeeping, Store
from sophon.tokens import Role, TokenCheck, new_token


@dataclass
class StandInStation:
    """Remembers what a daemon would do; addresses are judged by the real policy."""

    platform: PlatformClient
    dev_sno: str = "BOXA0001"
    login_url: str = "http://platform.example:8900/login"
    moves: list[dict[str, str | None]] = field(default_factory=list)
    woken: int = 0
    no_room: bool = False

    def move(self, *, dev_sno: str | None = None, login_url: str | None = None) -> None:
        self.moves.append({"dev_sno": dev_sno, "login_url": login_url})
        self.dev_sno, self.login_url = dev_sno or self.dev_sno, login_url or self.login_url

    def report(self) -> StatusReport:
        return StatusReport(
            version="0", dev_sno=self.dev_sno, pid=1, started_at=0, written_at=0, phase="consuming", login="ok",
            links={}, no_room="", people=0, recognisable=0, inbox={}, outbox={}, enrolment=None, counters={},
            rates={}, last_commands=[],
        )  # fmt: skip

    def wake(self) -> None:
        self.woken += 1

    def check_room(self) -> None:
        if self.no_room:
            raise SophonError(Code.SERVICE_BUSY, "no room")

    def check_callable(self, url: str) -> None:
        self.platform.check_callable(url)


@dataclass
class RunningApi:
    """One box's API and what a test may look at behind it."""

    url: str
    store: Store
    box: Box
    station: StandInStation
    pictures: Path
    tokens: dict[Role, str]
    services: Services

    def client(self, role: Role | None = Role.ADMIN, **headers: str) -> httpx.Client:
        if role is not None:
            headers = {"Authorization": f"Bearer {self.tokens[role]}", **headers}
        # There is no TLS to verify, and loading the system's authorities takes longer than most tests.
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30, verify=False)


@pytest.fixture
def start_api(
    tmp_path: Path, engine: FaceEngine, model_pack: ModelPack
) -> Iterator[Callable[..., RunningApi]]:
    """Start an API of the test's own; ``open_networks`` are those that need no token."""
    with ExitStack() as owned:

        def start(
            open_networks: tuple[str, ...] = (),
            capacity: int = 50_000,
            deleted_person_events: DeletedPersonEvents = "pictures",
            photos: PhotoKeeping | None = None,
            tls: TlsFiles | None = None,
            requests_per_s: float = 0,
        ) -> RunningApi:
            store = owned.enter_context(Store(tmp_path / "data", photos=photos))
            box = Box(store, engine, capacity=capacity, deleted_person_events=deleted_person_events)
            box.load()
            with store.write() as transaction:
                tokens = {role: new_token(transaction, role)[1] for role in Role}
            platform = PlatformClient("http://platform.example:8900/login", "BOXA0001")
            station = StandInStation(owned.enter_context(platform))
            recogniser = Recogniser(store, box, EventLog(store, EventsLimit(100)), lambda _sighting: None)
            analyses = owned.enter_context(Analyses(2))
            services = Services(
                store, box, station, analyses, model_pack, tmp_path / "data" / "pictures", recogniser
            )
            access = Access(
                TokenCheck(store),
                AuditLog(store.data_dir),
                tuple(ip_network(one) for one in open_networks),
                requests_per_s=requests_per_s,
            )
            server = owned.enter_context(ApiServer(guarded_app(services, access), "127.0.0.1", 0, tls))
            url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.port}"
            return RunningApi(url, store, box, station, services.pictures, tokens, services)

        yield start


@pytest.fixture
def api(start_api: Callable[..., RunningApi]) -> RunningApi:
    return start_api()


@pytest.fixture
def admin(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture(scope="session")
def obama(portraits: Path) -> str:
    return encode_photo((portraits / "people" / "barack_obama" / "obama.jpg").read_bytes())


@pytest.fixture(scope="session")
def biden(portraits: Path) -> str:
    return encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())


def data(response: httpx.Response) -> Any:
    """What a call that succeeded answers."""
    assert response.status_code == 200, response.text[:500]
    body = response.json()
    assert list(body) == ["data"]
    return body["data"]


def error(response: httpx.Response) -> int:
    """The code of a call that failed; the body is always the contract's, the status always the code's first digits."""
    problem = response.json()["error"]
    assert sorted(problem) == ["code", "message", "status"]
    assert problem["message"]
    assert response.status_code == problem["code"] // 100
    return int(problem["code"])


def enrol(client: httpx.Client, photo: str, identity_id: str = "E1", **fields: Any) -> httpx.Response:
    person = {
        "identity_id": identity_id,
        "reg_photo": photo,
        "group_name": "default_group",
        "info": {"name": "Ann", "type": 1},
    }
    return client.post("/SophonFogSys/api/users", json={**person, **fields})

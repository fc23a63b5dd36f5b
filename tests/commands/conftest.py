from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sophon.contract import RabbitMq, encode_photo
from sophon.engine import FaceEngine
from sophon.platform import PlatformClient
from sophon.sim import ReferencePlatform
from tests.commands.rig import DEV_SNO, Rig


@pytest.fixture
def client(platform: ReferencePlatform) -> Iterator[PlatformClient]:
    """Logged in; the broker that the login names is never called here."""
    platform.add_box(
        DEV_SNO,
        RabbitMq(
            host="127.0.0.1",
            port=1,
            login="x",
            password=SecretStr("x"),
            queue="q",
            un_need_bind_exchange=True,
        ),
    )
    with PlatformClient(platform.login_url, DEV_SNO) as client:
        client.login()
        yield client


@pytest.fixture
def rig(tmp_path: Path, engine: FaceEngine, client: PlatformClient) -> Iterator[Rig]:
    rig = Rig(tmp_path / "data", engine, client)
    yield rig
    rig.close()


@pytest.fixture
def people(portraits: Path) -> Path:
    return portraits / "people"


@pytest.fixture
def photo(people: Path) -> str:
    return encode_photo((people / "barack_obama" / "obama.jpg").read_bytes())

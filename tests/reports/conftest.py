from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sophon.platform import PlatformClient
from sophon.reports.body import Body
from sophon.store import EventPictures, EventRow, Store

PICTURES = EventPictures(b"\xff\xd8spot", b"\xff\xd8face")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data") as store:
        yield store


@pytest.fixture
def client() -> Iterator[PlatformClient]:
    """A client whose receivers are on this machine."""
    with PlatformClient("http://127.0.0.1:9/login", "BOXA0001") as client:
        yield client


@pytest.fixture
def post(client: PlatformClient) -> Callable[[str, Body], bytes]:
    return lambda address, body: client.post_report(
        address, body.content, 5.0, content_type=body.content_type, login_again=False
    )


def event(number: int = 0, **changes: object) -> EventRow:
    fields = {
        "at": 1_566_016_554_000 + number,
        "identity_id": f"E{number}",
        "identity_name": "小明",
        "person_type": 1,
        "group_name": "default_group",
        "device_ip": "192.168.1.243",
        "device_type": "0",
        "score": 0.6231,
        "details": {"grab_fiqa_info": {}, "box_fiqa_info": {}},
    }
    return EventRow(**{**fields, **changes})  # type: ignore[arg-type]


def add_events(store: Store, number: int, start: int = 0) -> None:
    with store.write() as transaction:
        for one in range(start, start + number):
            transaction.events.add(event(one), PICTURES)

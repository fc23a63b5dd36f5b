"""`sophon.Client` against a real server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

import sophon
from sophon.api.services import Analyses
from sophon.errors import Code, SophonError
from sophon.tokens import Role
from tests.api.conftest import RunningApi


@pytest.fixture
def client(api: RunningApi) -> Iterator[sophon.Client]:
    with sophon.Client(api.url, api.tokens[Role.ADMIN]) as client:
        yield client


def test_a_script_enrols_finds_and_deletes(
    client: sophon.Client, obama: str, biden: str, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(base64.b64decode(obama))
    stranger = base64.b64decode(biden)
    assert client.enroll("A/1", photo, "Ann", info={"desk": 7}, level="no").info.name == "Ann"
    with pytest.raises(SophonError, match="enrolled already") as refused:
        client.enroll("A/1", photo, "Ann", level="no")
    assert refused.value.code is Code.IDENTITY_EXISTS
    client.enroll("A/1", photo, "Ann", level="no", overwrite=True)
    assert [person.identity_id for person in client.people("ann")] == ["A/1"]
    assert client.person("A/1").name == "Ann"
    assert client.match(photo).identity_id == "A/1"
    assert client.match(stranger).retcode == "0"
    assert client.search(photo)[0].people[0].identity_id == "A/1"
    assert client.compare(photo, photo).is_match
    assert len(client.assess(photo)) == 1
    assert list(client.events()) == []
    assert client.status().phase == "consuming"
    assert (client.delete("A/1"), client.delete("A/1")) == (True, False)


def test_a_busy_box_is_asked_again(
    client: sophon.Client, obama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = Analyses.run, []

    async def busy_at_first(analyses: Analyses, *work: object) -> object:
        asked.append(work)
        if len(asked) == 1:
            raise SophonError(Code.SERVICE_BUSY, "busy")
        return await run(analyses, *work)  # type: ignore[arg-type]

    monkeypatch.setattr(Analyses, "run", busy_at_first)
    assert len(client.assess(base64.b64decode(obama))) == 1
    assert len(asked) == 2


def test_a_wrong_token_or_no_box_is_said_clearly(api: RunningApi) -> None:
    with sophon.Client(api.url, "wrong") as client, pytest.raises(SophonError) as refused:
        client.status()
    assert refused.value.code is Code.UNAUTHORIZED
    with sophon.Client("http://127.0.0.1:1", "x", tries=1) as client, pytest.raises(SophonError) as refused:
        client.status()
    assert refused.value.code is Code.REMOTE_SERVER_FAILED
    assert "sophon_" not in repr(client)

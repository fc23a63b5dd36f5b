"""Who is deleted is gone: from memory, tables, files with their free pages, and logs."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.erasure import find_bytes, find_person
from sophon.photo_key import photo_keeping
from sophon.store import DeviceRow, PhotoMode
from tests.api.conftest import RunningApi, data, enrol, error

pytestmark = pytest.mark.slow

NAME = "Xanthippe Quuxington"


@pytest.mark.parametrize(
    ("door", "mode"),
    [("users", "keep"), ("groups", "keep"), ("wipe", "keep"), ("v1", "keep"), ("users", "encrypt")],
)
def test_nothing_of_a_deleted_person_is_left(
    start_api: Callable[..., RunningApi],
    obama: str,
    biden: str,
    door: str,
    mode: PhotoMode,
    capfd: pytest.CaptureFixture[str],
) -> None:
    photos = photo_keeping(mode, "11" * 32)
    api = start_api(deleted_person_events="all", photos=photos)
    folder = api.store.data_dir
    photo = base64.b64decode(obama)
    with api.client() as client:
        data(client.post("/SophonFogSys/api/groups", json={"group_name": "north", "description": ""}))
        data(enrol(client, biden, "E2"))
        data(enrol(client, obama, group_name="default_group,north", info={"name": NAME}))
        with api.store.write() as transaction:
            transaction.devices.put(DeviceRow("192.168.1.31", "0", "gate"))
        match = {"rgb_image_base64": obama, "device_ip": "192.168.1.31"}
        assert data(client.post("/SophonMatch/api/PictureMatch", json=match))["identity_id"] == "E1"
        with api.store.read() as snapshot:
            [embedding] = [
                row.embedding.tobytes()
                for row in snapshot.people.gallery(api.box.engine.making_id)
                if row.identity_id == "E1"
            ]
            [event] = snapshot.events.after(0)
            pictures = snapshot.events.pictures(event.id)
            [stored] = snapshot._connection.execute("SELECT spot, face FROM event_pictures")
        assert pictures.spot is not None
        assert pictures.face is not None
        secrets = {
            "photo": photo,
            "scene": pictures.spot,
            "face": pictures.face,
            "scene on the disk": stored[0],
            "face on the disk": stored[1],
            "embedding": embedding,
            "name": NAME.encode(),
        }
        # The search itself works: it finds what is there; and what is encrypted, it does not find.
        never_there = {"photo", "scene", "face"} if mode == "encrypt" else set()
        assert {what for what, secret in secrets.items() if not find_bytes(folder, secret)} == never_there
        assert {trace.place for trace in find_person(api.store, "E1")} >= {"people", "photos", "events"}

        if door == "users":
            data(client.request("DELETE", "/SophonFogSys/api/users", json={"identity_id": "E1"}))
        elif door == "groups":
            body = {"group_name": "north", "user_recursive_delete": True}
            data(client.request("DELETE", "/SophonFogSys/api/groups", json=body))
        elif door == "v1":
            data(client.delete("/api/v1/people/E1"))
        else:
            options = {"wipe_options": {"users": True, "events": True}}
            data(client.post("/SophonFogSys/api/WipeData", json=options))

        assert find_person(api.store, "E1") == []
        assert [what for what, secret in secrets.items() if find_bytes(folder, secret)] == []
        assert error(client.get("/SophonFogSys/api/users", params={"identity_id": "E1"})) == 40401
        assert "E1" not in str(client.post("/api/v1/search", json={"image_base64": obama}).json())
    logged = "".join(capfd.readouterr())
    assert "WipeData" in logged or "DELETE" in logged
    assert NAME not in logged
    assert obama[:60] not in logged


def test_the_command_line_proves_it(api: RunningApi, obama: str) -> None:
    arguments = ["verify-erased", "E1", "--name", NAME, "--data-dir", str(api.store.data_dir)]
    with api.client() as client:
        data(enrol(client, obama, info={"name": NAME}))
        before = CliRunner().invoke(app, arguments)
        data(client.delete("/api/v1/people/E1"))
    after = CliRunner().invoke(app, arguments)
    assert (before.exit_code, after.exit_code) == (1, 0)
    assert "left in people: 1 rows" in before.stdout
    assert "erased: nothing is left" in after.stdout

"""Galleries, permission groups and people by REST: every call, good and bad, field by field."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sophon.box import Enrolment
from sophon.erasure import find_bytes
from sophon.photo_key import photo_keeping
from sophon.store import PhotoMode
from tests.api.conftest import RunningApi, data, enrol, error

FOG = "/SophonFogSys/api"


def delete(client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    return client.request("DELETE", f"{FOG}/{path}", json=body)


@pytest.mark.parametrize("kind", ["permission", "group"])
class TestNamedLists:
    """Permission groups and galleries behave alike."""

    def test_they_are_created_listed_changed_and_deleted(self, admin: httpx.Client, kind: str) -> None:
        path, name, listed = f"{FOG}/{kind}s", f"{kind}_name", f"{kind}s_list"
        body = {name: "north", "description": "", "info": {"floor": 3}}
        north = {"name": "north", "description": "", "floor": 3}
        assert data(admin.post(path, json=body)) == {"info": north}
        assert data(admin.get(path, params={name: "north"})) == {listed: [north]}
        assert north in data(admin.get(path))[listed]
        changed = {**north, "description": "new"}
        assert data(admin.put(path, json={name: "north", "description": "new"})) == {"info": changed}
        gone = data(admin.request("DELETE", path, json={name: "north"}))
        assert gone[name] == gone["group_name"] == "north"
        assert gone["message"] == f"just delete the {kind} info,the user already exists"
        assert error(admin.get(path, params={name: "north"})) == 40491

    @pytest.mark.parametrize(
        ("name", "code"), [("", 40012), ("a,b", 40012), ("a\nb", 40012), ("x" * 300, 40012), (7, 40091)]
    )
    def test_bad_names_are_refused(self, admin: httpx.Client, kind: str, name: Any, code: int) -> None:
        path = f"{FOG}/{kind}s"
        assert error(admin.post(path, json={f"{kind}_name": name, "description": ""})) == code

    def test_a_name_is_used_once(self, admin: httpx.Client, kind: str) -> None:
        body = {f"{kind}_name": "north", "description": "x"}
        data(admin.post(f"{FOG}/{kind}s", json=body))
        assert error(admin.post(f"{FOG}/{kind}s", json=body)) == 40012

    def test_what_is_not_there_is_not_found(self, admin: httpx.Client, kind: str) -> None:
        body = {f"{kind}_name": "nowhere", "description": ""}
        assert error(admin.put(f"{FOG}/{kind}s", json=body)) == 40491
        assert error(delete(admin, f"{kind}s", {f"{kind}_name": "nowhere"})) == 40491

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"description": None}, 40091),
            ({"info": {"name": "x"}}, 40091),
            ({"info": {"description": "x"}}, 40091),
            ({"info": "text"}, 40091),
        ],
    )
    def test_fields_are_checked(
        self, admin: httpx.Client, kind: str, change: dict[str, Any], code: int
    ) -> None:
        body = {f"{kind}_name": "north", "description": "", **change}
        assert error(admin.post(f"{FOG}/{kind}s", json=body)) == code

    def test_a_flag_must_be_a_boolean(self, admin: httpx.Client, kind: str) -> None:
        assert (
            error(delete(admin, f"{kind}s", {f"{kind}_name": "x", "user_recursive_delete": "yes"})) == 40005
        )

    def test_form_data_is_taken(self, admin: httpx.Client, kind: str) -> None:
        form = {f"{kind}_name": "7", "description": "8", "info": '{"floor": 3}'}
        files = {field: (None, text) for field, text in form.items()}
        assert data(admin.post(f"{FOG}/{kind}s", files=files)) == {
            "info": {"name": "7", "description": "8", "floor": 3}
        }


def test_a_person_is_enrolled_found_changed_and_deleted(admin: httpx.Client, obama: str, biden: str) -> None:
    data(admin.post(f"{FOG}/groups", json={"group_name": "staff", "description": ""}))
    created = data(
        enrol(admin, obama, group_name="default_group,staff", info={"name": "Ann", "type": 5, "desk": "A7"})
    )
    assert created["identity_id"] == "E1"
    assert created["group_name"] == "default_group,staff"
    assert created["reg_photo"] == obama
    assert created["info"]["desk"] == "A7"
    assert created["info"]["user_id"]

    [found] = data(admin.get(f"{FOG}/users", params={"identity_id": "E1"}))["identities_list"]
    assert found["reg_photo"] == obama
    assert found["group_name"] == ["default_group", "staff"]
    info = found["info"]
    assert {key: info[key] for key in ("name", "type", "desk", "permission_ids", "description")} == {
        "name": "Ann",
        "type": 5,
        "desk": "A7",
        "permission_ids": ["0"],
        "description": "",
    }
    assert info["user_id"] == created["info"]["user_id"]

    changed = data(
        admin.put(f"{FOG}/users", json={"identity_id": "E1", "reg_photo": biden, "info": {"name": "Bea"}})
    )
    assert changed["image_id"] != info["image_id"]
    assert (changed["info"]["name"], changed["info"]["type"], changed["info"]["desk"]) == ("Bea", 5, "A7")
    assert changed["group_name"] == ["default_group", "staff"]

    gone = data(delete(admin, "users", {"identity_id": "E1"}))
    assert gone == {
        "identity_id": "E1",
        "group_name": ["default_group", "staff"],
        "message": "have remove from group success",
    }
    assert error(admin.get(f"{FOG}/users", params={"identity_id": "E1"})) == 40401
    assert error(delete(admin, "users", {"identity_id": "E1"})) == 40401
    assert error(admin.put(f"{FOG}/users", json={"identity_id": "E1", "info": {"name": "x"}})) == 40401


def test_who_exists_is_overwritten_only_if_asked(admin: httpx.Client, obama: str) -> None:
    data(enrol(admin, obama))
    assert error(enrol(admin, obama)) == 40011
    assert data(enrol(admin, obama, ignore_exist=True, info={"name": "Eve"}))["info"]["name"] == "Eve"


def test_unknown_permission_groups_are_made_only_if_asked(admin: httpx.Client, obama: str) -> None:
    info = {"name": "Ann", "permission_ids": ["1046"]}
    assert error(enrol(admin, obama, info=info)) == 40491
    created = data(enrol(admin, obama, info=info, create_no_exit_permission=True))
    assert created["info"]["permission_ids"] == ["1046"]
    names = [one["name"] for one in data(admin.get(f"{FOG}/permissions"))["permissions_list"]]
    assert "1046" in names


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"identity_id": ""}, 40091),
        ({"identity_id": "x" * 65}, 40091),
        ({"identity_id": "a\u0000b"}, 40091),
        ({"identity_id": None}, 40091),
        ({"info": {"type": 1}}, 40091),
        ({"info": {"name": "Ann", "type": 6}}, 40091),
        ({"info": None}, 40091),
        ({"group_name": "nowhere"}, 40491),
        ({"group_name": ""}, 40012),
        ({"group_name": "default_group,"}, 40012),
        ({"ignore_exist": "true"}, 40005),
        ({"create_no_exit_permission": 1}, 40005),
        ({"fiqa_level": "best"}, 40091),
        ({"reg_photo": "@@@"}, 40003),
        ({"reg_photo": ""}, 40003),
        ({"reg_photo": "PGh0bWw+PC9odG1sPg=="}, 40003),
        ({"reg_photo": None}, 40091),
    ],
)
def test_a_wrong_enrolment_is_refused_and_nobody_is_there(
    admin: httpx.Client, api: RunningApi, obama: str, change: dict[str, Any], code: int
) -> None:
    assert error(enrol(admin, obama, **change)) == code
    with api.store.read() as snapshot:
        assert snapshot.people.count() == 0


def test_a_full_gallery_refuses(start_api: Callable[..., RunningApi], obama: str, biden: str) -> None:
    api = start_api(capacity=1)
    with api.client() as client:
        data(enrol(client, obama))
        assert error(enrol(client, biden, "E2")) == 40015


def test_people_are_listed_by_pages_that_count_people(api: RunningApi, admin: httpx.Client) -> None:
    people = [Enrolment(f"E{number:02}", {"name": f"N{number}"}, 1, ("0",), None) for number in range(25)]
    with api.store.write() as transaction:
        for one in people:  # without faces: the engine would take long, and is not what is asked here
            api.box._put(transaction, 1, one)

    def ids(**params: Any) -> list[str]:
        listed = data(admin.get(f"{FOG}/users", params=params))["identities_list"]
        return [person["identity_id"] for person in listed]

    everybody = [one.identity_id for one in people]
    assert ids() == everybody[:10]
    assert ids(limit=3, skip_num=20) == everybody[20:23]
    assert ids(group_name="default_group", limit=100) == everybody
    assert ids(identity_id="E07", group_name="nowhere") == ["E07"]
    assert error(admin.get(f"{FOG}/users", params={"group_name": "nowhere"})) == 40491
    for wrong in ({"limit": 0}, {"limit": "x"}, {"skip_num": -1}, {"limit": 10**30}):
        assert error(admin.get(f"{FOG}/users", params=wrong)) == 40091


def test_people_are_put_into_galleries_and_taken_out(admin: httpx.Client, obama: str) -> None:
    data(admin.post(f"{FOG}/groups", json={"group_name": "staff", "description": ""}))
    data(enrol(admin, obama))
    body = {"group_name": "staff", "identity_id": ["E1"], "with_identity_id": True}
    added = data(admin.put(f"{FOG}/GroupUsers", json=body))
    assert (added["group_name"], added["identity_id"]) == ("staff", ["E1"])
    match = {"rgb_image_base64": obama, "group_name": "staff"}
    assert data(admin.post("/SophonMatch/api/PictureMatch", json=match))["identity_id"] == "E1"
    removed = data(delete(admin, "GroupUsers", {"group_name": "staff", "identity_id": ["E1"]}))
    assert removed == {"group_name": "staff", "message": "have remove from group success"}
    assert error(admin.post("/SophonMatch/api/PictureMatch", json=match)) == 40008
    assert error(admin.put(f"{FOG}/GroupUsers", json={**body, "identity_id": ["nobody"]})) == 40401
    assert error(admin.put(f"{FOG}/GroupUsers", json={**body, "group_name": "nowhere"})) == 40491
    assert error(admin.put(f"{FOG}/GroupUsers", json={**body, "identity_id": "E1"})) == 40091


def test_a_deleted_permission_group_leaves_its_people(admin: httpx.Client, obama: str) -> None:
    data(admin.post(f"{FOG}/permissions", json={"permission_name": "north", "description": ""}))
    data(enrol(admin, obama, info={"name": "Ann", "permission_ids": ["north", "0"]}))
    match = {"rgb_image_base64": obama, "permission_name": "north"}
    assert data(admin.post("/SophonMatch/api/PictureMatch", json=match))["retcode"] == "1"
    data(delete(admin, "permissions", {"permission_name": "north"}))
    [person] = data(admin.get(f"{FOG}/users"))["identities_list"]
    assert person["info"]["permission_ids"] == ["0"]
    assert error(admin.post("/SophonMatch/api/PictureMatch", json=match)) == 40491


@pytest.mark.parametrize("kind", ["permission", "group"])
def test_a_list_is_deleted_with_its_people(
    admin: httpx.Client, api: RunningApi, obama: str, kind: str
) -> None:
    data(admin.post(f"{FOG}/{kind}s", json={f"{kind}_name": "north", "description": ""}))
    if kind == "group":
        data(enrol(admin, obama, group_name="north"))
    else:
        data(enrol(admin, obama, info={"name": "Ann", "permission_ids": ["north"]}))
    gone = data(delete(admin, f"{kind}s", {f"{kind}_name": "north", "user_recursive_delete": True}))
    assert gone["message"] == f"delete the {kind} info and the user in the {kind}"
    assert data(admin.get(f"{FOG}/users"))["identities_list"] == []
    assert len(api.box) == 0


def test_wiping_people_leaves_the_default_gallery(admin: httpx.Client, api: RunningApi, obama: str) -> None:
    data(admin.post(f"{FOG}/groups", json={"group_name": "staff", "description": ""}))
    data(enrol(admin, obama))
    options = {"wipe_options": {"users": True, "events": False}}
    assert data(admin.post(f"{FOG}/WipeData", json=options)) == options
    assert len(api.box) == 0
    names = [one["name"] for one in data(admin.get(f"{FOG}/groups"))["groups_list"]]
    assert names == ["default_group"]


def test_a_person_may_come_as_form_data(admin: httpx.Client, obama: str) -> None:
    form = {
        "identity_id": "77",
        "reg_photo": obama,
        "group_name": "default_group",
        "info": json.dumps({"name": "Ann"}),
        "ignore_exist": "true",
    }
    created = data(admin.post(f"{FOG}/users", files={key: (None, text) for key, text in form.items()}))
    assert (created["identity_id"], created["info"]["name"]) == ("77", "Ann")


@pytest.mark.parametrize("mode", ["encrypt", "none"])
def test_a_photograph_that_is_not_kept_in_the_clear_enrols_and_recognises_all_the_same(
    start_api: Callable[..., RunningApi], obama: str, mode: PhotoMode
) -> None:
    api = start_api(photos=photo_keeping(mode, "5a" * 32))
    with api.client() as admin:
        assert data(enrol(admin, obama))["reg_photo"] == obama
        [person] = data(admin.get("/SophonFogSys/api/users"))["identities_list"]
        assert person["reg_photo"] == (obama if mode == "encrypt" else "")
        [face] = data(admin.post("/api/v1/search", json={"image_base64": obama}))
        assert [one["identity_id"] for one in face["people"]] == ["E1"]
    assert find_bytes(api.store.data_dir, base64.b64decode(obama)) == []

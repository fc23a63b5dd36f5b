"""parse_command: good commands become typed objects, bad ones a ContractError that says what is wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophon.contract import (
    AddUsersPlus,
    ContractError,
    ControlConfig,
    DeleteUsers,
    Fiqa,
    Person,
    RefusedPermission,
    RefusedPerson,
    SyncPermissions,
    WipeData,
    parse_command,
)
from sophon.contract.commands import COMMANDS
from sophon.errors import Code
from tests.contract.bad_commands import BAD, command

PERSON = {"identity_id": "E1", "reg_url": "http://a/1.jpg", "info": {"name": "Li Lei"}}


@pytest.mark.parametrize(
    ("body", "detail"), BAD, ids=[f"{i}-{detail[:40]}" for i, (_, detail) in enumerate(BAD)]
)
def test_bad_command_is_refused_with_its_reason(body: bytes, detail: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_command(body)

    assert caught.value.code is Code.PARAM_ERROR
    assert str(caught.value).startswith(detail)


def test_refusal_carries_what_the_answer_needs() -> None:
    body = command(
        method="delete_users", messageId="d-7", userid_list=5, extend_params={"notify_path": "/getResult"}
    )

    with pytest.raises(ContractError) as caught:
        parse_command(body)

    assert (caught.value.message_key, caught.value.message_id) == ("delete_users", "d-7")
    assert caught.value.notify_path == "/getResult"


@pytest.mark.parametrize("message_id", ["", 5, ["a"], {"a": 1}, False, "x" * 10_000])
def test_message_id_is_kept_as_it_was_sent(message_id: Any) -> None:
    read = parse_command(command(method="delete_users", userid_list=[], messageId=message_id))
    with pytest.raises(ContractError) as caught:
        parse_command(command(method="no such", messageId=message_id))

    assert read.message_id == message_id
    assert caught.value.message_id == message_id


@pytest.mark.parametrize(
    ("message_id", "key"), [(None, None), ("", None), ("a", "a"), (5, "5"), (0, "0"), ({"a": 1}, '{"a":1}')]
)
def test_only_a_real_message_id_suppresses_repeats(message_id: Any, key: str | None) -> None:
    assert (
        parse_command(command(method="delete_users", userid_list=[], messageId=message_id)).repeat_key == key
    )


def test_byte_order_mark_null_and_unknown_fields_are_no_errors() -> None:
    body = b"\xef\xbb\xbf" + command(
        method="delete_users", userid_list=["E1"], messageId=None, extend_params=None, priority=9
    )

    read = parse_command(body)

    assert isinstance(read, DeleteUsers)
    assert read.entries() == ["E1"]
    assert (read.message_id, read.notify_path) == (None, "")


def test_of_a_key_given_twice_the_last_value_counts() -> None:
    read = parse_command(
        b'{"method": "fiqa", "method": "delete_users", "userid_list": ["A"], "userid_list": ["B"]}'
    )

    assert isinstance(read, DeleteUsers)
    assert read.entries() == ["B"]


def test_ids_are_strings_or_integers_each_once_in_the_commands_order() -> None:
    read = parse_command(command(method="delete_users", userid_list=["b", 7, "a", "b", None, "7"]))

    assert isinstance(read, DeleteUsers)
    assert read.entries() == ["b", "7", "a"]


@pytest.mark.parametrize("bad", ["", "x" * 65, "a\0b", "a\nb", 2**53])
def test_an_unusable_id_fails_alone(bad: Any) -> None:
    read = parse_command(command(method="delete_users", userid_list=["a", bad, "b"]))

    assert isinstance(read, DeleteUsers)
    first, refused, last = read.entries()
    assert (first, last) == ("a", "b")
    assert isinstance(refused, RefusedPerson)
    assert (refused.identity_id, refused.code) == (str(bad), Code.PARAM_ERROR)


def test_an_empty_list_is_a_command() -> None:
    fetched = parse_command(command(method="add_users_plus", userid_list=[], extend_params={"path": "/p"}))
    inline = parse_command(command(method="add_users_plus", user_info_list=[]))

    assert isinstance(fetched, AddUsersPlus)
    assert isinstance(inline, AddUsersPlus)
    assert fetched.entries() == inline.entries() == []


BAD_PEOPLE: list[tuple[Any, str, str]] = [
    (5, "", "must be an object"),
    (None, "", "must be an object"),
    ({}, "", "'identity_id' is required"),
    ({**PERSON, "identity_id": None}, "", "'identity_id' is required"),
    ({**PERSON, "identity_id": ""}, "", "'identity_id' must have 1 to 64 characters"),
    ({**PERSON, "identity_id": "E\0"}, "E\0", "'identity_id' must not hold control characters"),
    ({**PERSON, "identity_id": True}, "", "'identity_id' must be a string"),
    (
        {**PERSON, "reg_url": None},
        "E1",
        "give exactly one of reg_photo, reg_url, relative_pic_url (found: none)",
    ),
    (
        {**PERSON, "reg_photo": ""},
        "E1",
        "give exactly one of reg_photo, reg_url, relative_pic_url (found: reg_photo and reg_url)",
    ),
    ({**PERSON, "reg_url": 5}, "E1", "'reg_url' must be a string"),
    ({**PERSON, "register_type": 3}, "E1", "'register_type' must be less than or equal to 2"),
    ({**PERSON, "register_type": "1"}, "E1", "'register_type' must be an integer"),
    ({**PERSON, "register_type": True}, "E1", "'register_type' must be an integer"),
    (
        {**PERSON, "fiqa_level": "best"},
        "E1",
        "'fiqa_level' must be 'high', 'custom', 'middle', 'low' or 'no'",
    ),
    ({**PERSON, "info": None}, "E1", "'info' is required"),
    ({**PERSON, "info": {}}, "E1", "'info.name' is required"),
    ({**PERSON, "info": {"name": "A", "type": 6}}, "E1", "'info.type' must be less than or equal to 5"),
    (
        {**PERSON, "info": {"name": "A", "permission_ids": "1046"}},
        "E1",
        "'info.permission_ids' must be a list",
    ),
    (
        {**PERSON, "info": {"name": "A", "permission_ids": [[]]}},
        "E1",
        "'info.permission_ids[0]' must be a string",
    ),
]


@pytest.mark.parametrize(
    ("value", "identity_id", "detail"), BAD_PEOPLE, ids=[str(i) for i in range(len(BAD_PEOPLE))]
)
def test_a_bad_person_fails_alone(value: Any, identity_id: str, detail: str) -> None:
    good = {**PERSON, "identity_id": "E2"}

    read = parse_command(command(method="add_users_plus", user_info_list=[value, good]))

    assert isinstance(read, AddUsersPlus)
    refused, person = read.entries()
    assert isinstance(refused, RefusedPerson)
    assert (refused.identity_id, refused.code, refused.detail) == (identity_id, Code.PARAM_ERROR, detail)
    assert isinstance(person, Person)


def test_of_a_person_given_twice_the_last_one_counts_at_the_first_place() -> None:
    people = [PERSON, {**PERSON, "identity_id": "E2"}, {**PERSON, "info": {"name": "Li Lei the second"}}]

    read = parse_command(command(method="add_users_plus", user_info_list=people))

    assert isinstance(read, AddUsersPlus)
    assert [(p.identity_id, p.name) for p in read.entries() if isinstance(p, Person)] == [
        ("E1", "Li Lei the second"),
        ("E2", "Li Lei"),
    ]


def test_a_person_has_the_contracts_defaults() -> None:
    read = parse_command(command(method="add_users_plus", user_info_list=[{**PERSON, "identity_id": 17}]))

    assert isinstance(read, AddUsersPlus)
    (person,) = read.entries()
    assert isinstance(person, Person)
    assert (person.identity_id, person.register_type, person.quality_level) == ("17", 1, "high")
    assert (person.info.type, person.info.permission_ids) == (1, ["0"])


def test_a_permission_without_a_name_fails_alone_and_the_last_name_counts() -> None:
    groups = [
        {"id": "a", "info": {"name": "one"}},
        {"id": "b", "info": {}},
        {"id": "a", "info": {"name": "two"}},
    ]

    read = parse_command(command(method="sync_permissions", permissions_info_list=groups))

    assert isinstance(read, SyncPermissions)
    named, refused = read.entries()
    assert named.info.name == "two"  # type: ignore[union-attr]
    assert refused == RefusedPermission("b", "'info.name' is required")


@pytest.mark.parametrize("level", [None, ""])
def test_a_fiqa_level_that_is_absent_or_empty_means_high(level: str | None) -> None:
    read = parse_command(command(method="fiqa", info={"image_base64_str": "", "fiqa_level": level}))

    assert isinstance(read, Fiqa)
    assert read.level == "high"


def test_wipe_options_are_given_back_as_received() -> None:
    options = {"users": True, "events": False, "logs": True}

    read = parse_command(command(method="wipe_data", wipe_options=options))

    assert isinstance(read, WipeData)
    assert read.wipe_options.to_wire() == options


def test_control_config_separates_usable_settings_from_unusable_ones() -> None:
    fields = {
        "support_stranger_group": "yes",
        "threshold": 80,
        "threshold_range": [90, 80, 100],
        "colour": "red",
    }

    read = parse_command(command(method="control_config", config_field=fields))

    assert isinstance(read, ControlConfig)
    usable, unusable = read.settings()
    assert usable.to_wire() == {"threshold": 80}
    assert unusable == {"support_stranger_group": "yes", "threshold_range": [90, 80, 100]}


def test_photographs_never_show_in_a_repr() -> None:
    fiqa = parse_command(command(method="fiqa", info={"image_base64_str": "CANARY"}))
    add = parse_command(
        command(
            method="add_users_plus",
            user_info_list=[{"identity_id": "a", "reg_photo": "CANARY", "info": {"name": ""}}],
        )
    )

    assert "CANARY" not in repr(fiqa) + repr(add)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "userid_list",
        "user_info_list",
        "wipe_options",
        "permissions_info_list",
        "info",
        "config_field",
        "extend_params",
        "messageId",
    ]
)
PERSON_LIKE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("identity_id", "reg_photo", "reg_url", "relative_pic_url", "register_type", "fiqa_level", "info"),
        JSON,
    ),
)
COMMAND_LIKE = st.builds(
    lambda method, fields: {**fields, "method": method},
    st.sampled_from([*COMMANDS]) | JSON,
    st.dictionaries(FIELDS, JSON | st.lists(PERSON_LIKE, max_size=3), max_size=6),
)


def parses_or_is_refused(body: bytes) -> None:
    read = None
    with contextlib.suppress(ContractError):
        read = parse_command(body)

    if read is not None:
        assert orjson.loads(read.encode())["method"] in COMMANDS
    if isinstance(read, (AddUsersPlus, DeleteUsers, SyncPermissions)):
        assert isinstance(read.entries(), list)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_contract_error(body: bytes) -> None:
    parses_or_is_refused(body)


@given(JSON)
def test_no_json_raises_anything_but_a_contract_error(value: Any) -> None:
    parses_or_is_refused(orjson.dumps(value))


@settings(max_examples=500)
@given(COMMAND_LIKE)
def test_nothing_like_a_command_raises_anything_but_a_contract_error(value: Any) -> None:
    parses_or_is_refused(orjson.dumps(value))

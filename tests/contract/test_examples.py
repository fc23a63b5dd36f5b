"""Every message of the specification's examples is read and written without loss."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from sophon.contract import (
    AnyResult,
    Command,
    DeviceList,
    DeviceOperation,
    DeviceStatus,
    ErrorResponse,
    Event,
    Message,
    Person,
    UserDetails,
    parse_command,
    parse_login,
    parse_people,
    parse_result,
)
from tests.conftest import REPOSITORY

EXAMPLES = Path(os.environ.get("SOPHON_SPEC", REPOSITORY.parent / "shared" / "spec")) / "examples"
FILES = sorted(EXAMPLES.glob("*.json"))
TYPES: dict[str, type[Message]] = {
    "device_list": DeviceList,
    "device_operation_v2r1": DeviceOperation,
    "device_status": DeviceStatus,
    "history_event": Event,
    "login_error": ErrorResponse,
    "realtime_event": Event,
    "user_details_error": ErrorResponse,
    "user_details_response": UserDetails,
}

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"the specification's examples are not at {EXAMPLES} (set SOPHON_SPEC)"
)


def read_example(name: str, body: bytes) -> Message:
    if name.endswith("_result"):
        return parse_result(body)
    if name.startswith("login_response"):
        return parse_login(body)
    if name in TYPES:
        return TYPES[name].model_validate(orjson.loads(body))
    return parse_command(body)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_example_is_read_and_written_without_loss(file: Path) -> None:
    body = file.read_bytes()

    message = read_example(file.stem, body)

    assert orjson.loads(message.encode()) == orjson.loads(body)
    assert type(message) is not Message


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_example_keeps_the_kind_of_each_value(file: Path) -> None:
    body = file.read_bytes()

    written = read_example(file.stem, body).encode()

    assert orjson.dumps(orjson.loads(written), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        orjson.loads(body), option=orjson.OPT_SORT_KEYS
    )


def test_people_of_the_example_are_typed() -> None:
    people = parse_people((EXAMPLES / "user_details_response.json").read_bytes(), ["E1002", "E1001"])

    assert list(people) == ["E1002", "E1001"]
    stranger = people["E1002"]
    assert isinstance(stranger, Person)
    assert (stranger.name, stranger.info.type, stranger.quality_level) == ("Han Meimei", 4, "custom")
    assert stranger.info.permission_ids == ["0"]


def test_custom_fields_of_the_example_are_kept() -> None:
    command: Command = parse_command((EXAMPLES / "add_users_plus_inline.json").read_bytes())

    person = command.entries()[0]  # type: ignore[union-attr]

    assert isinstance(person, Person)
    assert person.info.custom == {"card": "A-77"}


def test_result_of_the_example_is_typed() -> None:
    result: AnyResult = parse_result((EXAMPLES / "add_users_plus_result.json").read_bytes())

    assert [user.userid for user in result.result.failed_users] == ["E1002"]  # type: ignore[union-attr]

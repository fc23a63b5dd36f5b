"""Results: what goes where, in which order, under which text."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophon.contract import (
    ContractError,
    FiqaResult,
    PeopleResult,
    PersonOutcome,
    RefusedPerson,
    failed,
    http_status,
    parse_command,
    parse_people,
    parse_result,
    succeeded,
    texts,
    wire_name,
)
from sophon.contract.commands import COMMANDS
from sophon.errors import Code, SophonError


def test_every_method_has_its_text_and_every_code_its_name_text_and_status() -> None:
    assert set(texts.COMMAND_DONE) == set(COMMANDS)
    for code in Code:
        assert texts.failure(code)
        assert wire_name(code).isupper()
        assert 200 <= http_status(code) < 600


@pytest.mark.parametrize(
    ("code", "name", "status"),
    [
        (Code.IDENTITY_EXISTS, "IDENTITY_EXSIT_ERROR", 400),
        (Code.FOG_CONTENT_TYPE_ERROR, "CONTENT_TYPE_ERROR", 415),
        (Code.SERVER_PROCESS_FAILED, "SERVER_PROCESS_FAILED", 500),
        (Code.FOG_NOT_FOUND, "NOT_FOUND", 404),
        (Code.SUCCESS, "SUCCESS", 200),
    ],
)
def test_codes_keep_the_originals_spelling(code: Code, name: str, status: int) -> None:
    assert (wire_name(code), http_status(code)) == (name, status)


def test_low_quality_lists_the_failed_items() -> None:
    outcome = PersonOutcome.not_added(
        "E1", "Li Lei", Code.LOW_QUALITY, "clarity 0.2 < 0.6", ("clarity", "headpose")
    )

    assert outcome.message == "人脸质量不合格: clarity, headpose"


def test_an_answer_carries_the_message_id_only_if_the_command_had_one() -> None:
    with_id = parse_command(b'{"method": "delete_users", "userid_list": [], "messageId": 5}')
    without = parse_command(b'{"method": "delete_users", "userid_list": []}')

    assert succeeded(with_id, "B", PeopleResult.of([])).to_wire()["messageId"] == 5
    assert "messageId" not in succeeded(without, "B", PeopleResult.of([])).to_wire()


def test_a_refused_command_is_answered_with_its_reason() -> None:
    with pytest.raises(ContractError) as caught:
        parse_command(b'{"method": "delete_users", "userid_list": 5, "messageId": "d-7"}')

    assert failed(caught.value, "BOXA0001", caught.value).to_wire() == {
        "success": False,
        "code": 40071,
        "message": "参数错误",
        "detail": "delete_users: 'userid_list' must be a list of strings",
        "dev_sno": "BOXA0001",
        "messageKey": "delete_users",
        "messageId": "d-7",
        "result": {},
    }


def test_a_command_that_failed_inside_keeps_its_method() -> None:
    command = parse_command(b'{"method": "fiqa", "info": {"image_base64_str": ""}}')

    result = failed(command, "B", SophonError(Code.NO_FACE, "no face in the photo"))

    assert (result.message_key, result.code, result.message) == ("fiqa", 40004, "无法检测到人脸")
    assert parse_result(result.encode()) == result


def test_outcomes_keep_the_commands_order_in_both_lists() -> None:
    outcomes = [PersonOutcome.deleted("a"), PersonOutcome.not_deleted("b"), PersonOutcome.deleted("c")]

    result = PeopleResult.of(outcomes)

    assert [user.userid for user in result.success_users] == ["a", "c"]
    assert [user.userid for user in result.failed_users] == ["b"]


def test_a_result_is_read_by_its_method() -> None:
    body = succeeded(
        parse_command(b'{"method": "fiqa", "info": {"image_base64_str": ""}}'), "B", FiqaResult(data=[])
    ).encode()

    assert isinstance(parse_result(body).result, FiqaResult)


@given(st.binary(max_size=100) | st.dictionaries(st.text(), st.text()).map(orjson.dumps))
def test_no_bytes_raise_anything_but_a_contract_error(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse_result(body)


def test_people_who_are_missing_in_the_platforms_answer_are_refused() -> None:
    people = parse_people(b'{"data": {"user_list": [{"identity_id": "a"}, 5]}}', ["a", "b"])

    assert people == {
        "a": RefusedPerson("a", "", Code.REMOTE_DATA_FAILED, "'info' is required"),
        "b": RefusedPerson(
            "b", "", Code.REMOTE_DATA_FAILED, "the platform's answer does not hold this person"
        ),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": {"user_list": {}}}',
        b'{"error": {"code": 40003, "message": "\xe6\x9c\xaa", "status": "PARAM_ERROR"}}',
        b'{"error": "no"}',
    ],
)
def test_an_unusable_answer_about_people_is_refused_whole(body: bytes) -> None:
    with pytest.raises(SophonError) as caught:
        parse_people(body, ["a"])

    assert caught.value.code is Code.REMOTE_DATA_FAILED

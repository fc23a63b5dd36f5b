"""The login's answer, in both versions, with everything optional left out."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophon.contract import LoginResponse, parse_login
from sophon.errors import Code, SophonError

EXCHANGE = {"name": "x", "type": "topic"}
RABBITMQ = {"host": "mq", "port": 5672, "login": "box", "password": "CANARY-password", "queue": "q"}


def answer(rabbitmq: dict[str, Any] | None = None, **fields: Any) -> bytes:
    return orjson.dumps(
        {
            "token": "CANARY-token",
            "rabbitmq": {**RABBITMQ, "exchange": EXCHANGE, **(rabbitmq or {})},
            **fields,
        }
    )


def test_everything_optional_has_the_contracts_default() -> None:
    login = parse_login(answer())

    assert (login.record_upload_period, login.device_monitor_period) == (5, 20)
    assert (login.record_upload_reg, login.record_upload_spot_pic, login.record_upload_recognize_face) == (
        1,
        1,
        1,
    )
    assert (login.record_addresses, login.img_server_addr) == ([], None)
    assert (login.rabbitmq.v_host, login.rabbitmq.upload_v_host, login.rabbitmq.upload_queue) == (
        "/",
        "/",
        None,
    )
    assert login.rabbitmq.un_need_bind_exchange is False
    assert login.rabbitmq.exchange is not None
    exchange = login.rabbitmq.exchange
    assert (exchange.passive, exchange.durable, exchange.auto_delete, exchange.arguments) == (
        False,
        True,
        False,
        None,
    )
    assert login.rabbitmq.routing_key == "q"


def test_null_counts_as_absent() -> None:
    login = parse_login(
        answer({"vHost": None, "fiqaDownQueue": None}, recordUploadPeriod=None, recordAddr=None)
    )

    assert (login.record_upload_period, login.record_addresses) == (5, [])
    assert (login.rabbitmq.v_host, login.rabbitmq.fiqa_down_queue) == ("/", None)


def test_numeric_strings_are_numbers_and_stay_strings_on_the_wire() -> None:
    login = parse_login(answer({"port": "5671"}, recordUploadPeriod="7"))

    assert login.rabbitmq.port + login.record_upload_period == 5678
    wire = login.to_wire()
    assert (wire["rabbitmq"]["port"], wire["recordUploadPeriod"]) == ("5671", "7")


def test_record_addresses_are_separated_by_commas_with_or_without_spaces() -> None:
    assert parse_login(answer(recordAddr="/a , http://b/c,/d, ")).record_addresses == [
        "/a",
        "http://b/c",
        "/d",
    ]


def test_the_exchange_is_also_found_under_arguments() -> None:
    login = parse_login(
        answer({"exchange": None, "arguments": {"exchange": {**EXCHANGE, "routingKey": "r"}}})
    )

    assert login.rabbitmq.exchange is not None
    assert (login.rabbitmq.exchange.name, login.rabbitmq.routing_key) == ("x", "r")


def test_the_exchange_may_be_absent_when_nothing_is_bound() -> None:
    assert parse_login(answer({"exchange": None, "unNeedBindExchange": True})).rabbitmq.exchange is None


def test_password_and_token_show_nowhere_but_on_the_wire() -> None:
    login = parse_login(answer())

    assert "CANARY" not in repr(login) + str(login) + str(login.model_dump())
    assert parse_login(login.encode()) == login
    assert login.token.get_secret_value() == "CANARY-token"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b'{"error": {"code": 5, "message": "no", "status": "X"}}', "the platform refused the login: 5 no"),
        (b'{"rabbitmq": {}}', "'token' is required"),
        (b'{"token": "CANARY"}', "'rabbitmq' is required"),
        (answer({"port": 0}), "'rabbitmq.port'"),
        (answer({"port": "a"}), "'rabbitmq.port' must be an integer or a numeric string"),
        (answer({"port": True}), "'rabbitmq.port' must be an integer or a numeric string"),
        (answer({"host": ""}), "'rabbitmq.host'"),
        (answer({"password": ["CANARY"]}), "'rabbitmq.password' must be a string"),
        (answer({"queue": None}), "'rabbitmq.queue' is required"),
        (answer({"exchange": None}), "'rabbitmq' needs an 'exchange' unless 'unNeedBindExchange' is true"),
        (answer({"exchange": {"name": "x"}}), "'rabbitmq.exchange.type' is required"),
        (answer(recordUploadPeriod=0), "'recordUploadPeriod'"),
        (answer(recordUploadReg=2), "'recordUploadReg'"),
        (b'{"code": 401, "message": "CANARY"}', "'token' is required"),
    ],
)
def test_an_unusable_answer_is_refused_and_names_the_field(body: bytes, says: str) -> None:
    with pytest.raises(SophonError) as caught:
        parse_login(body)

    assert caught.value.code is Code.REMOTE_DATA_FAILED
    assert says in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_platform_builds_an_answer_from_fields() -> None:
    login = LoginResponse.model_validate({"token": "t", "rabbitmq": {**RABBITMQ, "exchange": EXCHANGE}})

    assert orjson.loads(login.encode())["rabbitmq"]["password"] == "CANARY-password"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
def test_any_value_in_any_field_makes_a_login_or_a_refusal(data: st.DataObject) -> None:
    value = orjson.loads(answer(recordAddr="/a", imgServerAddr=""))
    place = data.draw(st.sampled_from([value, value["rabbitmq"], value["rabbitmq"]["exchange"]]))
    place[data.draw(st.sampled_from([*place, "vHost", "recordUploadPeriod", "arguments", "durable"]))] = (
        data.draw(JSON)
    )
    login = None

    with contextlib.suppress(SophonError):
        login = parse_login(json.dumps(value).encode())

    if login is not None:
        assert parse_login(login.encode()) == login

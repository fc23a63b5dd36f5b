"""The platform's answer to a login: everything a box needs to know about its two lines to the outside."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from sophon.contract.codes import ErrorResponse
from sophon.contract.json_body import read_object
from sophon.contract.message import CamelMessage, Flag, LooseInteger, Message, Port, Secret
from sophon.contract.problems import describe
from sophon.contract.urls import split_addresses
from sophon.errors import Code, SophonError

MAX_LOGIN_BYTES = 2**20


class Exchange(Message):
    """The exchange the command queue is bound to."""

    name: str
    type: str
    passive: Flag = False
    durable: Flag = True
    auto_delete: Flag = False
    arguments: dict[str, Any] | None = None
    routing_key: str | None = None


class RabbitMq(CamelMessage):
    """The broker, its two virtual hosts and its queues."""

    host: Annotated[str, Field(min_length=1)]
    port: Port
    login: str
    password: Secret
    queue: Annotated[str, Field(min_length=1)]
    v_host: str = "/"
    upload_v_host: str = "/"
    upload_queue: str | None = None
    fiqa_down_queue: str | None = None
    fiqa_upload_queue: str | None = None
    un_need_bind_exchange: Flag = False
    exchange: Exchange | None = None

    @model_validator(mode="before")
    @classmethod
    def _exchange_of_v2r1(cls, data: Any) -> Any:
        """V2R1's table draws the exchange under ``arguments``."""
        if not isinstance(data, dict) or data.get("exchange") is not None:
            return data
        arguments = data.get("arguments")
        if isinstance(arguments, dict) and arguments.get("exchange") is not None:
            return {**data, "exchange": arguments["exchange"]}
        return data

    @model_validator(mode="after")
    def _exchange_to_bind(self) -> RabbitMq:
        if self.exchange is None and not self.un_need_bind_exchange:
            raise ValueError("needs an 'exchange' unless 'unNeedBindExchange' is true")
        return self

    @property
    def routing_key(self) -> str:
        """The key that binds the command queue to the exchange."""
        given = self.exchange.routing_key if self.exchange else None
        return self.queue if given is None else given


Toggle = Annotated[LooseInteger, Field(ge=0, le=1)]
Period = Annotated[LooseInteger, Field(ge=1)]


class LoginResponse(CamelMessage):
    """A successful login; it replaces every parameter of the one before."""

    token: Secret
    message: str | None = None
    img_server_addr: str | None = None
    record_addr: str | None = None
    record_upload_period: Period = 5
    record_upload_reg: Toggle = 1
    record_upload_spot_pic: Toggle = 1
    record_upload_recognize_face: Toggle = 1
    device_list_info_addr: str | None = None
    device_info_addr: str | None = None
    device_monitor_addr: str | None = None
    device_monitor_period: Period = 20
    rabbitmq: RabbitMq

    @property
    def record_addresses(self) -> list[str]:
        """The receivers of pass records, as they were given: absolute or relative."""
        return split_addresses(self.record_addr or "")


def parse_login(body: bytes) -> LoginResponse:
    """Read the answer to a login.

    Raises:
        SophonError: REMOTE_DATA_FAILED, naming the field; never with the password or the token in it.
    """
    try:
        value = read_object(body, MAX_LOGIN_BYTES)
        if value.get("error") is not None:
            error = ErrorResponse.model_validate(value).error
            raise SophonError(
                Code.REMOTE_DATA_FAILED, f"the platform refused the login: {error.code} {error.message[:200]}"
            )
        return LoginResponse.model_validate(value)
    except ValidationError as problem:
        raise SophonError(Code.REMOTE_DATA_FAILED, f"the login's answer: {describe(problem)}") from None
    except ValueError as problem:
        raise SophonError(Code.REMOTE_DATA_FAILED, f"the login's answer {problem}") from None

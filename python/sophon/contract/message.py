"""What every message of the contract has in common: how it is read, how it is written, what ``null`` means."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, ClassVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    Strict,
    model_validator,
)
from pydantic.alias_generators import to_camel

#: Names that the wire spells in its own way. Everything else is the same here and there.
_WIRE_NAMES = {
    "failed_field": "faild_field",
    "message_id": "messageId",
    "message_key": "messageKey",
    "routing_key": "routingKey",
}


def _wire_name(name: str) -> str:
    return _WIRE_NAMES.get(name, name)


class Message(BaseModel):
    """A JSON object of the contract.

    Reading: unknown fields are ignored and ``null`` counts as absent. Writing: exactly the fields that were read or
    given are written, so that reading a message and writing it again loses nothing; a field left out at construction
    stays out.
    """

    model_config = ConfigDict(
        alias_generator=_wire_name,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    _takes_null: ClassVar[frozenset[str]] = frozenset()
    _keys: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        keys = [(name, field.alias or name, field.annotation) for name, field in cls.model_fields.items()]
        cls._keys = frozenset(key for name, alias, _ in keys for key in (name, alias))
        cls._takes_null = frozenset(
            key for name, alias, annotation in keys if _admits_none(annotation) for key in (name, alias)
        )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if cls.model_config.get("extra") == "allow":
            return {
                k: v for k, v in data.items() if v is not None or k in cls._takes_null or k not in cls._keys
            }
        return {k: data[k] for k in cls._keys if k in data and (data[k] is not None or k in cls._takes_null)}

    def to_wire(self) -> dict[str, Any]:
        """The message as plain JSON values, under the wire's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def encode(self) -> bytes:
        """The message as UTF-8 JSON."""
        return orjson.dumps(self.to_wire())


class CamelMessage(Message):
    """A message whose fields the wire spells in camelCase: the login and the device list."""

    model_config = ConfigDict(alias_generator=to_camel)


def _admits_none(annotation: Any) -> bool:
    if annotation is Any or annotation is type(None):
        return True
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_admits_none(part) for part in typing.get_args(annotation))
    return False


class NumericString(int):
    """An integer that came as a JSON string, as some platforms send it; it is written back as one."""


def _read_number(value: Any) -> Any:
    if isinstance(value, NumericString):
        return value
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 18:
        return NumericString(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be an integer or a numeric string")
    return value


Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
#: A number written back as it was read: 411 stays 411, and 255.0 stays 255.0.
Number = Annotated[int, Strict()] | Annotated[float, Strict()]
#: An integer, also as a numeric string.
LooseInteger = Annotated[
    int,
    PlainValidator(_read_number),
    PlainSerializer(lambda value: str(value) if isinstance(value, NumericString) else int(value)),
]
#: A string that never shows in ``repr`` or in an error, and is written to the wire only.
Secret = Annotated[
    SecretStr, Strict(False), PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")
]
Port = Annotated[LooseInteger, Field(ge=1, le=65535)]

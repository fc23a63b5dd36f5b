"""The six commands, from the bytes of a message to a typed object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sophon.contract.fiqa import FiqaLevel
from sophon.contract.ids import Id, has_control_characters
from sophon.contract.json_body import MAX_COMMAND_BYTES, bounded, read_object
from sophon.contract.message import Flag, Message, Number
from sophon.contract.people import Name, Person, RefusedPerson, read_person, read_wanted_id
from sophon.contract.problems import ContractError, describe
from sophon.errors import Code

MAX_METHOD_SHOWN = 64
MAX_ADDRESS_CHARACTERS = 8192
#: Entries of the longest list; four times what the largest promised gallery needs.
MAX_ENTRIES = 200_000


def _read_address(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) > MAX_ADDRESS_CHARACTERS:
            raise ValueError(f"must have at most {MAX_ADDRESS_CHARACTERS} characters")
        if has_control_characters(value):
            raise ValueError("must not hold control characters")
    return value


Address = Annotated[str, BeforeValidator(_read_address)]


class ExtendParams(Message):
    """Where details come from and where the result goes; fields beyond these are ignored."""

    path: Address | None = None
    notify_path: Address | None = None


class CommandMessage(Message):
    """What every command carries."""

    method: str
    message_id: Any = None
    extend_params: ExtendParams = ExtendParams()

    def to_wire(self) -> dict[str, Any]:
        """The command as plain JSON values; the fields that the contract requires are there even when left out here."""
        return {"method": self.method, "extend_params": {}, **super().to_wire()}

    @property
    def notify_path(self) -> str:
        """Where the result goes by HTTP; "" where it does not."""
        return self.extend_params.notify_path or ""

    @property
    def repeat_key(self) -> str | None:
        """What makes a repeated command recognisable, together with its bytes; None if it has no id (or an empty one)."""
        if self.message_id is None or self.message_id == "":
            return None
        return self.message_id if isinstance(self.message_id, str) else orjson.dumps(self.message_id).decode()


def _check_list(value: Any, of: str) -> None:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of {of}")
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"must have at most {MAX_ENTRIES} entries")


def _ids(value: Any) -> Any:
    """A list of ids as it was sent; ``null`` entries count as absent."""
    _check_list(value, "strings")
    ids = [entry for entry in value if entry is not None]
    if any(isinstance(entry, bool) or not isinstance(entry, (str, int)) for entry in ids):
        raise ValueError("must be a list of strings")
    return ids


#: Ids as they were sent: strings, or integers. Read them with `read_wanted_id`.
SentIds = Annotated[list[Any], BeforeValidator(_ids)]


def _people(value: Any) -> Any:
    _check_list(value, "persons")
    return [
        entry if isinstance(entry, (Person, RefusedPerson)) else read_person(entry, Code.PARAM_ERROR)
        for entry in value
    ]


class AddUsersPlus(CommandMessage):
    """Adds people, or overwrites those who exist."""

    method: Literal["add_users_plus"] = "add_users_plus"
    userid_list: SentIds | None = None
    user_info_list: Annotated[list[Any], BeforeValidator(_people)] | None = None

    @model_validator(mode="after")
    def _one_list(self) -> AddUsersPlus:
        if (self.userid_list is None) == (self.user_info_list is None):
            found = "neither" if self.userid_list is None else "both"
            raise ValueError(f"exactly one of 'userid_list' and 'user_info_list' is required, found {found}")
        if self.userid_list is not None and not self.extend_params.path:
            raise ValueError("'extend_params.path' is required with 'userid_list'")
        return self

    def entries(self) -> list[str | Person | RefusedPerson]:
        """Whom to add, each id once, in the command's order.

        An entry is an id whose details are to be fetched, a person, or someone refused already. Of an id given more
        than once, the last one counts.
        """
        if self.userid_list is not None:
            return _once([read_wanted_id(value) for value in self.userid_list])
        return _once(self.user_info_list or [])


class DeleteUsers(CommandMessage):
    """Deletes people with their faces and group bindings."""

    method: Literal["delete_users"] = "delete_users"
    userid_list: SentIds

    def entries(self) -> list[str | RefusedPerson]:
        """Whom to delete, each id once, in the command's order; an id that can't be one is refused already."""
        return _once([read_wanted_id(value) for value in self.userid_list])


class WipeOptions(Message):
    """What to erase. The result gives back the options as they were received, others too."""

    model_config = ConfigDict(extra="allow")

    users: Flag
    events: Flag


class WipeData(CommandMessage):
    """Erases the galleries, the recognition events, or both."""

    method: Literal["wipe_data"] = "wipe_data"
    wipe_options: WipeOptions


class PermissionInfo(Message):
    """A permission group's properties."""

    name: Name


class Permission(Message):
    """A permission group and its name."""

    id: Id
    info: PermissionInfo


@dataclass(frozen=True)
class RefusedPermission:
    """A permission group that breaks the contract; ``permission_id`` is what could be read of it, else ""."""

    permission_id: str
    detail: str


def _read_permission(value: Any) -> Permission | RefusedPermission:
    if isinstance(value, (Permission, RefusedPermission)):
        return value
    try:
        return Permission.model_validate(value)
    except ValidationError as error:
        raw = value.get("id") if isinstance(value, dict) else None
        readable = isinstance(raw, (str, int)) and not isinstance(raw, bool)
        return RefusedPermission(str(raw) if readable else "", describe(error))


def _permissions(value: Any) -> Any:
    _check_list(value, "objects {id, info: {name}}")
    return [_read_permission(entry) for entry in value]


class SyncPermissions(CommandMessage):
    """Sets permission groups' names."""

    method: Literal["sync_permissions"] = "sync_permissions"
    permissions_info_list: Annotated[list[Any], BeforeValidator(_permissions)]

    def entries(self) -> list[Permission | RefusedPermission]:
        """The groups, each id once, in the command's order; of an id given more than once, the last name counts."""
        return _once(self.permissions_info_list)


class FiqaRequest(Message):
    """The image to judge, as base64."""

    image_base64_str: str = Field(repr=False)
    fiqa_level: Literal["high", "custom", "middle", "low", "no", ""] | None = None


class Fiqa(CommandMessage):
    """Judges every face in an image."""

    method: Literal["fiqa"] = "fiqa"
    info: FiqaRequest

    @property
    def level(self) -> FiqaLevel:
        """The level to judge by; absent and empty mean ``high``."""
        return self.info.fiqa_level or "high"


class MatchSettings(Message):
    """Settings of the matching that a platform may change; scores × 100, as events show them."""

    support_stranger_group: Flag | None = None
    threshold: Annotated[Number, Field(ge=0, le=100)] | None = None
    threshold_range: Annotated[list[Number], Field(min_length=3, max_length=3)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> MatchSettings:
        if self.threshold_range is not None:
            low, best, high = self.threshold_range
            if not 0 <= low <= best <= high <= 100:
                raise ValueError(
                    "'threshold_range' must be [min, best, max] with 0 <= min <= best <= max <= 100"
                )
        return self


class ControlConfig(CommandMessage):
    """Changes the matching settings (a later version of the contract)."""

    method: Literal["control_config"] = "control_config"
    config_field: dict[str, Any]

    def settings(self) -> tuple[MatchSettings, dict[str, Any]]:
        """The settings that are usable, and the fields that are not, as they were sent."""
        usable: dict[str, Any] = {}
        unusable: dict[str, Any] = {}
        for field in MatchSettings.model_fields:
            value = self.config_field.get(field)
            if value is None:
                continue
            try:
                MatchSettings.model_validate({field: value})
            except ValidationError:
                unusable[field] = value
            else:
                usable[field] = value
        return MatchSettings.model_validate(usable), unusable


def _once(entries: list[Any]) -> list[Any]:
    """Each id once, at its first place, with its last value; entries without a readable id all stay."""
    once: dict[object, Any] = {}
    for position, entry in enumerate(entries):
        once[_id_of(entry) or position] = entry
    return list(once.values())


def _id_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Permission):
        return entry.id
    if isinstance(entry, RefusedPermission):
        return entry.permission_id
    return str(entry.identity_id)


Command = AddUsersPlus | DeleteUsers | WipeData | SyncPermissions | Fiqa | ControlConfig
COMMANDS: dict[str, type[Command]] = {
    "add_users_plus": AddUsersPlus,
    "delete_users": DeleteUsers,
    "wipe_data": WipeData,
    "sync_permissions": SyncPermissions,
    "fiqa": Fiqa,
    "control_config": ControlConfig,
}


class Envelope(BaseModel):
    """What a command is filed by, whatever its values are; they are checked when its turn comes."""

    model_config = ConfigDict(frozen=True)

    method: Any = None
    message_id: Any = Field(default=None, alias="messageId")


def read_envelope(body: bytes) -> Envelope:
    """Read what a command is filed by. Nothing else becomes an object of its own, least of all a photograph's text.

    Raises:
        ValueError: if the body is too large, or no JSON object.
    """
    return Envelope.model_validate_json(bounded(body, MAX_COMMAND_BYTES))


def parse_command(body: bytes) -> Command:
    """Read a command.

    Raises:
        ContractError: and nothing else, whatever the bytes are; with code 40071, what is wrong, and as much of
            ``method``, ``messageId`` and ``notify_path`` as could be read.
    """
    try:
        value = read_object(body, MAX_COMMAND_BYTES)
    except ValueError as error:
        raise ContractError(f"the message {error}") from None
    method = value.get("method")
    try:
        if method is None:
            raise ValueError("'method' is required")
        if not isinstance(method, str):
            raise ValueError("'method' must be a string")
        command = COMMANDS.get(method)
        if command is None:
            raise ValueError(f"unknown method {method[:MAX_METHOD_SHOWN]!r}; known: {', '.join(COMMANDS)}")
        return command.model_validate(value)
    except ValidationError as error:
        detail = f"{method}: {describe(error)}"
    except ValueError as error:
        detail = str(error)
    raise ContractError(
        detail,
        message_key=method if isinstance(method, str) else "",
        message_id=value.get("messageId"),
        notify_path=_readable_notify_path(value.get("extend_params")),
    )


def _readable_notify_path(extend_params: Any) -> str:
    try:
        return ExtendParams.model_validate(extend_params).notify_path or ""
    except ValidationError:
        return ""

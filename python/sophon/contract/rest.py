"""The bodies of the box's own HTTP API: what callers send, and what they get under ``data``."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from sophon.contract.fiqa import FaceQualityRecord, FiqaLevel
from sophon.contract.ids import Id, has_control_characters
from sophon.contract.message import Flag, Float, Integer, Message, Number
from sophon.contract.people import MAX_NAME_CHARACTERS, Name, PersonInfo

#: The kind of a validation error that is answered with 40012.
GROUP_NAME_ERROR = "group_name_error"
#: The longest base64 text of a photograph: 20 MiB of bytes, a prefix and line breaks.
MAX_PHOTO_CHARACTERS = 29 * 2**20
MAX_RECEIVERS = 16
MAX_URL_CHARACTERS = 2048
MAX_IDS = 50_000

T = TypeVar("T")


class Data(Message, Generic[T]):
    """The body of every successful call."""

    data: T


def _read_group_name(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value == "":
        raise PydanticCustomError(GROUP_NAME_ERROR, "must not be empty")
    if "," in value:
        raise PydanticCustomError(GROUP_NAME_ERROR, "must not hold a comma")
    if len(value) > MAX_NAME_CHARACTERS:
        raise PydanticCustomError(GROUP_NAME_ERROR, f"must have at most {MAX_NAME_CHARACTERS} characters")
    if has_control_characters(value):
        raise PydanticCustomError(GROUP_NAME_ERROR, "must not hold control characters")
    return value


#: The name of a gallery or permission group: not empty, no comma; anything else is answered with 40012.
GroupName = Annotated[
    str, BeforeValidator(_read_group_name, json_schema_input_type=str), Field(examples=["default_group"])
]


def _split_names(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


#: Several gallery names in one text, separated by commas.
GroupNames = Annotated[
    list[GroupName],
    BeforeValidator(_split_names, json_schema_input_type=str),
    Field(examples=["default_group,visitors"]),
]


def _without_own_fields(info: dict[str, Any]) -> dict[str, Any]:
    taken = sorted({"name", "description"} & info.keys())
    if taken:
        raise ValueError(
            f"must not hold {' or '.join(repr(key) for key in taken)}: they have fields of their own"
        )
    return info


GroupInfo = Annotated[dict[str, Any], AfterValidator(_without_own_fields)]


def _read_url(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if len(value) > MAX_URL_CHARACTERS or has_control_characters(value) or " " in value:
        raise ValueError(f"must be an address of at most {MAX_URL_CHARACTERS} printable characters")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// address with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password")
    return value


#: An absolute web address; whether it may be called is another question.
WebAddress = Annotated[
    str,
    BeforeValidator(_read_url, json_schema_input_type=str),
    Field(examples=["http://192.168.1.20:8080/events"]),
]
Photo = Annotated[str, Field(max_length=MAX_PHOTO_CHARACTERS, examples=["/9j/4AAQSkZJRg=="])]
Ids = Annotated[list[Id], Field(max_length=MAX_IDS, examples=[["E1001"]])]
ContentType = Literal["json", "form-data"]


# --- SophonMQ ---


class DevSnoRequest(Message):
    """The authorisation code that names this box to the platform."""

    dev_sno: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$", examples=["BOXA0001"])]


class LoginUrlRequest(Message):
    """Where the box logs in."""

    login_url: Annotated[WebAddress, Field(examples=["http://platform.example:8900/login"])]


class DevSno(Message):
    """Under both names that the documents show."""

    dev_sno: str
    response: str


class LoginUrl(Message):
    """Under both names that the documents show."""

    login_url: str
    response: str


class Response(Message):
    """The value as it was set."""

    response: str


# --- permission groups and galleries ---


class PermissionRequest(Message):
    """A permission group; POST and PUT. A PUT that leaves `info` out keeps what there is."""

    permission_name: GroupName
    description: Name
    info: GroupInfo | None = None


class GroupRequest(Message):
    """A gallery; POST and PUT. A PUT that leaves `info` out keeps what there is."""

    group_name: GroupName
    description: Name
    info: GroupInfo | None = None


class PermissionDeletion(Message):
    """Which permission group goes, and whether its people go with it."""

    permission_name: GroupName
    user_recursive_delete: Flag = False


class GroupDeletion(Message):
    """Which gallery goes, and whether its people go with it."""

    group_name: GroupName
    user_recursive_delete: Flag = False


class NamedInfo(Message):
    """A gallery or permission group, with the caller's own fields."""

    model_config = ConfigDict(extra="allow")

    name: str
    description: str


class NamedOne(Message):
    """The gallery or permission group as it is now."""

    info: NamedInfo


class PermissionsList(Message):
    """Permission groups."""

    permissions_list: list[NamedInfo]


class GroupsList(Message):
    """Galleries."""

    groups_list: list[NamedInfo]


class PermissionDeleted(Message):
    """V2R1 reads `group_name`, later versions `permission_name`: both hold the name."""

    permission_name: str
    group_name: str
    message: str


class GroupDeleted(Message):
    """The gallery that is gone."""

    group_name: str
    message: str


class GroupUsersRequest(Message):
    """People to put into a gallery, or to take out of it."""

    group_name: GroupName
    identity_id: Ids
    with_identity_id: Flag = False


class GroupUsers(Message):
    """The gallery, and if asked for, everybody in it now."""

    group_name: str
    message: str
    identity_id: list[str] | None = None


# --- people ---


class UserRequest(Message):
    """Someone to enrol."""

    identity_id: Annotated[Id, Field(examples=["E1001"])]
    reg_photo: Photo = Field(repr=False)
    group_name: GroupNames
    info: Annotated[PersonInfo, Field(examples=[{"name": "Ann", "type": 1, "permission_ids": ["0"]}])]
    ignore_exist: Flag = False
    create_no_exit_permission: Flag = False
    fiqa_level: FiqaLevel = "no"


class UserChange(Message):
    """What to change about someone: the photograph, or fields of `info`; those left out stay."""

    identity_id: Annotated[Id, Field(examples=["E1001"])]
    reg_photo: Photo | None = Field(default=None, repr=False)
    info: dict[str, Any] | None = None


class UserDeletion(Message):
    """Who goes."""

    identity_id: Annotated[Id, Field(examples=["E1001"])]


class UserInfo(PersonInfo):
    """What is known about a person, with the ids the box gave them."""

    user_id: str
    image_id: str
    description: str


class User(Message):
    """Someone enrolled."""

    identity_id: str
    reg_photo: str = Field(repr=False)
    group_name: list[str]
    info: UserInfo


class UsersList(Message):
    """People, by id."""

    identities_list: list[User]


class UserCreated(Message):
    """Someone who is enrolled now; `group_name` as it was sent."""

    identity_id: str
    reg_photo: str = Field(repr=False)
    group_name: str
    info: UserInfo


class UserChanged(Message):
    """Someone as they are now."""

    identity_id: str
    image_id: str
    group_name: list[str]
    info: UserInfo


class UserDeleted(Message):
    """Someone who is gone, and the galleries they were in."""

    identity_id: str
    group_name: list[str]
    message: str


# --- events and status ---


class ControllerMode(Message):
    """What a gate does by itself when someone is recognised."""

    controller_mode: Annotated[Literal["opendoor", "alarm", "avoid"], Field(examples=["opendoor"])] = (
        "opendoor"
    )


def _literal_address(value: str) -> str:
    ipaddress.ip_address(value)
    return value


class GateAction(Message):
    """One order to one gate; 255 seconds hold it open."""

    action_ip: Annotated[str, AfterValidator(_literal_address), Field(examples=["192.168.1.31"])]
    action_port: Annotated[Integer, Field(ge=1, le=65535, examples=[9000])]
    action_mode: Literal["opendoor", "closedoor", "alarm"]
    action_duration: Annotated[Integer, Field(ge=0, le=255)] = 5
    logic_port: Annotated[Integer, Field(ge=0, le=255)] = 0


class EventAction(Message):
    """Orders to gates."""

    action: Annotated[list[GateAction], Field(min_length=1, max_length=64)]


class EventActionDone(Message):
    """The orders were delivered."""

    message: str
    action_mode: str


class ReceiverSettings(Message):
    """What every receiver's settings have in common; the wire spells `content-type` with a hyphen."""

    content_type: Annotated[ContentType, Field(alias="content-type")]


class EventServerUrl(ReceiverSettings):
    """Who hears of recognitions as they happen."""

    event_server_url: Annotated[list[WebAddress], Field(max_length=MAX_RECEIVERS)]
    real_need_reg_pic: Flag = True


class HistoryEventUrl(ReceiverSettings):
    """Who gets every event, sooner or later; the period in seconds."""

    history_upload_event_url: Annotated[list[WebAddress], Field(max_length=MAX_RECEIVERS)]
    history_need_reg_pic: Flag = True
    reported_peroid: Annotated[Integer, Field(ge=20, le=86_400)] = 20


class HistoryEventUrlSet(HistoryEventUrl):
    """The settings as they are now."""

    message: str


class MonitorServerUrl(ReceiverSettings):
    """Who gets the box's status; the period in seconds."""

    content_type: Annotated[Literal["json"], Field(alias="content-type")]
    monitor_server_url: WebAddress
    reported_peroid: Annotated[Integer, Field(ge=1, le=86_400)] = 20


class MonitorServer(Message):
    """Who gets the box's status now; "" is nobody."""

    monitor_server_url: str
    reported_peroid: Integer


class WipeChoice(Message):
    """Both are needed, so that nothing is erased by a slip."""

    users: Annotated[Flag, Field(examples=[False])]
    events: Annotated[Flag, Field(examples=[True])]


class WipeRequest(Message):
    """What to erase; as the MQ command's options."""

    wipe_options: WipeChoice


# --- judging and comparing ---


class FiqaCall(Message):
    """An image to judge."""

    image_base64_str: Photo = Field(repr=False)
    fiqa_level: FiqaLevel = "high"


class PictureMatch(Message):
    """A picture to compare with a gallery."""

    rgb_image_base64: Photo | None = Field(default=None, repr=False)
    image_file_path: Annotated[str, Field(max_length=1024)] | None = None
    ir_image_base64: SkipJsonSchema[Photo | None] = Field(default=None, repr=False)
    group_name: GroupName = "default_group"
    permission_name: GroupName | None = None
    device_ip: Annotated[str, AfterValidator(_literal_address)] | None = None
    need_register_photo: Flag = False
    need_keep_info: Flag = False
    min_face_size: Annotated[Number, Field(ge=0, le=12_000)] = 0
    grab_fiqa_info: dict[str, Any] | None = None
    compare_time: Integer | None = None


class PictureMatched(Message):
    """Who the picture shows; `retcode` "0" and "stranger" if nobody we know."""

    retcode: Literal["0", "1"]
    score: Float
    identity_id: str
    name: str
    identity_info: dict[str, Any]
    reg_pic: str | None = Field(default=None, repr=False)


FaceQualityRecords = list[FaceQualityRecord]

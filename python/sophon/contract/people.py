"""People as the platform sends them, inside a command or as the answer to a fetch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sophon.contract.codes import ErrorResponse
from sophon.contract.fiqa import FiqaLevel
from sophon.contract.ids import Id, has_control_characters, read_id
from sophon.contract.json_body import read_object
from sophon.contract.message import Integer, Message
from sophon.contract.problems import describe
from sophon.errors import Code, SophonError

PhotoField = Literal["reg_photo", "reg_url", "relative_pic_url"]
PHOTO_FIELDS: tuple[PhotoField, ...] = ("reg_photo", "reg_url", "relative_pic_url")
MAX_NAME_CHARACTERS = 256
MAX_PEOPLE_ANSWER_BYTES = 32 * 2**20

DEFAULT_PERMISSION_IDS = ("0",)


def _read_name(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) > MAX_NAME_CHARACTERS:
            raise ValueError(f"must have at most {MAX_NAME_CHARACTERS} characters")
        if has_control_characters(value):
            raise ValueError("must not hold control characters")
    return value


#: A name for people to read; "" is a name too.
Name = Annotated[str, BeforeValidator(_read_name)]


class PersonInfo(Message):
    """What is known about a person; fields beyond these are the platform's own and are kept as they are."""

    model_config = ConfigDict(extra="allow")

    name: Name
    type: Annotated[Integer, Field(ge=1, le=5)] = 1
    permission_ids: list[Id] = Field(default_factory=lambda: list(DEFAULT_PERMISSION_IDS))

    @property
    def custom(self) -> dict[str, Any]:
        """The platform's own fields."""
        return dict(self.model_extra or {})


class Person(Message):
    """Someone to enrol, with exactly one way to the photograph."""

    identity_id: Id
    reg_photo: str | None = Field(default=None, repr=False)
    reg_url: str | None = Field(default=None, repr=False)
    relative_pic_url: str | None = Field(default=None, repr=False)
    register_type: Annotated[Integer, Field(ge=1, le=2)] = 1
    fiqa_level: FiqaLevel | None = None
    info: PersonInfo

    @model_validator(mode="after")
    def _one_photo(self) -> Person:
        given = [name for name in PHOTO_FIELDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"give exactly one of reg_photo, reg_url, relative_pic_url (found: {found})")
        return self

    @property
    def name(self) -> str:
        """The person's name."""
        return self.info.name

    @property
    def quality_level(self) -> FiqaLevel:
        """The level the photograph must pass: ``fiqa_level`` if given, else by ``register_type``."""
        return self.fiqa_level or ("high" if self.register_type == 1 else "custom")


@dataclass(frozen=True)
class RefusedPerson:
    """A person who fails before anything was tried: the object breaks the contract, or never came.

    ``identity_id`` and ``name`` are what could be read of them, else "".
    """

    identity_id: str
    name: str
    code: Code
    detail: str


def read_person(value: Any, code: Code) -> Person | RefusedPerson:
    """One person object; what breaks the contract becomes a refusal with ``code`` instead of an exception."""
    try:
        return Person.model_validate(value)
    except ValidationError as error:
        return RefusedPerson(_readable_id(value), _readable_name(value), code, describe(error))


def _readable_id(value: Any) -> str:
    raw = value.get("identity_id") if isinstance(value, dict) else None
    return str(raw) if isinstance(raw, (str, int)) and not isinstance(raw, bool) else ""


def _readable_name(value: Any) -> str:
    info = value.get("info") if isinstance(value, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) else ""


def read_wanted_id(value: str | int) -> str | RefusedPerson:
    """One id of a list of ids, or why it can't be one."""
    try:
        return read_id(value)
    except ValueError as error:
        return RefusedPerson(str(value), "", Code.PARAM_ERROR, f"the id {error}")


class UserIdList(Message):
    """The body that asks the platform for people."""

    userid_list: list[str]


class UserList(Message):
    """The people of an answer."""

    user_list: list[Any]


class UserDetails(Message):
    """The platform's answer to a fetch of people."""

    data: UserList

    def people(self) -> list[Person | RefusedPerson]:
        """Everybody in the answer, in its order; who breaks the contract is refused with 50074."""
        return [read_person(value, Code.REMOTE_DATA_FAILED) for value in self.data.user_list]

    @classmethod
    def of(cls, people: Iterable[Person]) -> UserDetails:
        """The answer that carries these people."""
        return cls(data=UserList(user_list=[person.to_wire() for person in people]))


def parse_people(body: bytes, asked: Sequence[str]) -> dict[str, Person | RefusedPerson]:
    """The people who were asked for, in that order; who is missing in the answer is refused with 50074.

    Raises:
        SophonError: REMOTE_DATA_FAILED if the answer as a whole is an error or unusable.
    """
    try:
        value = read_object(body, MAX_PEOPLE_ANSWER_BYTES)
        if value.get("error") is not None:
            error = ErrorResponse.model_validate(value).error
            raise SophonError(
                Code.REMOTE_DATA_FAILED,
                f"the platform refused to give the people: {error.code} {error.message[:200]}",
            )
        details = UserDetails.model_validate(value)
    except ValidationError as error:
        raise SophonError(Code.REMOTE_DATA_FAILED, f"the platform's answer: {describe(error)}") from None
    except ValueError as error:
        raise SophonError(Code.REMOTE_DATA_FAILED, f"the platform's answer {error}") from None
    found = {person.identity_id: person for person in details.people()}
    return {identity_id: found.get(identity_id) or _missing(identity_id) for identity_id in asked}


def _missing(identity_id: str) -> RefusedPerson:
    return RefusedPerson(
        identity_id, "", Code.REMOTE_DATA_FAILED, "the platform's answer does not hold this person"
    )

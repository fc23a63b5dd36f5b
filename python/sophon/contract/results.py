"""The answer to each command."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from sophon.contract import texts
from sophon.contract.commands import CommandMessage, Permission, RefusedPermission, WipeOptions
from sophon.contract.fiqa import FaceQualityRecord
from sophon.contract.json_body import read_object
from sophon.contract.message import Flag, Integer, Message
from sophon.contract.people import RefusedPerson
from sophon.contract.problems import ContractError, describe
from sophon.errors import Code, SophonError

MAX_RESULT_BYTES = 64 * 2**20


class PersonOutcome(Message):
    """What became of one person of a command; ``username`` belongs to add_users_plus only."""

    userid: str
    username: str | None = None
    message: str
    code: Integer
    detail: str | None = None

    @classmethod
    def added(cls, userid: str, username: str, detail: str | None = None) -> PersonOutcome:
        """The person is enrolled; ``detail`` says what is remarkable about it."""
        outcome = cls(userid=userid, username=username, message=texts.PERSON_ADDED, code=0)
        return outcome if detail is None else outcome.model_copy(update={"detail": detail})

    @classmethod
    def not_added(
        cls, userid: str, username: str, code: Code, detail: str, failed_items: tuple[str, ...] = ()
    ) -> PersonOutcome:
        """The person is not enrolled; ``failed_items`` are the FIQA items that failed."""
        return cls(
            userid=userid,
            username=username,
            message=texts.failure(code, failed_items),
            code=int(code),
            detail=detail,
        )

    @classmethod
    def refused(cls, person: RefusedPerson) -> PersonOutcome:
        """The person was refused before anything was tried."""
        return cls.not_added(person.identity_id, person.name, person.code, person.detail)

    @classmethod
    def deleted(cls, userid: str) -> PersonOutcome:
        """The person is gone."""
        return cls(userid=userid, message=texts.PERSON_DELETED, code=0)

    @classmethod
    def not_deleted(
        cls, userid: str, code: Code = Code.ID_NOT_FOUND, detail: str = "no such id"
    ) -> PersonOutcome:
        """There was nobody to delete, or the id can't be one."""
        return cls(userid=userid, message=texts.PERSON_NOT_DELETED, code=int(code), detail=detail)


class PeopleResult(Message):
    """Of add_users_plus and delete_users: every id of the command, in one of the two lists, in its order."""

    success_users: list[PersonOutcome]
    failed_users: list[PersonOutcome]

    @classmethod
    def of(cls, outcomes: list[PersonOutcome]) -> PeopleResult:
        """Sort outcomes, given in the command's order, into the two lists."""
        return cls(
            success_users=[outcome for outcome in outcomes if outcome.code == 0],
            failed_users=[outcome for outcome in outcomes if outcome.code != 0],
        )


class PermissionOutcome(Message):
    """What became of one permission group of a command."""

    permission_id: str
    permission_name: str
    message: str
    code: Integer
    detail: str | None = None

    @classmethod
    def synced(cls, permission: Permission) -> PermissionOutcome:
        """The group has its name."""
        return cls(
            permission_id=permission.id,
            permission_name=permission.info.name,
            message=texts.PERMISSION_SYNCED,
            code=0,
        )

    @classmethod
    def refused(cls, permission: RefusedPermission) -> PermissionOutcome:
        """The group's entry breaks the contract."""
        return cls(
            permission_id=permission.permission_id,
            permission_name="",
            message=texts.failure(Code.PARAM_ERROR),
            code=int(Code.PARAM_ERROR),
            detail=permission.detail,
        )


class SyncPermissionsResult(Message):
    """Of sync_permissions."""

    success_permission: list[PermissionOutcome]
    failed_permission: list[PermissionOutcome]

    @classmethod
    def of(cls, outcomes: list[PermissionOutcome]) -> SyncPermissionsResult:
        """Sort outcomes, given in the command's order, into the two lists."""
        return cls(
            success_permission=[outcome for outcome in outcomes if outcome.code == 0],
            failed_permission=[outcome for outcome in outcomes if outcome.code != 0],
        )


class WipeDataResult(Message):
    """Of wipe_data: the options as they were received."""

    wipe_options: WipeOptions


class FiqaResult(Message):
    """Of fiqa: one record per face, largest face first."""

    data: list[FaceQualityRecord]


class ControlConfigResult(Message):
    """Of control_config: fields with their values, as far as they were taken and as far as not."""

    success_field: dict[str, Any]
    failed_field: dict[str, Any]


class NoResult(Message):
    """The ``{}`` of a command that failed as a whole."""


R = TypeVar("R", bound=Message)


class Result(Message, Generic[R]):
    """The answer to a command; ``message_id`` only if the command had one, ``detail`` only on failure."""

    success: Flag
    code: Integer
    message: str
    detail: str | None = None
    dev_sno: str
    message_key: str
    message_id: Any = None
    result: R


AnyResult = (
    Result[PeopleResult]
    | Result[WipeDataResult]
    | Result[SyncPermissionsResult]
    | Result[FiqaResult]
    | Result[ControlConfigResult]
    | Result[NoResult]
)

_RESULT_OF: dict[str, type[AnyResult]] = {
    "add_users_plus": Result[PeopleResult],
    "delete_users": Result[PeopleResult],
    "wipe_data": Result[WipeDataResult],
    "sync_permissions": Result[SyncPermissionsResult],
    "fiqa": Result[FiqaResult],
    "control_config": Result[ControlConfigResult],
}


def succeeded(command: CommandMessage, dev_sno: str, result: R) -> Result[R]:
    """The answer to a command that was carried out, also when single people in it failed."""
    return Result[R](
        success=True,
        code=0,
        message=texts.COMMAND_DONE[command.method],
        dev_sno=dev_sno,
        message_key=command.method,
        result=result,
        **_message_id(command.message_id),
    )


def failed(command: CommandMessage | ContractError, dev_sno: str, error: SophonError) -> Result[NoResult]:
    """The answer to a command that failed as a whole, or that could not even be read."""
    return Result[NoResult](
        success=False,
        code=int(error.code),
        message=texts.failure(error.code),
        detail=str(error),
        dev_sno=dev_sno,
        message_key=command.message_key if isinstance(command, ContractError) else command.method,
        result=NoResult(),
        **_message_id(command.message_id),
    )


def _message_id(message_id: Any) -> dict[str, Any]:
    return {} if message_id is None else {"message_id": message_id}


def parse_result(body: bytes) -> AnyResult:
    """Read a result, as a platform does.

    Raises:
        ContractError: if it breaks the contract.
    """
    try:
        value = read_object(body, MAX_RESULT_BYTES)
        kind = _RESULT_OF.get(str(value.get("messageKey"))) if value.get("success") else Result[NoResult]
        if kind is None:
            raise ValueError(f"'messageKey' is no method: {value.get('messageKey')!r}")
        return kind.model_validate(value)
    except ValidationError as error:
        raise ContractError(f"the result: {describe(error)}") from None
    except ValueError as error:
        raise ContractError(f"the result {error}") from None

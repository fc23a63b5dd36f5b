"""What is wrong with a message from outside, in one English sentence that names the field."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sophon.errors import Code, SophonError

_MUST = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


class ContractError(SophonError):
    """A message breaks the contract: its envelope is unusable, and nothing was changed.

    Attributes:
        message_key: the command's ``method`` as far as it could be read, else "".
        message_id: the command's ``messageId`` as it was sent (any JSON value), or None.
        notify_path: where an answer by HTTP goes, as far as it could be read, else "".
    """

    def __init__(
        self,
        detail: str,
        *,
        code: Code = Code.PARAM_ERROR,
        message_key: str = "",
        message_id: Any = None,
        notify_path: str = "",
    ) -> None:
        super().__init__(code, detail)
        self.message_key = message_key
        self.message_id = message_id
        self.notify_path = notify_path


def describe(error: ValidationError) -> str:
    """The first problem of a failed validation: ``'info.name' is required``."""
    problem = error.errors(include_url=False, include_input=False)[0]
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "value_error":
        must = str(context["error"])
    elif kind in _MUST:
        must = _MUST[kind]
    elif kind == "literal_error":
        must = f"must be {context['expected']}"
    else:
        message = problem["msg"]
        must = message[0].lower() + message[1:]
        must = must.replace("input should", "must")
    field = _path(problem["loc"])
    return f"'{field}' {must}" if field else must


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path

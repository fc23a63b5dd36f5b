"""A command's result, for people to read or as JSON."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sophon.contract import (
    AnyResult,
    ControlConfigResult,
    FiqaResult,
    PeopleResult,
    SyncPermissionsResult,
    WipeDataResult,
)


def print_result(result: AnyResult, as_json: bool = False, title: str = "") -> None:
    """Print one result; ``title`` is what the command was about, for people to read."""
    if as_json:
        typer.echo(result.encode())
        return
    console = Console(highlight=False)
    colour = "green" if result.success else "red"
    console.print(
        f"[bold {colour}]{escape(result.message_key or '?')}[/] {result.code} {escape(result.message)} {escape(title)}"
    )
    if result.detail:
        console.print(f"  {escape(result.detail)}")
    table = _table(result)
    if table is not None and table.row_count:
        console.print(table)


def succeeded_wholly(result: AnyResult) -> bool:
    """Whether the command succeeded with everything in it."""
    content = result.result
    if isinstance(content, PeopleResult):
        return result.success and not content.failed_users
    if isinstance(content, SyncPermissionsResult):
        return result.success and not content.failed_permission
    if isinstance(content, ControlConfigResult):
        return result.success and not content.failed_field
    return result.success


def _table(result: AnyResult) -> Table | None:
    content = result.result
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    if isinstance(content, PeopleResult):
        _head(table, "id", "name", "code", "message", "detail")
        for user in (*content.success_users, *content.failed_users):
            _row(table, user.userid, user.username, user.code, user.message, user.detail)
    elif isinstance(content, SyncPermissionsResult):
        _head(table, "id", "name", "code", "message", "detail")
        for group in (*content.success_permission, *content.failed_permission):
            _row(table, group.permission_id, group.permission_name, group.code, group.message, group.detail)
    elif isinstance(content, FiqaResult):
        _head(table, "box", "good", "score", "failed", "values")
        for face in content.data:
            values = ", ".join(
                f"{item} {value}"
                for item, value in face.info.to_wire().items()
                if not isinstance(value, dict)
            )
            good = "yes" if face.fiqa_result else "no"
            _row(table, face.bbox, good, f"{face.score:.3f}", ", ".join(face.fails), values)
    elif isinstance(content, ControlConfigResult):
        _head(table, "setting", "value", "taken")
        for name, value in content.success_field.items():
            _row(table, name, value, "yes")
        for name, value in content.failed_field.items():
            _row(table, name, value, "no")
    elif isinstance(content, WipeDataResult):
        _head(table, "erased", "")
        for name, value in content.wipe_options.to_wire().items():
            _row(table, name, "yes" if value else "no")
    else:
        return None
    return table


def _head(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, style="dim" if name in ("detail", "values") else None)


def _row(table: Table, *cells: object) -> None:
    table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))

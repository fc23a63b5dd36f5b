"""`sophon inbox`: the operator's view of commands, and a hand for those that were set aside."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from sophon.cli.box_data import AsJson, DataDir, local_time, note_deed, open_store, print_json
from sophon.config import DEFAULT_DATA_DIR
from sophon.errors import Code, SophonError
from sophon.store import InboxRow, State

app = typer.Typer(
    no_args_is_help=True, help="Look at the commands a box has taken in; retry or drop those set aside."
)

Seq = Annotated[int, typer.Argument(help="The command's number, as `sophon inbox list` shows it.")]

_CONTENT_SHOWN = 2000


@app.command("list")
def list_commands(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    every: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the commands that are not done or were set aside, newest first."""
    states = set(State) if every else set(State) - {State.DONE}
    with open_store(data_dir) as store, store.read() as snapshot:
        rows = snapshot.inbox.newest_first(sorted(states, key=lambda state: state.value), limit)
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    table = Table("seq", "method", "state", "code", "received", "attempts", "reason")
    for row in rows:
        table.add_row(
            str(row.seq),
            row.method,
            row.state.value,
            "" if row.code is None else str(row.code),
            local_time(row.received_at),
            str(row.attempts),
            row.reason,
        )
    Console().print(table)


@app.command()
def show(seq: Seq, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show one command: what is known of it, and the beginning of its content as far as it is kept."""
    with open_store(data_dir) as store, store.read() as snapshot:
        row = _existing(snapshot.inbox.by_seq(seq), seq)
        body, result = snapshot.inbox.body(seq), snapshot.inbox.result(seq)
    plain = _plain(row)
    plain["content"] = body[:_CONTENT_SHOWN].decode(errors="replace")
    plain["content_bytes"] = len(body)
    plain["result"] = orjson.loads(result) if result else None
    if as_json:
        print_json(plain)
        return
    for name, value in plain.items():
        typer.echo(f"{name}: {value}")


@app.command()
def retry(seq: Seq, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Carry out a command that was set aside after all; a running box takes it up at once."""
    with open_store(data_dir) as store, store.write() as transaction:
        row = _existing(transaction.inbox.by_seq(seq), seq)
        if row.state is not State.DEAD:
            raise SophonError(Code.BAD_REQUEST, f"command {seq} was not set aside, it is {row.state.value}")
        if hashlib.sha256(transaction.inbox.body(seq)).digest() != row.body_sha256:
            raise SophonError(
                Code.BAD_REQUEST, f"command {seq} can't be tried again: its content is not kept"
            )
        transaction.inbox.reopen(seq)
    note_deed(data_dir, "inbox retry")
    typer.echo(f"command {seq} will be carried out")


@app.command()
def drop(seq: Seq, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Forget a command that was set aside or is done, with what is kept of its content."""
    with open_store(data_dir) as store:
        with store.write() as transaction:
            row = _existing(transaction.inbox.by_seq(seq), seq)
            if row.state not in (State.DEAD, State.DONE):
                raise SophonError(
                    Code.BAD_REQUEST,
                    f"command {seq} is {row.state.value}; only one set aside or done can be dropped",
                )
            transaction.inbox.delete(seq)
        store.scrub()
    note_deed(data_dir, "inbox drop")
    typer.echo(f"command {seq} is dropped")


def _existing(row: InboxRow | None, seq: int) -> InboxRow:
    if row is None:
        raise SophonError(Code.NOT_FOUND, f"there is no command {seq}; see: sophon inbox list --all")
    return row


def _plain(row: InboxRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "method": row.method,
        "message_id": None if row.message_id is None else orjson.loads(row.message_id),
        "state": row.state.value,
        "code": row.code,
        "reason": row.reason,
        "attempts": row.attempts,
        "received_at": row.received_at,
        "finished_at": row.finished_at,
    }

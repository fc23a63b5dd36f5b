"""`sophon token`: who may call the HTTP API."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from sophon.cli.box_data import AsJson, DataDir, note_deed
from sophon.config import DEFAULT_DATA_DIR
from sophon.store import Store
from sophon.tokens import Role, all_tokens, new_token, revoke_token

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens of the HTTP API.")


@app.command()
def new(
    role: Annotated[
        Role,
        typer.Option(help="admin: everything; device: handing in pictures; viewer: reading."),
    ] = Role.ADMIN,
    name: Annotated[str, typer.Option(help="What it is for.", metavar="TEXT")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it, this once: the box keeps its hash only. It counts at once, also on a running box."""
    with Store(data_dir, exclusive=False) as store, store.write() as transaction:
        record, token = new_token(transaction, role, name)
    note_deed(data_dir, "token new")
    if as_json:
        sys.stdout.write(orjson.dumps({"id": record.id, "role": role.value, "token": token}).decode() + "\n")
    else:
        typer.echo(token)


@app.command("list")
def list_(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List the tokens: id, role, name, and since when; never the token itself."""
    with Store(data_dir, exclusive=False) as store, store.read() as snapshot:
        records = all_tokens(snapshot)
    if as_json:
        listed = [record.model_dump(mode="json", exclude={"sha256"}) for record in records]
        sys.stdout.write(orjson.dumps(listed).decode() + "\n")
        return
    table = Table("id", "role", "name", "made")
    for record in records:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created_at))
        table.add_row(record.id, record.role.value, record.name, made)
    Console().print(table)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id, as `sophon token list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Revoke a token; a running box refuses it within a second."""
    with Store(data_dir, exclusive=False) as store, store.write() as transaction:
        record = revoke_token(transaction, token_id)
    note_deed(data_dir, "token revoke")
    typer.echo(f"revoked: {record.id} ({record.role.value}) {record.name}".rstrip())

"""`sophon audit`: who did what to a box."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sophon.audit import AuditLog
from sophon.cli.box_data import AsJson, DataDir, local_time, print_json
from sophon.config import DEFAULT_DATA_DIR


def audit(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """List who did what, when, and how it ended, newest first: by the API, the platform, or the command line.

    It says how many people something was done to, never to whom.
    """
    deeds = AuditLog(data_dir).newest_first(limit)
    if as_json:
        print_json([deed.model_dump() for deed in deeds])
        return
    table = Table("when", "who", "from", "what", "code", "how many")
    for deed in deeds:
        counts = ", ".join(f"{name} {number}" for name, number in deed.counts.items())
        table.add_row(
            local_time(int(deed.at * 1000)), deed.who, deed.address, deed.what, str(deed.code), counts
        )
    Console().print(table)

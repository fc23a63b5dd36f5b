"""`sophon doctor`: what this installation is made of, and what is wrong with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from sophon.doctor import Finding, diagnose


def doctor(
    data_dir: Annotated[
        Path,
        typer.Option(envvar="SOPHON_DATA_DIR", help="The box's data folder, whose disk is looked at."),
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which core, kernels, libraries, models, broker and disk this box runs with, and what is wrong.

    Exit status 1 if something is wrong.
    """
    findings = list(diagnose(data_dir.absolute()))
    problems = [finding for finding in findings if finding.problem]
    if as_json:
        typer.echo(orjson.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        _print(findings, problems)
    if problems:
        raise typer.Exit(1)


def _print(findings: list[Finding], problems: list[Finding]) -> None:
    console = Console(highlight=False)
    table = Table("", "", "", box=None, show_header=False, padding=(0, 1))
    topic = ""
    for finding in findings:
        value = f"[red]{finding.problem}[/red]" if finding.problem else finding.value
        shown = "" if finding.topic == topic else finding.topic
        table.add_row(f"[bold]{shown}[/bold]", finding.subject, value)
        topic = finding.topic
    console.print(table)
    count = len(problems)
    verdict = (
        f"[red]{count} thing{'s' if count > 1 else ''} wrong[/red]" if count else "[green]all is well[/green]"
    )
    console.print(verdict)

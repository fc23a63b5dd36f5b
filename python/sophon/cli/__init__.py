"""The command line: one file per command in this folder, assembled here."""

from __future__ import annotations

import sys

import typer

from sophon import __version__
from sophon.cli import doctor, models
from sophon.errors import SophonError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold a password or a face
)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def sophon(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Edge face recognition: enrol people, recognise them, judge photographs, run the box."""


def main() -> None:
    """Run the command line; a SophonError ends it with status 1 and one clear sentence."""
    try:
        app()
    except SophonError as error:
        typer.secho(f"sophon: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)

"""The command line: one file per command in this folder, assembled here."""

from __future__ import annotations

import sys

import typer

from sophon import __version__
from sophon.cli import (
    audit,
    backup,
    calibrate,
    doctor,
    enroll,
    events,
    fiqa,
    inbox,
    models,
    search,
    status,
    token,
    verify_erased,
)
from sophon.errors import Code, SophonError


def _without_server(missing: ModuleNotFoundError, *commands: str) -> None:
    """Let commands whose libraries are not installed say so."""
    if (missing.name or "").startswith("sophon"):
        raise missing

    def say_what_is_missing() -> None:
        raise SophonError(
            Code.NOT_IMPLEMENTED,
            f"{missing.name} is not installed; get the server's libraries: pip install 'sophon[server]'",
        )

    anything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    for command in commands:
        app.command(command, help="Needs: pip install 'sophon\\[server]'", context_settings=anything)(
            say_what_is_missing
        )


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold a password or a face
)
app.command("doctor")(doctor.doctor)
app.command("enroll")(enroll.enroll)
app.command("search")(search.search)
app.command("fiqa")(fiqa.fiqa)
app.command("calibrate")(calibrate.calibrate_command)
app.add_typer(models.app, name="models")
app.command("status")(status.status)
app.add_typer(inbox.app, name="inbox")
app.add_typer(events.app, name="events")
app.add_typer(token.app, name="token")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("audit")(audit.audit)
app.command("verify-erased")(verify_erased.verify_erased)
try:
    from sophon.cli import demo, devices, platform, run, tls
except ModuleNotFoundError as missing:  # the engine alone is installed
    _without_server(missing, "demo", "devices", "platform", "run", "tls")
else:
    app.command("demo")(demo.demo)
    app.add_typer(devices.app, name="devices")
    app.add_typer(platform.app, name="platform")
    app.command("run")(run.run)
    app.add_typer(tls.app, name="tls")


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

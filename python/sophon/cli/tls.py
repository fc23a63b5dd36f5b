"""`sophon tls`: certificates of the HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sophon.cli.box_data import AsJson, print_json
from sophon.self_signed import make_certificate, own_names

app = typer.Typer(no_args_is_help=True, help="Make a certificate for the HTTP API.")


@app.callback()
def _tls() -> None:
    pass


@app.command("self-signed")
def self_signed(
    folder: Annotated[Path, typer.Argument(help="Where certificate.pem and key.pem go.")],
    name: Annotated[
        list[str] | None,
        typer.Option(help="A further name or address of the box; may be repeated.", metavar="NAME"),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 825,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key and a certificate that signs itself, for the box's host name and its addresses.

    Give certificate.pem to whoever calls (`sophon.Client(..., ca_file=...)`), or let them compare the fingerprint.
    """
    made = make_certificate(folder, own_names(name or ()), days, replace=replace)
    if as_json:
        print_json(
            {
                "certificate": str(made.certificate),
                "key": str(made.key),
                "names": made.names,
                "valid_until": made.valid_until.isoformat(timespec="seconds"),
                "sha256": made.fingerprint,
            }
        )
        return
    typer.echo(f"valid for {', '.join(made.names)}")
    typer.echo(f"until {made.valid_until:%Y-%m-%d}; SHA-256 fingerprint:\n{made.fingerprint}")
    typer.echo("In the box's configuration:")
    typer.echo(f'http_tls_certificate = "{made.certificate.resolve()}"')
    typer.echo(f'http_tls_key = "{made.key.resolve()}"')

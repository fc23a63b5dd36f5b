"""`sophon doctor`: what this installation is made of, and what is wrong with it."""

from __future__ import annotations

import typer

from sophon import _core


def doctor() -> None:
    """Say which core, kernels, models, broker and disk this box runs with, and what is wrong."""
    typer.echo(f"core {_core.version()}, kernels {_core.chosen_isa()} of {', '.join(_core.usable_isas())}")

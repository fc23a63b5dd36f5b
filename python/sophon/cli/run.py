"""`sophon run`: the box as a daemon."""

from __future__ import annotations

import os
import signal
import sys
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sophon.allocator import give_memory_back
from sophon.config import example as example_config
from sophon.config import load_settings
from sophon.errors import ConfigError
from sophon.logs import configure_logs

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: starting again won't help


class Only(str, Enum):
    """A part of the box that may run alone."""

    FIQA = "fiqa"


def run(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The configuration file (TOML); the environment's SOPHON_<KEY> wins over it.",
        ),
    ] = None,
    only: Annotated[
        Only | None,
        typer.Option(help="Answer fiqa commands only, as one of several workers that share the queue."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many fiqa commands to answer at once.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example-config", help="Print every setting as commented TOML and exit.")
    ] = False,
) -> None:
    """Run the box: log in to the platform, take commands from RabbitMQ, answer them.

    Prints `ready` when it takes commands in. SIGTERM ends it in order. Exit status 78: the configuration is wrong.
    """
    if example:
        typer.echo(example_config())
        return
    # Loading the networks' runtime takes a second that `sophon --help` need not wait for.
    from sophon.daemon import Daemon

    try:
        settings = load_settings(config)
        if workers is not None:
            settings = settings.model_copy(update={"fiqa_workers": workers})
        configure_logs(settings.log_level, settings.log_format)
        give_memory_back()
        daemon = Daemon(settings, only_fiqa=only is Only.FIQA)

        def end(_signal: int, _frame: FrameType | None) -> None:
            daemon.stop()
            # Whoever asks twice does not want to wait.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        daemon.run(lambda: print("ready", flush=True))  # noqa: T201 - the promised line
    except ConfigError as error:
        typer.secho(f"sophon: {error}", fg=typer.colors.RED, err=True)
        sys.exit(EXIT_CONFIG)
    # Every thread that owns something is joined; one that hangs in a call to a dead peer is not waited for.
    sys.stdout.flush()
    os._exit(0)

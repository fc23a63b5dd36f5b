"""Keeps the box logged in to its platform: again and again until it works, and whenever that may help."""

from __future__ import annotations

import threading
from types import TracebackType

import structlog

from sophon.contract import LoginResponse
from sophon.errors import SophonError
from sophon.platform import Pauses, PlatformClient

# However often the broker refuses, the platform is not asked for other parameters more often than this.
LOGIN_AGAIN_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class LoginKeeper:
    """A thread that logs in when asked; ``latest`` is what the platform said last."""

    def __init__(self, platform: PlatformClient) -> None:
        self._platform = platform
        self._latest: LoginResponse | None = None
        self._problem = "not logged in yet"
        self._wanted = threading.Event()
        self._at_once = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="login", daemon=True)

    @property
    def latest(self) -> LoginResponse | None:
        """The newest successful login, also of those the platform client made by itself; None before the first."""
        return self._latest

    @property
    def problem(self) -> str:
        """Why the last login failed; "" after a success."""
        return self._problem

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to log in."""
        self._wanted.set()
        self._thread.start()

    def take(self, login: LoginResponse) -> None:
        """Hear of a successful login."""
        self._latest = login
        self._problem = ""
        _log.info("logged in", message=login.message or "")

    def ask_again(self, reason: str) -> None:
        """Log in again soon: what the last login named does not work."""
        if not self._wanted.is_set():
            _log.warning("logging in again", reason=reason)
            self._wanted.set()

    def log_in_now(self, reason: str) -> None:
        """Log in at once: the platform or the code is another."""
        _log.info("logging in again", reason=reason)
        self._wanted.set()
        self._at_once.set()

    def close(self) -> None:
        """End the thread; a call under way is left to itself."""
        self._stopping.set()
        self._at_once.set()
        self._wanted.set()
        self._thread.join(1.0)

    def __enter__(self) -> LoginKeeper:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        pauses = Pauses(1.0, 60.0)
        while True:
            self._wanted.wait()
            self._at_once.clear()
            if self._stopping.is_set():
                return
            try:
                self._platform.login()
            except SophonError as error:
                self._report(str(error))
                self._at_once.wait(pauses.next())
            except Exception as error:  # noqa: BLE001 - a thread's edge
                _log.exception("logging in failed inside")
                self._report(f"failed inside: {type(error).__name__}")
                self._at_once.wait(pauses.next())
            else:
                pauses.reset()
                if not self._at_once.is_set():  # else the login was that of before
                    self._wanted.clear()
                self._at_once.wait(LOGIN_AGAIN_SECONDS)

    def _report(self, problem: str) -> None:
        """Log the reason each time it changes, not each time it comes."""
        if problem != self._problem:
            _log.warning("the login fails", reason=problem)
        self._problem = problem

"""What stands before every call: who may ask, from where, for what, and with how much.

Nothing of a body is read before the caller is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sophon.api.answers import call_name, refuse
from sophon.api.lockout import Lockout, network_of
from sophon.audit import AuditLog
from sophon.contract.rest import MAX_PHOTO_CHARACTERS
from sophon.errors import Code, SophonError
from sophon.platform.url_policy import own_addresses
from sophon.rate_limit import RateLimit
from sophon.tokens import Role, TokenCheck

OPEN_CALLS = frozenset({("GET", "/health")})
#: The contract's own paths: what may be asked without a token from the networks that the settings name.
CONTRACT_PATHS = ("/SophonMQ/", "/SophonFogSys/", "/SophonFace/", "/SophonMatch/")
DEVICE_CALLS = frozenset(
    {
        ("POST", "/SophonFace/api/FIQA"),
        ("POST", "/SophonMatch/api/PictureMatch"),
        ("POST", "/api/v1/search"),
        ("POST", "/api/v1/compare"),
        ("GET", "/api/v1/status"),
    }
)
ADMIN_READS = frozenset({"/api/v1/backup"})

MAX_BODY = 2**20
LARGE_BODY = MAX_PHOTO_CHARACTERS + MAX_BODY
#: Calls that carry photographs.
LARGE_CALLS = frozenset(
    {
        "/SophonFogSys/api/users",
        "/SophonFogSys/api/GroupUsers",
        "/SophonFace/api/FIQA",
        "/SophonMatch/api/PictureMatch",
        "/api/v1/search",
        "/api/v1/enrolments",
    }
)
VERY_LARGE_CALLS = frozenset({"/api/v1/compare"})
RESTORE = "/api/v1/restore"
#: A backup may be as large as a disk; how much room there is, is watched while it comes in.
MAX_BACKUP = 2**40
UNKNOWN = "somebody"
BODY_SECONDS = 30.0
BACKUP_SECONDS = 4 * 3600.0
DRAINED_BYTES = 64 * 2**20
DRAIN_SECONDS = 3.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Access:
    """Who may call.

    Args:
        tokens: whose a token is.
        audit: what hears who did what.
        open_networks: addresses that need no token for the contract's calls.
        host_names: further names that this box is called by.
        requests_per_s: how often one token, or one address without, may ask; 0 sets no limit.
    """

    tokens: TokenCheck
    audit: AuditLog
    open_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    host_names: tuple[str, ...] = ()
    requests_per_s: float = 0


class TooOftenError(SophonError):
    """Whoever asks is not listened to for ``seconds``."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(Code.TOO_MANY_REQUESTS, message)
        self.seconds = seconds


class Guard:
    """ASGI middleware: refuses, bounds, and writes the audit log."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._lockout = Lockout()
        self._rates = RateLimit(access.requests_per_s)
        self._hosts = _OwnHosts(access.host_names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the API has no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        caller = UNKNOWN
        status = 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check_host(headers)
            caller, role = self._identify(scope, headers)
            if not _permits(role, scope["method"], scope["path"]):
                raise SophonError(Code.FORBIDDEN, f"a token of the role {role.value} may not do this")
            limit = _limit(scope["path"])
            if int(headers.get("content-length", "0") or "0") > limit:
                raise _too_large(limit)
            seconds = BACKUP_SECONDS if scope["path"] == RESTORE else BODY_SECONDS
            await self._app(scope, _bounded(receive, limit, seconds), noting_send)
        except SophonError as error:
            await _drain(receive)
            response = refuse(error)
            response.headers["Connection"] = "close"
            if isinstance(error, TooOftenError):
                response.headers["Retry-After"] = str(int(error.seconds) + 1)
            self._note_refusal(caller, scope, error.code)
            await response(scope, receive, noting_send)
            return
        except Exception as error:  # noqa: BLE001 - a request's edge; the framework raises again what it has answered
            if not status:
                _log.error("a call failed inside", exc_info=error)
                problem = f"failed inside: {type(error).__name__}"
                await refuse(SophonError(Code.SERVER_PROCESS_FAILED, problem))(scope, receive, noting_send)
        if _is_worth_a_note(scope):
            what, address = call_name(scope), _address(scope)
            self._access.audit.note(caller, what, code=status, address=address)
            _log.info("call", caller=caller, address=address, call=what, http_status=status)

    def _note_refusal(self, caller: str, scope: Scope, code: Code) -> None:
        address = _address(scope)
        if caller == UNKNOWN:
            self._access.audit.note_refusal(int(code), address)
        else:
            self._access.audit.note(caller, "refused", code=int(code), address=address)

    def _check_host(self, headers: Mapping[str, str]) -> None:
        """A page in somebody's browser must reach the box neither by its own name (DNS rebinding) nor from its own site."""
        host = headers.get("host", "")
        if not self._hosts.knows(host):
            raise SophonError(
                Code.FORBIDDEN,
                "Host: this box is not called so; use its address, or add the name to the setting http_names",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise SophonError(Code.FORBIDDEN, "Origin: pages of other sites must not call this box")

    def _identify(self, scope: Scope, headers: Mapping[str, str]) -> tuple[str, Role]:
        """Who calls, for the audit log, and as what. Raises SophonError if that is nobody."""
        method, path, address = scope["method"], scope["path"], _address(scope)
        if (method, path) in OPEN_CALLS:
            self._slow_down(network_of(address))
            return "anybody", Role.ADMIN
        locked_for = self._lockout.seconds_left(address)
        if locked_for:
            raise TooOftenError("too many wrong tokens came from this address; try again later", locked_for)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            owner = self._access.tokens.owner(token.strip())
            if owner is None:
                if self._lockout.failed(address):
                    _log.warning("an address that tries tokens is locked out", address=address)
                raise SophonError(Code.UNAUTHORIZED, "the token is wrong or was revoked")
            self._lockout.succeeded(address)
            self._slow_down(owner.id)
            return f"token {owner.id} ({owner.role.value}) {owner.name}".rstrip(), owner.role
        self._slow_down(network_of(address))
        if path.startswith(CONTRACT_PATHS) and self._is_open_to(address):
            return "without token", Role.ADMIN
        raise SophonError(
            Code.UNAUTHORIZED, "a token is needed: Authorization: Bearer <token>; make one: sophon token new"
        )

    def _slow_down(self, caller: str) -> None:
        seconds = self._rates.take(caller)
        if seconds:
            raise TooOftenError("more requests than http_requests_per_s allows; try again soon", seconds)

    def _is_open_to(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._access.open_networks)


class _OwnHosts:
    """The names and addresses that this machine may be called by."""

    def __init__(self, names: Iterable[str]) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(name.lower() for name in names)}
        self._addresses: set[str] = set()
        self._read_at = float("-inf")

    def knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or self._is_own_address(name)

    def _is_own_address(self, name: str) -> bool:
        try:
            ip = str(ipaddress.ip_address(name.partition("%")[0]))
        except ValueError:
            return False
        if ip not in self._addresses and time.monotonic() - self._read_at > 1.0:
            self._addresses = {str(one) for one in own_addresses()}
            self._read_at = time.monotonic()
        return ip in self._addresses


def _permits(role: Role, method: str, path: str) -> bool:
    if role is Role.ADMIN:
        return True
    if role is Role.DEVICE:
        return (method, path) in DEVICE_CALLS
    return method in ("GET", "HEAD") and path not in ADMIN_READS


def _is_worth_a_note(scope: Scope) -> bool:
    """Whether the audit log is to hear of a call: of changes and of backups, not of looking, nor of pictures handed in."""
    method, path = scope["method"], scope["path"]
    return path in ADMIN_READS or (method not in ("GET", "HEAD") and (method, path) not in DEVICE_CALLS)


def _limit(path: str) -> int:
    if path == RESTORE:
        return MAX_BACKUP
    if path in VERY_LARGE_CALLS:
        return 2 * LARGE_BODY
    return LARGE_BODY if path in LARGE_CALLS else MAX_BODY


def _too_large(limit: int) -> SophonError:
    return SophonError(Code.PAYLOAD_TOO_LARGE, f"the body is larger than {limit // 2**20} MiB")


def _bounded(receive: Receive, limit: int, seconds: float) -> Callable[[], Any]:
    """The body, cut off where it is too large or too slow."""
    size = 0
    deadline = time.monotonic() + seconds
    complete = False

    async def bounded() -> Message:
        nonlocal size, complete
        if complete:  # what comes now is the caller's leaving, whenever that is
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            raise SophonError(Code.BAD_REQUEST, f"the body did not come within {seconds:.0f} s") from None
        size += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if size > limit:
            raise _too_large(limit)
        return message

    return bounded


async def _drain(receive: Receive) -> None:
    """Let a refused body run into nothing, within limits: a caller in the middle of sending would miss the answer."""
    left = DRAINED_BYTES
    deadline = time.monotonic() + DRAIN_SECONDS
    with contextlib.suppress(asyncio.TimeoutError):
        while left > 0:
            message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.001))
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""

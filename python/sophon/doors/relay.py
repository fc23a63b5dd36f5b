"""The relays that move doors: one order, one attempt."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import orjson

from sophon.errors import Code, SophonError

Mode = Literal["opendoor", "closedoor", "alarm"]

# After this a person has turned away; an order that comes later is worse than none.
TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Order:
    """What a relay is to do, under the contract's names. ``action_duration`` in seconds, 255 holds the door open;
    ``logic_port`` 0 is all of the relay's."""

    action_mode: Mode
    action_duration: int = 5
    logic_port: int = 0

    def to_json(self) -> bytes:
        """The order as it is sent; a duration goes with opening only."""
        fields: dict[str, Any] = {"action_mode": self.action_mode, "logic_port": self.logic_port}
        if self.action_mode == "opendoor":
            fields["action_duration"] = self.action_duration
        return orjson.dumps(fields)


def send_order(url: str, order: Order, seconds: float = TIMEOUT_S) -> None:
    """Give an order, within so many seconds, to the relay at ``http://HOST:PORT/PATH`` (a POST of JSON), or ``tcp://HOST:PORT`` (a line of JSON).

    Raises SophonError REMOTE_SERVER_FAILED unless the relay takes it: with a 2xx, or by accepting the connection.
    """
    try:
        if urlsplit(url).scheme == "tcp":
            _send_line(url, order, seconds)
        else:
            _post(url, order, seconds)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise SophonError(
            Code.REMOTE_SERVER_FAILED, f"the relay at {_shown(url)} can't be reached: {type(error).__name__}"
        ) from None


def check_relay_url(url: str) -> None:
    """Refuse what is no relay's address. Raises SophonError PARAM_ERROR."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is not None or parts.scheme != "tcp"
        usable = parts.scheme in ("http", "https", "tcp") and bool(parts.hostname) and has_port
        usable = usable and parts.username is None
    except ValueError:
        usable = False
    if not usable:
        raise SophonError(
            Code.PARAM_ERROR, "a relay's address is http://HOST:PORT/PATH or tcp://HOST:PORT, without a user"
        )


def _post(url: str, order: Order, seconds: float) -> None:
    headers = {"Content-Type": "application/json"}
    with (
        httpx.Client(trust_env=False, timeout=seconds) as client,
        client.stream("POST", url, content=order.to_json(), headers=headers) as response,
    ):
        status = response.status_code  # what it says besides is not read
    if not 200 <= status < 300:
        raise SophonError(Code.REMOTE_SERVER_FAILED, f"the relay at {_shown(url)} answered HTTP {status}")


def _send_line(url: str, order: Order, seconds: float) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), seconds) as connection:
        connection.sendall(order.to_json() + b"\n")


def _shown(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]

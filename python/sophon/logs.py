"""Structured logs on standard error: one line per record, never a secret, never a face."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

MAX_VALUE_CHARACTERS = 300
_SECRET_KEYS = (
    "password",
    "passwd",
    "token",
    "authorization",
    "secret",
    "photo",
    "image",
    "base64",
    "embedding",
)


def configure_logs(level: str = "info", form: str = "text") -> None:
    """Set up logging for a process that is its own master, as the daemon is."""
    number = getattr(logging, level.upper())
    render: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[
            *shared,
            *([structlog.processors.format_exc_info] if form == "json" else []),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What pika has to say is said, in one line, by our link; uvicorn's access log would hold addresses and little else.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def redact(_logger: object, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose name says that they are secret; cut long ones; let no value forge a line."""
    for key, value in record.items():
        if any(word in key.lower() for word in _SECRET_KEYS):
            record[key] = "…"
        elif isinstance(value, str) and key not in ("exception", "timestamp"):
            cut = value if len(value) <= MAX_VALUE_CHARACTERS else value[:MAX_VALUE_CHARACTERS] + "…"
            record[key] = "".join(one if one.isprintable() else repr(one)[1:-1] for one in cut)
    return record

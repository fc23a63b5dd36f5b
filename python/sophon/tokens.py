"""Who may call the API: tokens of 256 random bits, kept as hashes only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from enum import Enum

from pydantic import BaseModel

from sophon.errors import Code, SophonError
from sophon.store import Snapshot, Store, Transaction

MAX_TOKENS = 1000
# A token that was revoked by another process is refused after this many seconds at the latest.
FRESH_SECONDS = 1.0
_SETTING = "api_tokens"


class Role(str, Enum):
    """What a token is good for."""

    ADMIN = "admin"
    """Everything."""
    DEVICE = "device"
    """Handing in pictures: FIQA, PictureMatch, search and compare."""
    VIEWER = "viewer"
    """Looking: every GET but backups."""


class TokenRecord(BaseModel):
    """What is kept of a token; ``created_at`` in s since the epoch."""

    id: str
    name: str
    role: Role
    sha256: str
    created_at: float


def new_token(transaction: Transaction, role: Role, name: str = "") -> tuple[TokenRecord, str]:
    """Make a token; the text is shown to whoever asked, and can't be had again."""
    known = all_tokens(transaction)
    if len(known) >= MAX_TOKENS:
        raise SophonError(Code.BAD_REQUEST, f"there are {MAX_TOKENS} tokens already; revoke some")
    token = f"sophon_{secrets.token_urlsafe(32)}"
    record = TokenRecord(
        id=secrets.token_hex(4), name=name, role=role, sha256=_digest(token), created_at=time.time()
    )
    _put(transaction, [*known, record])
    return record, token


def all_tokens(snapshot: Snapshot) -> list[TokenRecord]:
    """Every token's record, oldest first."""
    return [TokenRecord.model_validate(value) for value in snapshot.settings.get(_SETTING) or []]


def revoke_token(transaction: Transaction, token_id: str) -> TokenRecord:
    """Forget a token. Raises SophonError NOT_FOUND if there is none of that id."""
    known = all_tokens(transaction)
    for record in known:
        if record.id == token_id:
            _put(transaction, [one for one in known if one is not record])
            return record
    raise SophonError(Code.NOT_FOUND, f"there is no token {token_id!r}; list them: sophon token list")


class TokenCheck:
    """Tells whose a token is, in a time that says nothing about how right a wrong one was."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: list[TokenRecord] = []
        self._read_at = float("-inf")

    def owner(self, token: str) -> TokenRecord | None:
        """The token's record, or None."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            with self._store.read() as snapshot:
                self._records = all_tokens(snapshot)
            self._read_at = time.monotonic()
        digest = _digest(token)
        matches = [record for record in self._records if hmac.compare_digest(record.sha256, digest)]
        return matches[0] if matches else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _put(transaction: Transaction, records: Sequence[TokenRecord]) -> None:
    transaction.settings.set(_SETTING, [record.model_dump(mode="json") for record in records])

"""Passwords of cameras, kept as salted scrypt hashes (RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

# About 15 ms and 4 MiB each: a box checks them in the thread that serves all cameras.
_COST = {"n": 2**12, "r": 8, "p": 1}


def hash_password(password: str) -> str:
    """What is stored of a password."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_derive(password, salt).hex()}"


def is_password(password: str, stored: str) -> bool:
    """Whether it is the password that was stored."""
    salt, _, derived = stored.partition("$")
    try:
        return hmac.compare_digest(_derive(password, bytes.fromhex(salt)), bytes.fromhex(derived))
    except ValueError:
        return False


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)

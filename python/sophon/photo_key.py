"""From settings to the way enrolment photographs are kept."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from sophon.errors import ConfigError
from sophon.store import PhotoKeeping, PhotoMode

KEY_BYTES = 32
_HOW = "it must be 32 random bytes as base64 or hex; make one: openssl rand -base64 32"


def photo_keeping(mode: PhotoMode, key: str | None = None, key_file: Path | None = None) -> PhotoKeeping:
    """The way that settings ask for. Raises ConfigError for a key that is none, or is missing."""
    if key is not None and key_file is not None:
        raise ConfigError("enrolment_photos_key and enrolment_photos_key_file: give one of them")
    if key is not None:
        bytes_ = _read(key.encode(), "enrolment_photos_key")
    elif key_file is not None:
        bytes_ = _read(_content(key_file), "enrolment_photos_key_file")
    elif mode == "encrypt":
        raise ConfigError(
            "enrolment_photos_key_file: is required with enrolment_photos = 'encrypt'; or give the key as "
            f"SOPHON_ENROLMENT_PHOTOS_KEY; {_HOW}"
        )
    else:
        return PhotoKeeping(mode)
    # An installation of the engine alone has no cryptography, and needs none.
    from sophon.store.sealing import AesGcm

    return PhotoKeeping(mode, AesGcm(bytes_))


def _content(key_file: Path) -> bytes:
    try:
        with key_file.open("rb") as opened:
            return opened.read(1000)
    except OSError as error:
        raise ConfigError(f"enrolment_photos_key_file: {key_file} can't be read: {error.strerror}") from None


def _read(text: bytes, setting: str) -> bytes:
    if len(text) == KEY_BYTES:
        return text
    stripped = text.strip()
    try:
        is_hex = len(stripped) == 2 * KEY_BYTES
        key = bytes.fromhex(stripped.decode()) if is_hex else base64.b64decode(stripped, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{setting}: is no key; {_HOW}") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{setting}: is no key; {_HOW}")
    return key

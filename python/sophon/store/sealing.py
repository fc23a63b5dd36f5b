"""Encryption at rest: AES-256-GCM."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sophon.store.photo_keeping import UnreadablePhotoError

KEY_BYTES = 32
_NONCE_BYTES = 12


class AesGcm:
    """One key of 32 bytes. A nonce is drawn for every image: billions of them before two may be alike."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.fingerprint = hmac.new(key, b"sophon enrolment photos", hashlib.sha256).hexdigest()[:32]

    def seal(self, image: bytes, about: bytes) -> bytes:
        """Encrypt: the nonce, then the image with its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, image, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Decrypt. Raises UnreadablePhotoError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError):
            raise UnreadablePhotoError from None

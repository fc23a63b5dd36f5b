"""How enrolment photographs and crops are kept: as they are, encrypted, or not at all; and events' pictures with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sophon.errors import Code, ConfigError, SophonError

PhotoMode = Literal["keep", "encrypt", "none"]

#: How an encrypted image begins; no kind of image file does.
SEALED = b"\x00sealed1"
_KEY_SETTINGS = "enrolment_photos_key_file (or SOPHON_ENROLMENT_PHOTOS_KEY)"


class UnreadablePhotoError(SophonError):
    """An image was encrypted with another key or about something else, or was changed on the disk."""

    def __init__(self) -> None:
        super().__init__(
            Code.SERVER_PROCESS_FAILED,
            f"{_KEY_SETTINGS}: a photograph can't be decrypted with this key, or was changed on the disk",
        )


class Cipher(Protocol):
    """Encrypts with one key; ``about`` says whose image it is, so that none can be put in another's place."""

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without giving one away."""

    def seal(self, image: bytes, about: bytes) -> bytes:
        """Encrypt."""

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Decrypt. Raises UnreadablePhotoError."""


@dataclass(frozen=True)
class PhotoKeeping:
    """The box's way of keeping images; with a cipher it reads encrypted ones, whatever it does with new ones.

    What is said of images is said of enrolment photographs and crops. Events' pictures are encrypted when those are, and
    kept in any case.
    """

    mode: PhotoMode = "keep"
    cipher: Cipher | None = None

    def to_store(self, image: bytes, about: bytes) -> bytes:
        """What of an image goes to the disk; b"" for nothing."""
        return b"" if self.mode == "none" else self.event_picture_to_store(image, about)

    def event_picture_to_store(self, picture: bytes, about: bytes) -> bytes:
        """What goes to the disk of an event's picture."""
        return SEALED + self._key().seal(picture, about) if self.mode == "encrypt" else picture

    def event_picture_in_form(self, stored: bytes, about: bytes) -> bytes | None:
        """A stored picture of an event as it is to be stored now; None if it can't be, as nobody has its key any more.

        Raises ConfigError if the key is missed.
        """
        is_sealed = stored.startswith(SEALED)
        if is_sealed == (self.mode == "encrypt"):
            return stored
        if is_sealed and self.mode == "none" and self.cipher is None:
            return None
        return self.event_picture_to_store(self.from_store(stored, about) or b"", about)

    def from_store(self, stored: bytes, about: bytes) -> bytes | None:
        """The image; None if it was not kept. Raises ConfigError without its key."""
        if stored.startswith(SEALED):
            return self._key().open(stored.removeprefix(SEALED), about)
        return stored or None

    def is_its_form(self, stored: bytes) -> bool:
        """Whether an image is on the disk in the way that this keeps them; what is gone is gone."""
        if not stored:
            return True
        return self.mode != "none" and stored.startswith(SEALED) == (self.mode == "encrypt")

    def check_key(self, fingerprint: str | None) -> None:
        """Refuse a key other than the one that the images on the disk are encrypted with. Raises ConfigError."""
        if fingerprint is None or self.cipher is None or self.cipher.fingerprint == fingerprint:
            return
        raise ConfigError(
            f"{_KEY_SETTINGS}: this is not the key that the enrolment photographs are encrypted with; give that one "
            "(for another key first set enrolment_photos = 'keep' with the old one, then 'encrypt' with the new one)"
        )

    def _key(self) -> Cipher:
        if self.cipher is None:
            raise ConfigError(
                f"{_KEY_SETTINGS}: the enrolment photographs are encrypted, and their key is not given; give it, or "
                "enrol through the running box"
            )
        return self.cipher

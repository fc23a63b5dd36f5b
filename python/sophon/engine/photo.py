"""Photographs in: a path, bytes or an array becomes an upright BGR picture, within limits, or a clear refusal.

The limits are checked on the header, before a decoder sees the bytes: a PNG of under 1 MB can unfold to gigabytes.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.image_header import BadHeaderError, ImageHeader, parse_image_header
from sophon.errors import Code, SophonError

Image: TypeAlias = NDArray[np.uint8]
"""BGR uint8 (height, width, 3)."""
PhotoSource: TypeAlias = "str | Path | bytes | NDArray[Any]"

MAX_PHOTO_BYTES = 20 << 20
MAX_PHOTO_PIXELS = 50_000_000
MAX_PHOTO_SIDE = 12_000
MIN_PHOTO_SIDE = 16


def load_photo(source: PhotoSource) -> Image:
    """Return a photograph as BGR uint8 (height, width, 3), upright.

    `source` is a file's path, the bytes of a JPEG, PNG, WEBP (first frame) or BMP file, or an array: uint8 or uint16,
    (height, width) grey, (height, width, 3) BGR or (height, width, 4) BGRA. EXIF orientation is applied, transparency
    is laid over white, 16-bit values keep their upper eight bits.

    Raises SophonError: IMAGE_TOO_LARGE over 20 MiB, 50 million pixels or 12,000 pixels a side; IMAGE_ERROR for what
    can't be read, is none of these formats, is damaged or truncated, or has a side under 16 pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, (str, Path)):
        source = _read_file(Path(source))
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise SophonError(
            Code.IMAGE_ERROR, f"a photograph is a path, bytes or an array, not {type(source).__name__}"
        )
    return _decode(bytes(source))


def _read_file(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device could keep us waiting for ever
            raise SophonError(Code.IMAGE_ERROR, f"{path} is not a file")
        with path.open("rb") as file:
            return file.read(MAX_PHOTO_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SophonError(Code.IMAGE_ERROR, f"can't read the photograph {path}: {reason}") from error


def _decode(data: bytes) -> Image:
    if len(data) > MAX_PHOTO_BYTES:
        raise SophonError(
            Code.IMAGE_TOO_LARGE, f"the photograph is over {MAX_PHOTO_BYTES >> 20} MiB; send a smaller one"
        )
    try:
        header = parse_image_header(data)
    except BadHeaderError as error:
        raise SophonError(Code.IMAGE_ERROR, f"the photograph can't be decoded: {error}") from error
    _check_size(header.width, header.height)
    flags = cv2.IMREAD_UNCHANGED if header.has_alpha else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        raise _undecodable(header) from error
    if pixels is None:
        raise _undecodable(header)
    _check_size(pixels.shape[1], pixels.shape[0])
    return _upright(_as_bgr(pixels), header.orientation)


def _undecodable(header: ImageHeader) -> SophonError:
    return SophonError(Code.IMAGE_ERROR, f"the {header.format.value} photograph is damaged or truncated")


def _from_array(array: NDArray[Any]) -> Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise SophonError(
            Code.IMAGE_ERROR,
            f"a photograph's array is (height, width), (height, width, 3) BGR or (height, width, 4) BGRA, not {array.shape}",
        )
    if array.dtype not in (np.uint8, np.uint16):
        raise SophonError(Code.IMAGE_ERROR, f"a photograph's array is uint8 or uint16, not {array.dtype}")
    _check_size(array.shape[1], array.shape[0])
    return _as_bgr(array)


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_PHOTO_SIDE or width * height > MAX_PHOTO_PIXELS:
        raise SophonError(
            Code.IMAGE_TOO_LARGE,
            f"the photograph is {width}×{height} pixels; at most {MAX_PHOTO_PIXELS // 1_000_000} million and "
            f"{MAX_PHOTO_SIDE} a side are accepted; send a smaller one",
        )
    if min(width, height) < MIN_PHOTO_SIDE:
        raise SophonError(
            Code.IMAGE_ERROR,
            f"the photograph is {width}×{height} pixels; a face needs at least {MIN_PHOTO_SIDE} a side",
        )


def _as_bgr(pixels: NDArray[Any]) -> Image:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.shape[2] == 4:
        return _core.lay_over_white(np.ascontiguousarray(pixels))
    return np.ascontiguousarray(pixels)


def _upright(image: Image, orientation: int) -> Image:
    """Apply an EXIF orientation: 1 is upright, 2, 4, 5, 7 are mirrored, 3, 6, 8 turned by 180°, 90°, 270°."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)

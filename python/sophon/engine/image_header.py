"""What an encoded picture says about itself, read without decoding it: format, size, orientation, transparency.

Only the four formats the box accepts. Everything here works on bytes from outside: each read is checked against the
length, and no loop runs longer than the file has bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

EXIF_ORIENTATION_TAG = 0x0112
_EXIF_PREFIX = b"Exif\x00\x00"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers, which hold the size: 0xC0..0xCF but for DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_JPEG_SCAN, _JPEG_END, _JPEG_APP1 = 0xDA, 0xD9, 0xE1


class ImageFormat(str, Enum):
    """The accepted encodings."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    BMP = "BMP"


class BadHeaderError(ValueError):
    """The bytes are not a picture of an accepted format, or its header is damaged."""


@dataclass(frozen=True)
class ImageHeader:
    """Size in pixels as stored (before the orientation is applied), and what decoding has to know."""

    format: ImageFormat
    width: int
    height: int
    orientation: int = 1
    """EXIF orientation 1..8; 1 where the picture has none, or a damaged one."""
    has_alpha: bool = False


def parse_image_header(data: bytes) -> ImageHeader:
    """Tell format, size, orientation and transparency of an encoded picture. Raises BadHeaderError."""
    if data[:3] == b"\xff\xd8\xff":
        return _parse_jpeg(data)
    if data[:8] == _PNG_SIGNATURE:
        return _parse_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _parse_webp(data)
    if data[:2] == b"BM":
        return _parse_bmp(data)
    raise BadHeaderError("not a JPEG, PNG, WEBP or BMP picture" if data else "empty")


def _unpack(layout: str, data: bytes, offset: int) -> tuple[int, ...]:
    if offset < 0 or offset + struct.calcsize(layout) > len(data):
        raise BadHeaderError("truncated header")
    return struct.unpack_from(layout, data, offset)


def _parse_jpeg(data: bytes) -> ImageHeader:
    orientation = 1
    for marker, begin, end in _jpeg_segments(data):
        if marker == _JPEG_APP1 and data[begin : begin + 6] == _EXIF_PREFIX:
            orientation = exif_orientation(data[begin + 6 : end])
        elif marker in _JPEG_FRAMES:
            height, width = _unpack(">HH", data, begin + 1)
            return ImageHeader(ImageFormat.JPEG, width, height, orientation)
    raise BadHeaderError("no JPEG frame header")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, begin and end of every segment's content up to the first scan."""
    position = 2
    while True:
        (lead, marker) = _unpack(">BB", data, position)
        if lead != 0xFF:
            raise BadHeaderError("damaged JPEG segment")
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2
        if marker in _JPEG_WITHOUT_LENGTH:
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            return
        (length,) = _unpack(">H", data, position)
        if length < 2:
            raise BadHeaderError("damaged JPEG segment")
        yield marker, position + 2, position + length
        position += length


def _parse_png(data: bytes) -> ImageHeader:
    if data[12:16] != b"IHDR":
        raise BadHeaderError("damaged PNG header")
    width, height, _depth, colour_type = _unpack(">IIBB", data, 16)
    orientation, has_alpha = 1, colour_type in (4, 6)
    for name, begin, end in _png_chunks(data):
        if name == b"tRNS":
            has_alpha = True
        elif name == b"eXIf":
            orientation = exif_orientation(data[begin:end])
    return ImageHeader(ImageFormat.PNG, width, height, orientation, has_alpha)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and end of every chunk that is wholly there."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = _unpack(">I", data, position)
        end = position + 8 + length
        if end > len(data):
            return
        yield data[position + 4 : position + 8], position + 8, end
        position = end + 4


def _parse_webp(data: bytes) -> ImageHeader:
    chunks = dict(_riff_chunks(data))
    orientation = 1
    if b"EXIF" in chunks:
        begin, end = chunks[b"EXIF"]
        orientation = exif_orientation(data[begin:end].removeprefix(_EXIF_PREFIX))
    if b"VP8X" in chunks:
        begin, _ = chunks[b"VP8X"]
        flags, width_low, width_high, height_low, height_high = _unpack("<B3xHBHB", data, begin)
        width = 1 + width_low + (width_high << 16)
        height = 1 + height_low + (height_high << 16)
        return ImageHeader(ImageFormat.WEBP, width, height, orientation, bool(flags & 0x10))
    if b"VP8 " in chunks:
        begin, _ = chunks[b"VP8 "]
        width, height = _unpack("<HH", data, begin + 6)
        return ImageHeader(ImageFormat.WEBP, width & 0x3FFF, height & 0x3FFF)
    if b"VP8L" in chunks:
        begin, _ = chunks[b"VP8L"]
        signature, bits = _unpack("<BI", data, begin)
        if signature != 0x2F:
            raise BadHeaderError("damaged WEBP header")
        return ImageHeader(
            ImageFormat.WEBP, 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), has_alpha=bool(bits >> 28 & 1)
        )
    raise BadHeaderError("no picture in the WEBP file")


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield every chunk of a RIFF file: its name, and where its content begins and ends."""
    position = 12
    while position + 8 <= len(data):
        (length,) = _unpack("<I", data, position + 4)
        begin = position + 8
        yield data[position : position + 4], (begin, min(begin + length, len(data)))
        position = begin + length + length % 2


def _parse_bmp(data: bytes) -> ImageHeader:
    (header_size,) = _unpack("<I", data, 14)
    if header_size == 12:  # the OS/2 form
        width, height = _unpack("<HH", data, 18)
    else:
        width, height = _unpack("<ii", data, 18)  # a negative height means rows from top to bottom
    return ImageHeader(ImageFormat.BMP, width, abs(height))


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation 1..8 that an EXIF block (a TIFF header and its directory) states; 1 where it states none."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = _unpack(f"{order}I", tiff, 4)
        (entries,) = _unpack(f"{order}H", tiff, directory)
        for entry in range(entries):
            tag, _type, _count, value = _unpack(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
            if tag == EXIF_ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except BadHeaderError:
        return 1
    return 1

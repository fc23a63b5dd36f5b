"""Photographs from outside: what is accepted, and how the rest is refused."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sophon.engine.image_header import BadHeaderError, ImageFormat, parse_image_header
from sophon.engine.photo import load_photo
from sophon.errors import Code, SophonError


def gradient(height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """A picture whose corners all differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([x * 255 // width, y * 255 // height, np.full_like(x, 90)]).astype(np.uint8)


def encoded(extension: str, image: NDArray[np.generic], *parameters: int) -> bytes:
    done, data = cv2.imencode(extension, image, parameters)
    assert done
    return data.tobytes()


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def flat_png(width: int, height: int) -> bytes:
    """A black one-channel PNG whose pixels compress to next to nothing."""
    compressor = zlib.compressobj(9)
    row = bytes(width + 1)
    data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def exif_block(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + struct.pack(f"{order}I", 0)


def jpeg_with_orientation(image: NDArray[np.uint8], orientation: int) -> bytes:
    data = encoded(".jpg", image, cv2.IMWRITE_JPEG_QUALITY, 98)
    segment = b"Exif\x00\x00" + exif_block(orientation)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def png_with_orientation(image: NDArray[np.generic], orientation: int) -> bytes:
    data = encoded(".png", image)
    return data[:33] + png_chunk(b"eXIf", exif_block(orientation, ">")) + data[33:]


def riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)


def webp_with_orientation(image: NDArray[np.uint8], orientation: int) -> bytes:
    frame = encoded(".webp", image, cv2.IMWRITE_WEBP_QUALITY, 101)[12:]
    height, width = image.shape[:2]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = (
        b"WEBP"
        + riff_chunk(b"VP8X", b"\x08\x00\x00\x00" + canvas)
        + frame
        + riff_chunk(b"EXIF", exif_block(orientation))
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animated_webp(frames: list[NDArray[np.uint8]]) -> bytes:
    height, width = frames[0].shape[:2]
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBP" + riff_chunk(b"VP8X", b"\x02\x00\x00\x00" + size) + riff_chunk(b"ANIM", bytes(6))
    for frame in frames:
        picture = encoded(".webp", frame, cv2.IMWRITE_WEBP_QUALITY, 101)[12:]
        body += riff_chunk(b"ANMF", bytes(6) + size + b"\x64\x00\x00\x00" + picture)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
def test_every_accepted_format_is_decoded_from_bytes_and_from_a_path(tmp_path: Path, extension: str) -> None:
    image = gradient()
    data = encoded(extension, image)
    file = tmp_path / "photo.bin"  # the name says nothing; the bytes do
    file.write_bytes(data)
    for source in (data, file, str(file)):
        photo = load_photo(source)
        assert photo.shape == (40, 60, 3)
        assert np.abs(photo.astype(int) - image).mean() < 4


UPRIGHT_FROM: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""How a camera that held the picture in orientation k stored it."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("encode", [jpeg_with_orientation, png_with_orientation, webp_with_orientation])
def test_pictures_come_out_upright(
    encode: Callable[[NDArray[np.uint8], int], bytes], orientation: int
) -> None:
    upright = gradient()
    stored = np.ascontiguousarray(UPRIGHT_FROM[orientation](upright))
    photo = load_photo(encode(stored, orientation))
    assert photo.shape == upright.shape
    assert np.abs(photo.astype(int) - upright).mean() < 4


def test_orientation_and_transparency_together() -> None:
    upright = np.dstack([gradient(), np.full((40, 60), 255, np.uint8)])
    stored = np.ascontiguousarray(np.rot90(upright, 1))
    np.testing.assert_array_equal(load_photo(png_with_orientation(stored, 6)), upright[:, :, :3])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_damaged_orientation_counts_as_none(orientation: int) -> None:
    assert load_photo(jpeg_with_orientation(gradient(), orientation)).shape == (40, 60, 3)


def test_transparent_pixels_become_white() -> None:
    image = np.zeros((20, 30, 4), np.uint8)
    image[:, 10:20, 3] = 255
    image[:, 20:, 3] = 51
    for photo in (load_photo(encoded(".png", image)), load_photo(image)):
        assert photo[5, 5].tolist() == [255, 255, 255]
        assert photo[5, 15].tolist() == [0, 0, 0]
        assert photo[5, 25].tolist() == [204, 204, 204]


def test_each_value_of_each_transparency_is_rounded_to_the_nearest() -> None:
    value, alpha = np.mgrid[0:256, 0:256].astype(np.uint8)
    photo = load_photo(np.dstack([value, 255 - value, np.zeros_like(value), alpha]))
    share = alpha / 255
    for channel, pixels in enumerate((value, 255 - value, np.zeros_like(value))):
        np.testing.assert_array_equal(photo[:, :, channel], np.round(pixels * share + 255 * (1 - share)))


def test_a_view_with_transparency_is_laid_over_white_as_its_copy_is() -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 4), np.uint8)
    view = image[::-1, 5:50:2]
    np.testing.assert_array_equal(load_photo(view), load_photo(view.copy()))


def test_grey_and_sixteen_bit_pictures_become_bgr() -> None:
    grey = gradient()[:, :, 0]
    for source in (
        encoded(".png", grey),
        grey,
        grey[:, :, None],
        grey.astype(np.uint16) << 8,
        encoded(".png", grey.astype(np.uint16) << 8),
    ):
        np.testing.assert_array_equal(load_photo(source), np.repeat(grey[:, :, None], 3, axis=2))


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    # given a JPEG in the four printing colours: no ink but half of magenta and yellow, that is a light red
    data = cmyk_jpeg(32, 32, (0, 128, 128, 0))
    blue, green, red = load_photo(data)[16, 16]
    assert red > 240
    assert 110 < green < 145
    assert 110 < blue < 145


def cmyk_jpeg(width: int, height: int, ink: tuple[int, int, int, int]) -> bytes:
    """A one-colour CMYK baseline JPEG, written by hand (Adobe's inverted form): only DC coefficients, tables of one code."""
    quantised = [
        round((255 - value - 128) * 8 / 8) for value in ink
    ]  # DC = 8 × level shift, divided by the table's 8
    quantisation = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([8] * 64)
    frame = (
        b"\xff\xc0"
        + struct.pack(">HBHHB", 20, 8, height, width, 4)
        + b"".join(bytes([c, 0x11, 0]) for c in (1, 2, 3, 4))
    )
    # DC code: 9 categories 0-8 in 4 bits each; AC code: end of block in 1 bit.
    dc = b"\xff\xc4" + struct.pack(">HB", 2 + 17 + 9, 0x00) + bytes([0, 0, 0, 9] + [0] * 12) + bytes(range(9))
    ac = b"\xff\xc4" + struct.pack(">HB", 2 + 17 + 1, 0x10) + bytes([1] + [0] * 15) + b"\x00"
    scan = (
        b"\xff\xda"
        + struct.pack(">HB", 14, 4)
        + b"".join(bytes([c, 0]) for c in (1, 2, 3, 4))
        + b"\x00\x3f\x00"
    )
    bits = ""
    previous = [0, 0, 0, 0]
    for _ in range((width // 8) * (height // 8)):
        for i, value in enumerate(quantised):
            difference, previous[i] = value - previous[i], value
            size = abs(difference).bit_length()
            bits += f"{size:04b}"
            if size:
                bits += f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}"
            bits += "0"
    bits += "1" * (-len(bits) % 8)
    payload = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)
    return b"\xff\xd8" + adobe + quantisation + frame + dc + ac + scan + payload + b"\xff\xd9"


def test_the_first_frame_of_an_animated_webp_counts() -> None:
    first, second = gradient(), 255 - gradient()
    photo = load_photo(animated_webp([first, second]))
    assert np.abs(photo.astype(int) - first).mean() < 4


def test_junk_after_the_picture_does_no_harm() -> None:
    assert load_photo(encoded(".jpg", gradient()) + b"junk" * 100).shape == (40, 60, 3)


JPEG, PNG, WEBP, BMP = (
    encoded(extension, gradient(200, 300)) for extension in (".jpg", ".png", ".webp", ".bmp")
)
PROGRESSIVE = encoded(".jpg", gradient(200, 300), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
GIF = b"GIF89a" + struct.pack("<HH", 64, 64) + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff;"
TIFF = encoded(".tiff", gradient())

BAD_PHOTOS: dict[str, tuple[bytes, Code, str]] = {
    "empty": (b"", Code.IMAGE_ERROR, "empty"),
    "one byte": (b"\xff", Code.IMAGE_ERROR, "not a JPEG"),
    "text named .jpg": (b"<html>not found</html>", Code.IMAGE_ERROR, "not a JPEG, PNG, WEBP or BMP"),
    "gif": (GIF, Code.IMAGE_ERROR, "not a JPEG"),
    "tiff": (TIFF, Code.IMAGE_ERROR, "not a JPEG"),
    "pdf": (b"%PDF-1.7\n", Code.IMAGE_ERROR, "not a JPEG"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Code.IMAGE_ERROR, "not a JPEG"),
    "jpeg cut in its header": (JPEG[:100], Code.IMAGE_ERROR, "truncated"),
    "jpeg cut in half": (JPEG[: len(JPEG) // 2], Code.IMAGE_ERROR, "damaged or truncated"),
    "jpeg without its last tenth": (JPEG[: len(JPEG) * 9 // 10], Code.IMAGE_ERROR, "damaged or truncated"),
    "progressive jpeg cut": (
        PROGRESSIVE[: len(PROGRESSIVE) * 9 // 10],
        Code.IMAGE_ERROR,
        "damaged or truncated",
    ),
    "png cut in half": (PNG[: len(PNG) // 2], Code.IMAGE_ERROR, "damaged or truncated"),
    "webp cut in half": (WEBP[: len(WEBP) // 2], Code.IMAGE_ERROR, "damaged or truncated"),
    "bmp cut in half": (BMP[: len(BMP) // 2], Code.IMAGE_ERROR, "damaged or truncated"),
    "png that claims 2^31 - 1": (
        PNG[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + PNG[24:],
        Code.IMAGE_TOO_LARGE,
        "2147483647×2147483647",
    ),
    "30000 x 30000 png": (flat_png(30_000, 30_000), Code.IMAGE_TOO_LARGE, "30000×30000"),
    "12001 pixels wide": (flat_png(12_001, 16), Code.IMAGE_TOO_LARGE, "12001×16"),
    "8000 x 7000 png": (flat_png(8_000, 7_000), Code.IMAGE_TOO_LARGE, "50 million"),
    "over 20 MiB": (PNG + bytes(20 << 20), Code.IMAGE_TOO_LARGE, "20 MiB"),
    "1 x 1": (encoded(".png", gradient(1, 1)), Code.IMAGE_ERROR, "1×1"),
    "1 x 2000": (encoded(".png", gradient(2000, 1)), Code.IMAGE_ERROR, "1×2000"),
}


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_bad_photographs_are_refused_with_their_code(tmp_path: Path, name: str) -> None:
    data, code, says = BAD_PHOTOS[name]
    file = tmp_path / "photo.jpg"
    file.write_bytes(data)
    for source in (data, file):
        with pytest.raises(SophonError, match=says) as caught:
            load_photo(source)
        assert caught.value.code is code


def test_the_bomb_is_small() -> None:
    assert len(BAD_PHOTOS["30000 x 30000 png"][0]) < 1_000_000


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 40, 3), np.float32),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros(40, np.uint8),
        np.zeros((2, 40, 40, 3), np.uint8),
        np.zeros((0, 40, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_picture_are_refused(array: NDArray[np.generic]) -> None:
    with pytest.raises(SophonError) as caught:
        load_photo(array)
    assert caught.value.code is Code.IMAGE_ERROR


def test_paths_that_hold_no_photograph_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it would wait for ever
    for path in (tmp_path / "missing.jpg", tmp_path, pipe, Path("nul\0byte")):
        with pytest.raises(SophonError) as caught:
            load_photo(path)
        assert caught.value.code is Code.IMAGE_ERROR
    with pytest.raises(SophonError, match="not int"):
        load_photo(7)  # type: ignore[arg-type]


def test_memory_stays_bounded_whatever_comes(tmp_path: Path) -> None:
    # given every bad photograph of the table, and the largest good one, in a fresh process
    for i, (data, _, _) in enumerate(BAD_PHOTOS.values()):
        (tmp_path / f"{i}.jpg").write_bytes(data)
    (tmp_path / "largest.png").write_bytes(flat_png(7_000, 7_000))
    script = """
import resource, sys
from pathlib import Path
from sophon.engine.photo import load_photo
from sophon.errors import SophonError
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for file in sorted(Path(sys.argv[1]).glob("*.jpg")):
    try:
        load_photo(file)
        print("accepted", file)
    except SophonError:
        pass
print(peak() - before)
load_photo(Path(sys.argv[1]) / "largest.png")
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    refused, largest = (int(line) for line in done.stdout.split("\n")[:2])
    # then refusing takes no more than the file's own bytes twice, and decoding 49 million pixels their size twice
    assert refused < 64
    assert largest < 2 * 3 * 49 + 64


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_give_a_picture_or_a_refusal(data: st.DataObject) -> None:
    # given a good file with some bytes overwritten
    original = data.draw(
        st.sampled_from([JPEG, PROGRESSIVE, PNG, WEBP, BMP, animated_webp([gradient()] * 2)])
    )
    damaged = bytearray(original)
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=12)
    ):
        damaged[position] = value
    # then nothing but a picture or a refusal of the photograph comes of it
    refusals: list[SophonError] = []
    try:
        photo = load_photo(bytes(damaged))
    except SophonError as error:
        refusals.append(error)
    else:
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3
    assert {refusal.code for refusal in refusals} <= {Code.IMAGE_ERROR, Code.IMAGE_TOO_LARGE}


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBP", b"BM", b""]),
    st.binary(max_size=300),
)
def test_the_header_reader_never_fails_otherwise(magic: bytes, rest: bytes) -> None:
    try:
        header = parse_image_header(magic + rest)
    except BadHeaderError:
        return
    assert header.format in ImageFormat
    assert 1 <= header.orientation <= 8

"""The contact sheet: every photograph of the demo with its face, name, score and quality, or what the platform got."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon.demo.finding import Finding, Step
from sophon.engine import load_photo
from sophon.errors import SophonError

Image = NDArray[np.uint8]

COLUMNS = 5
MAX_PICTURES = 80
TILE_WIDTH, PICTURE_HEIGHT, CAPTION_HEIGHT, MARGIN = 300, 300, 84, 10
LINE_HEIGHT = 19
GOOD, BAD, PAPER, INK = (70, 150, 40), (40, 40, 210), (250, 250, 250), (40, 40, 40)

_HEADINGS = {
    Step.RECOGNISE: "recognise",
    Step.JUDGE: "judge",
    Step.WATCH: "watch",
    Step.DELETE: "after deletion",
}


def draw(findings: Sequence[Finding], file: Path) -> None:
    """Write the sheet as PNG; of very many photographs, the unexpected ones first."""
    pictures = [finding for finding in findings if finding.photo is not None]
    if len(pictures) > MAX_PICTURES:
        pictures = sorted(pictures, key=lambda finding: finding.ok)[:MAX_PICTURES]
    tiles = [_tile(finding) for finding in pictures]
    if not tiles:
        return
    while len(tiles) % COLUMNS:
        tiles.append(np.full_like(tiles[0], PAPER))
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    encoded, data = cv2.imencode(".png", np.vstack(rows))
    assert encoded
    file.write_bytes(data.tobytes())


def _tile(finding: Finding) -> Image:
    tile = np.full(
        (PICTURE_HEIGHT + CAPTION_HEIGHT + 2 * MARGIN, TILE_WIDTH + 2 * MARGIN, 3), PAPER, np.uint8
    )
    colour = GOOD if finding.ok else BAD
    pictures = [_picture(finding, colour), _received(finding)]
    shown = [picture for picture in pictures if picture is not None]
    for number, picture in enumerate(shown):
        _put(tile, picture, MARGIN + number * TILE_WIDTH // len(shown), TILE_WIDTH // len(shown))
    for number, (text, ink) in enumerate(_caption(finding, colour)):
        place = (MARGIN, MARGIN + PICTURE_HEIGHT + (number + 1) * LINE_HEIGHT)
        cv2.putText(tile, _plain(text), place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
    return tile


def _picture(finding: Finding, colour: tuple[int, int, int]) -> Image | None:
    """The photograph with the largest face's box; None if it can't be decoded."""
    assert finding.photo is not None
    try:
        photo = load_photo(finding.photo)
    except SophonError:
        return None
    if finding.face is not None:
        photo = photo.copy()
        x1, y1, x2, y2 = (round(edge) for edge in finding.face.bbox)
        cv2.rectangle(photo, (x1, y1), (x2, y2), colour, max(round(max(photo.shape[:2]) / 150), 1))
    return photo


def _received(finding: Finding) -> Image | None:
    return None if finding.received is None else load_photo(finding.received)


def _put(tile: Image, picture: Image, left: int, width: int) -> None:
    """Draw a picture, shrunk or enlarged, in the middle of a part of the tile."""
    scale = min(width / picture.shape[1], PICTURE_HEIGHT / picture.shape[0])
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    left, top = left + (width - size[0]) // 2, MARGIN + (PICTURE_HEIGHT - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _caption(finding: Finding, colour: tuple[int, int, int]) -> list[tuple[str, tuple[int, int, int]]]:
    score = f"  score {finding.score:.3f}" if finding.score is not None else ""
    if finding.step is Step.WATCH:
        quality = "right: the face that the platform got" if finding.received else "the platform got no face"
    else:
        quality = f"quality {finding.face.score:.2f}" if finding.face is not None else "no face found"
    return [
        (f"{_HEADINGS.get(finding.step, '')}: {finding.title}", INK),
        (f"{finding.got}{score}", colour),
        (quality, INK),
        ("" if finding.ok else f"expected: {finding.expected}", BAD),
    ]


def _plain(text: str) -> str:
    """OpenCV's fonts have no other letters than ASCII."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()
    return plain if len(plain) <= 40 else f"{plain[:39]}..."

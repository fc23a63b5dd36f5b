"""Judged faces as a picture for people: the face with box, landmarks and head pose, beside every item and its limit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sophon.engine.face import Face, FaceQuality, HeadPose
from sophon.engine.levels import Limits
from sophon.engine.photo import Image

_PICTURE = 260  # pixels: side of a face's picture
_PANEL = 420  # pixels: width of the text beside it
_COLUMNS = 2
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GREEN, _RED, _GREY, _WHITE, _DARK = (
    (80, 200, 80),
    (70, 70, 235),
    (150, 150, 150),
    (240, 240, 240),
    (32, 32, 32),
)
_AXIS_COLOURS = ((60, 60, 230), (70, 200, 70), (230, 140, 40))  # across, down, out of the face


@dataclass(frozen=True)
class JudgedFace:
    """One tile of the sheet."""

    title: str
    photo: Image
    face: Face
    quality: FaceQuality


def draw_sheet(faces: list[JudgedFace], limits: Limits) -> Image:
    """Return all judged faces on one picture, two in a row; the items a level checks are green or red, others grey."""
    tiles = [_tile(face, limits) for face in faces]
    empty = np.full((_PICTURE, _PICTURE + _PANEL, 3), _DARK, np.uint8)
    tiles += [empty] * (-len(tiles) % _COLUMNS or _COLUMNS * (not tiles))
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def _tile(judged: JudgedFace, limits: Limits) -> Image:
    return np.hstack([_picture(judged), _panel(judged, limits)])


def _picture(judged: JudgedFace) -> Image:
    """Cut out the surroundings of the face, 1.6 times the box, and draw on them."""
    x1, y1, x2, y2 = judged.quality.bbox
    scale = _PICTURE / (1.6 * max(x2 - x1, y2 - y1, 1))
    move = np.array(
        [[scale, 0, _PICTURE / 2 - scale * (x1 + x2) / 2], [0, scale, _PICTURE / 2 - scale * (y1 + y2) / 2]]
    )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.warpAffine(judged.photo, move, (_PICTURE, _PICTURE), flags=method, borderValue=_DARK)
    place = _Placing(move)
    colour = _GREEN if judged.quality.fiqa_result else _RED
    cv2.rectangle(picture, place((x1, y1)), place((x2, y2)), colour, 2)
    for point in judged.face.landmarks:
        cv2.circle(picture, place(point), 3, (0, 220, 255), -1, cv2.LINE_AA)
    nose = place(judged.face.landmarks[2])
    length = 0.35 * _PICTURE
    for axis, axis_colour in zip(head_axes(judged.quality.info.headpose), _AXIS_COLOURS, strict=True):
        end = (round(nose[0] + length * axis[0]), round(nose[1] + length * axis[1]))
        cv2.line(picture, nose, end, axis_colour, 2, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


@dataclass(frozen=True)
class _Placing:
    """Picture coordinates to tile coordinates."""

    move: NDArray[np.float64]

    def __call__(self, point: tuple[float, float] | NDArray[np.float32]) -> tuple[int, int]:
        x, y = self.move[:, :2] @ (float(point[0]), float(point[1])) + self.move[:, 2]
        return round(float(x)), round(float(y))


def head_axes(pose: HeadPose) -> NDArray[np.float64]:
    """Return the head's axes (3, 3): towards its left, down, and out of the face; x right, y down, z away from us.

    A frontal head's are (1, 0, 0), (0, 1, 0), (0, 0, -1). It is turned by pitch, then yaw, then roll.
    """
    pitch, yaw, roll = np.radians([pose.pitch, pose.yaw, pose.roll])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    frontal = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, -1.0]])
    axes: NDArray[np.float64] = (tilt @ turn @ nod @ frontal.T).T
    return axes


def _panel(judged: JudgedFace, limits: Limits) -> Image:
    panel = np.full((_PICTURE, _PANEL, 3), _DARK, np.uint8)
    result = "pass" if judged.quality.fiqa_result else "FAIL"
    _write(panel, 26, f"{judged.title[-30:]}: {result}, score {judged.quality.score:.2f}", _WHITE)
    for row, verdict in enumerate(limits.judge(judged.quality.info)):
        colour = {True: _GREEN, False: _RED, None: _GREY}[verdict.passed]
        text = f"{verdict.item.value}: {verdict.value}"
        demand = f"  ({verdict.demand})" if verdict.demand else "  (not checked)"
        _write(panel, 58 + 28 * row, text + demand, colour)
    return panel


def _write(panel: Image, y: int, text: str, colour: tuple[int, int, int]) -> None:
    plain = text.replace("°", "").replace("≤", "<=").replace("≥", ">=").encode("ascii", "replace").decode()
    cv2.putText(panel, plain, (10, y), _FONT, 0.45, colour, 1, cv2.LINE_AA)

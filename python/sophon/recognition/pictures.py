"""The pictures of an event: the scene, made small enough to send, and the face cut out of it."""

from __future__ import annotations

import cv2
import numpy as np

from sophon.engine import Face
from sophon.engine.photo import Image
from sophon.errors import Code, SophonError
from sophon.store import EventPictures

SCENE_SIDE = 1280
FACE_SIDE = 320
# How much of the face box's size is shown around it.
FACE_MARGIN = 0.3
JPEG_QUALITY = 85


def picture_event(image: Image, face: Face) -> EventPictures:
    """Make an event's JPEG files from a BGR image and a face in it."""
    return EventPictures(_jpeg(image, SCENE_SIDE), _jpeg(_around(image, face), FACE_SIDE))


def _around(image: Image, face: Face) -> Image:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = face.bbox
    margin = FACE_MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(int(x1 - margin), 0), max(int(y1 - margin), 0)
    right, bottom = min(int(np.ceil(x2 + margin)), width), min(int(np.ceil(y2 + margin)), height)
    return image[top:bottom, left:right]


def _jpeg(image: Image, longest: int) -> bytes:
    scale = longest / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise SophonError(Code.SERVER_PROCESS_FAILED, "an event's picture can't be encoded")
    return bytes(data)

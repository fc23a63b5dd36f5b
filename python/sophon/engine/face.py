"""What the engine says about a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sophon.engine.photo import Image

DOMINANT_FACE_RATIO = 2.0
"""Where a photograph is to show one person, the largest face is meant if its area is so many times the next one's."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photograph, coordinates in its pixels."""

    bbox: NDArray[np.float32]
    """(4,) x1, y1, x2, y2, inside the photograph."""
    landmarks: NDArray[np.float32]
    """(5, 2): right eye, left eye, nose tip, right and left mouth corner, as the subject has them (image left first)."""
    score: float
    """Detection score 0-1."""
    quality: float
    """Overall quality 0-1, the same number as `FaceQuality.score`."""
    embedding: NDArray[np.float32] = field(repr=False)
    """(dim,), unit norm."""
    aligned: Image = field(repr=False)
    """(112, 112, 3) BGR: the very pixels the embedding was made from, so it can be made again."""

    @property
    def area(self) -> float:
        """Size of the box in square pixels."""
        width, height = self.bbox[2:] - self.bbox[:2]
        return float(width * height)


@dataclass(frozen=True)
class HeadPose:
    """Angles in degrees; 0, 0, 0 is frontal and upright."""

    pitch: float
    """> 0: chin up."""
    roll: float
    """> 0: tilted clockwise as seen."""
    yaw: float
    """> 0: turned to the subject's left."""

    @property
    def total(self) -> float:
        """Return |yaw| + |pitch| + |roll|, which the levels limit."""
        return abs(self.pitch) + abs(self.roll) + abs(self.yaw)


@dataclass(frozen=True)
class QualityInfo:
    """The measured values of the seven items; None where the model pack has no model to measure one with."""

    face_size: float
    """Shorter side of the assessed box (`FaceQuality.bbox`) in pixels."""
    headpose: HeadPose
    clarity: float
    """Sharpness of the aligned face: about 0 heavily blurred, 1 just acceptable for enrolment, 1.2-2 a sharp portrait."""
    brightness: float
    """0-1: share of the face that is properly exposed and evenly lit."""
    occlusion: tuple[bool, bool, bool]
    """Left eye, right eye, mouth and nose visible."""
    mask: float | None
    """Probability 0-1 that a face mask is worn."""
    partial: bool
    """Part of the face is outside the picture."""

    def to_dict(self) -> dict[str, Any]:
        """Return the values as the wire contract's `info`; what was not measured is left out."""
        pose = self.headpose
        info: dict[str, Any] = {
            "face_size": round(self.face_size),
            "headpose": {
                "pitch_angle": round(pose.pitch, 2),
                "roll_angle": round(pose.roll, 2),
                "yaw_angle": round(pose.yaw, 2),
            },
            "clarity": round(self.clarity, 4),
            "brightness": round(self.brightness, 4),
            "occlusion": list(self.occlusion),
            "partial": self.partial,
        }
        if self.mask is not None:
            info["mask"] = round(self.mask, 4)
        return info


@dataclass(frozen=True)
class FaceQuality:
    """One face judged at a level, as the wire contract's FIQA entry."""

    bbox: tuple[int, int, int, int]
    """x1, y1, x2, y2 in pixels, inside the photograph: from ear to ear and from hairline to chin, wider than `Face.bbox`."""
    fiqa_result: bool
    """No item failed."""
    score: float
    """Overall quality 0-1; comparable between photographs."""
    success: tuple[str, ...]
    """The items of the level that passed."""
    fails: tuple[str, ...]
    """The items of the level that failed."""
    info: QualityInfo

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as the wire contract writes it."""
        return {
            "bbox": list(self.bbox),
            "fiqa_result": self.fiqa_result,
            "score": round(self.score, 4),
            "success": list(self.success),
            "fails": list(self.fails),
            "info": self.info.to_dict(),
        }

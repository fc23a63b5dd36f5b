"""From photographs to faces: decoding within limits, detection, alignment, embedding, quality."""

from sophon.engine.bulk import Outcome
from sophon.engine.face import DOMINANT_FACE_RATIO, Face, FaceQuality, HeadPose, QualityInfo
from sophon.engine.face_engine import EnrolmentCandidate, FaceEngine
from sophon.engine.levels import Item, Limits, QualityLevels
from sophon.engine.photo import load_photo

__all__ = [
    "DOMINANT_FACE_RATIO",
    "EnrolmentCandidate",
    "Face",
    "FaceEngine",
    "FaceQuality",
    "HeadPose",
    "Item",
    "Limits",
    "Outcome",
    "QualityInfo",
    "QualityLevels",
    "load_photo",
]

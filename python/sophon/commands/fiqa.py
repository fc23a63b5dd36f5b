"""`fiqa`: every face in a photograph is judged. It changes nothing."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import FaceQualityRecord, FiqaResult


def execute(photo: bytes, level: str, box: Box) -> FiqaResult:
    """Judge.

    Raises SophonError: IMAGE_ERROR, IMAGE_TOO_LARGE or NO_FACE.
    """
    qualities = box.assess(photo, level)
    return FiqaResult(data=[FaceQualityRecord.model_validate(quality.to_dict()) for quality in qualities])

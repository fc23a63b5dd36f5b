"""`fiqa`: every face in a photograph is judged. It changes nothing."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import FaceQualityRecord, Fiqa, FiqaResult, decode_photo


def execute(command: Fiqa, box: Box) -> FiqaResult:
    """Judge.

    Raises SophonError: IMAGE_ERROR, IMAGE_TOO_LARGE or NO_FACE.
    """
    qualities = box.assess(decode_photo(command.info.image_base64_str), command.level)
    return FiqaResult(data=[FaceQualityRecord.model_validate(quality.to_dict()) for quality in qualities])

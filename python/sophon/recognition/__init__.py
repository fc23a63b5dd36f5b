"""Who is in a picture: the decision, and the event it makes."""

from sophon.recognition.decision import Decision, PersonType, decide
from sophon.recognition.event_log import EventLog
from sophon.recognition.recogniser import (
    DEADLINE_S,
    Capture,
    Recogniser,
    RecogniserOptions,
    Sighting,
    iou,
)

__all__ = [
    "DEADLINE_S",
    "Capture",
    "Decision",
    "EventLog",
    "PersonType",
    "Recogniser",
    "RecogniserOptions",
    "Sighting",
    "decide",
    "iou",
]

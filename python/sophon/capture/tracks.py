"""Faces followed from frame to frame by place and likeness, each with its best shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sophon.capture.frames import Frame
from sophon.engine import Face
from sophon.recognition import iou

SAME_FACE_IOU = 0.3
# Who steps into another's place is someone else. A face that turns away may begin a second track: that costs a
# comparison, a person passed over costs a person.
SAME_FACE_COSINE = 0.3
# A track is judged by its best shot of the first so many seconds: longer would be late for a door.
BEST_SHOT_S = 0.2
LOST_S = 1.0


@dataclass(eq=False)
class Track:
    """One face on its way through the picture; ``frame`` and ``face`` are its best shot."""

    frame: Frame
    face: Face
    last: Face
    since: float
    seen_at: float
    is_judged: bool = False


class Tracker:
    """Follows faces; gives each track's best shot out once."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []

    def follow(self, frame: Frame, faces: Sequence[Face]) -> list[Track]:
        """Take the faces of the next frame; give the tracks whose best shot is due now. Tracks long out of sight end."""
        self._tracks = [track for track in self._tracks if frame.clock - track.seen_at < LOST_S]
        free = list(self._tracks)
        for face in faces:
            likely = [track for track in free if _continues(track, face)]
            track = max(likely, key=lambda one: iou(one.last.bbox, face.bbox), default=None)
            if track is None:
                self._tracks.append(Track(frame, face, face, frame.clock, frame.clock))
                continue
            free.remove(track)
            track.last, track.seen_at = face, frame.clock
            if face.quality > track.face.quality and not track.is_judged:
                track.frame, track.face = frame, face
        now = frame.clock
        due = [
            track
            for track in self._tracks
            if not track.is_judged and (now - track.since >= BEST_SHOT_S or track.seen_at < now)
        ]
        for track in due:
            track.is_judged = True
        return due


def _continues(track: Track, face: Face) -> bool:
    likeness = float(track.last.embedding @ face.embedding)
    return iou(track.last.bbox, face.bbox) >= SAME_FACE_IOU and likeness >= SAME_FACE_COSINE

"""Face image quality: the seven items of the wire contract, measured.

Image arithmetic is done on the aligned crop, so that values do not depend on the photograph's size; networks are asked
where it takes one (head pose, mask).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sophon import _core
from sophon.engine.alignment import ALIGNED_SIZE, Transform, box_transform, crop_into
from sophon.engine.face import HeadPose, QualityInfo
from sophon.engine.face_mesh import FaceMesh
from sophon.engine.levels import Limits
from sophon.engine.photo import Image
from sophon.engine.sessions import Network

# Sharpness (see FaceStatistics) of a heavily blurred face and of one that is just acceptable for enrolment.
_BLURRED, _ACCEPTABLE = 0.15, 0.45
# Luma that 95 % of the face stay under: where a face is lost in the dark, and where it is well lit. Looking at the
# brightest parts (forehead, nose, cheeks shine on any skin) keeps the measure independent of skin tone.
_UNLIT, _WELL_LIT = 50.0, 105.0
# Share of the face at white that highlights on forehead and nose may take, and where the face is burnt out.
_HIGHLIGHTS, _BURNT_OUT = 0.1, 0.3
# Below this level (see FaceStatistics) something dark lies over an eye; and below this one, where it is so for both
# eyes: glasses come in pairs, a shadow usually falls on one side.
_DARK_EYE, _DARK_EYES = 0.33, 0.52
# Share of the face region that must lie inside the picture.
_WHOLE = 0.97


@dataclass(frozen=True)
class Subject:
    """What the measures need to know of one face."""

    image: Image
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    transform: Transform

    def statistics(self) -> _core.FaceStatistics:
        """Return what its pixels say; a large face is shrunk smoothly first, so that grain does not count as detail."""
        crop = _core.warp_crop(self.image, self.transform, ALIGNED_SIZE, ALIGNED_SIZE, smooth=True)
        return _core.measure_face(crop, self.transform, *self.image.shape[:2])


class QualityMeter:
    """Measures the items; a network that the model pack lacks is replaced as each method says."""

    def __init__(self, face_mesh: FaceMesh | None, mask: Network | None) -> None:
        self._face_mesh = face_mesh
        self._mask = mask

    def measure(
        self, face: Subject, statistics: _core.FaceStatistics, checked_by: Limits | None = None
    ) -> QualityInfo:
        """Return the values of all items.

        `checked_by`: ask no network for what these limits don't check; the pose is then that of `pose_from_landmarks`, the
        mask None, and the mouth counts as visible. What they say of the values is the same.
        """
        asks_pose = checked_by is None or checked_by.headpose is not None
        asks_mask = checked_by is None or checked_by.mask is not None or checked_by.occlusion
        mask = self._mask_probability(face) if asks_mask else None
        return QualityInfo(
            face_size=float(shorter_side(head_box(face))),
            headpose=self._head_pose(face) if asks_pose else pose_from_landmarks(face.landmarks),
            clarity=clarity(statistics),
            brightness=brightness(statistics),
            occlusion=(*visible_eyes(statistics), mask is None or mask <= 0.5),
            mask=mask,
            partial=statistics.visible < _WHOLE,
        )

    def _head_pose(self, face: Subject) -> HeadPose:
        """Angles from the face mesh; without one, roll from the eyes alone and yaw and pitch from the nose's place."""
        from_landmarks = pose_from_landmarks(face.landmarks)
        if self._face_mesh is None:
            return from_landmarks
        mesh = self._face_mesh.fit(face.image, face.transform)
        return blended_pose(mesh.head_pose(), from_landmarks)

    def _mask_probability(self, face: Subject) -> float | None:
        if self._mask is None:
            return None
        spec = self._mask.model.input
        batch = np.empty((1, *(int(side) for side in spec.shape[1:])), np.float32)
        crop_into(face.image, box_transform(face.box, batch.shape[-1]), spec, batch[0])
        return float(self._mask.run(batch)[0][0, 0])


def clarity(face: _core.FaceStatistics) -> float:
    """Return sharpness on a scale where 1 is just acceptable for enrolment and 0 heavily blurred.

    Linear in the blur effect of Crete, Dolmiere, Ladret, Nicolas (2007), the weaker of both directions, so that motion
    blur counts. Blurring never raises it.
    """
    sharpness = min(face.sharpness_across, face.sharpness_down)
    return max(0.0, (sharpness - _BLURRED) / (_ACCEPTABLE - _BLURRED))


def brightness(face: _core.FaceStatistics) -> float:
    """Return exposure and evenness 0-1: not burnt out, times the lesser of lit enough and left and right lit alike.

    Not burnt out: the share at luma 240 and above, from 0.3 (0) down to 0.1 (1). Lit enough: the level that 95 % of the
    face stay under, from 50 (0) to 105 (1). Alike: the darker half's mean over the brighter's. It is a product because
    burning out makes both halves alike.
    """
    lit = (face.bright_level - _UNLIT) / (_WELL_LIT - _UNLIT)
    unburnt = (_BURNT_OUT - face.white_share) / (_BURNT_OUT - _HIGHLIGHTS)
    darker, brighter = sorted((face.left_mean, face.right_mean))
    alike = darker / max(brighter, 1.0)
    return min(max(unburnt, 0.0), 1.0) * min(max(lit, 0.0), alike, 1.0)


def visible_eyes(face: _core.FaceStatistics) -> tuple[bool, bool]:
    """Tell whether the subject's left and right eye are visible, that is not behind dark glasses or outside the picture."""
    left, right = face.left_eye_level, face.right_eye_level
    if max(left, right) < _DARK_EYES:
        return False, False
    return left >= _DARK_EYE, right >= _DARK_EYE


def pose_from_landmarks(landmarks: NDArray[np.float32]) -> HeadPose:
    """Return rough angles from five points: roll from the eyes' line, yaw and pitch from where the nose tip lies.

    In a frontal face the nose tip lies midway between the eyes and 0.55 of the way down to the mouth; it stands out by
    about 0.6 of the distance between the eyes.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks.astype(np.float64)
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    across = left_eye - right_eye
    width = max(float(np.hypot(*across)), 1e-6)
    unit_across = across / width
    unit_down = np.array([-unit_across[1], unit_across[0]])
    height = max(float((mouth - eyes) @ unit_down), 1e-6)
    reach = 0.6 * max(width, 0.6 * height)
    middle = eyes + 0.55 * (mouth - eyes)
    offset = nose - middle
    return HeadPose(
        pitch=math.degrees(math.asin(float(np.clip(-(offset @ unit_down) / reach, -1, 1)))),
        roll=math.degrees(math.atan2(across[1], across[0])),
        yaw=math.degrees(math.asin(float(np.clip(offset @ unit_across / reach, -1, 1)))),
    )


def blended_pose(mesh: HeadPose, landmarks: HeadPose) -> HeadPose:
    """Return the mesh's angles, with the yaw of the five landmarks where the head is turned far.

    The mesh model has seen few profiles and stops near 45°; where the nose tip leaves the middle between the eyes it is
    the surer sign. From 30° to 50° of the landmarks' yaw the larger of both takes over.
    """
    share = float(np.clip((abs(landmarks.yaw) - 30) / 20, 0, 1))
    turned = max(mesh.yaw, landmarks.yaw, key=abs)
    return HeadPose(pitch=mesh.pitch, roll=mesh.roll, yaw=(1 - share) * mesh.yaw + share * turned)


def head_box(face: Subject) -> tuple[int, int, int, int]:
    """Return the box from ear to ear and from hairline to chin, whole pixels inside the picture.

    The detector's box ends at the cheekbones; with both ears a head is 1.3 times as wide.
    """
    height, width = face.image.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in face.box)
    ear = 0.15 * (x2 - x1)
    left, right = (round(min(max(x, 0.0), width)) for x in (x1 - ear, x2 + ear))
    top, bottom = (round(min(max(y, 0.0), height)) for y in (y1, y2))
    return left, top, right, bottom


def overall_score(face: Subject, statistics: _core.FaceStatistics, utility: float | None) -> float:
    """Return the overall quality 0-1: how well the face serves recognition.

    That is what the embedding network itself tells (`Embedder.utility`), less where the face is under 80 pixels or cut
    by the picture's edge. Where the network's scale is unknown, clarity, brightness and pose stand in for it. It asks no
    further network, so that recognition can afford it on every face.
    """
    if utility is None:
        pose = math.cos(math.radians(min(pose_from_landmarks(face.landmarks).total, 90.0)))
        sharp = min(clarity(statistics) / 1.5, 1.0)
        utility = float(np.cbrt(max(pose, 0.0) * sharp * brightness(statistics)))
    return utility * min(shorter_side(head_box(face)) / 80.0, 1.0) * statistics.visible


def shorter_side(box: tuple[int, int, int, int]) -> int:
    """Return the shorter side of a box x1, y1, x2, y2."""
    x1, y1, x2, y2 = box
    return min(x2 - x1, y2 - y1)

"""From a photograph to faces: detection, alignment, embedding and quality, in one object."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sophon._core import FaceStatistics
from sophon.engine.alignment import aligning_transform
from sophon.engine.bulk import Outcome, map_in_order
from sophon.engine.detector import FaceDetector
from sophon.engine.embedder import Embedder, making_id, unit_embeddings
from sophon.engine.face import Face, FaceQuality
from sophon.engine.face_contour import FaceContour, is_cut, is_profile
from sophon.engine.face_mesh import FaceMesh
from sophon.engine.levels import QualityLevels
from sophon.engine.photo import Image, PhotoSource, load_photo
from sophon.engine.quality import QualityMeter, Subject, head_box, overall_score
from sophon.engine.sessions import open_network
from sophon.models import ModelPack, Role

Accuracy = Literal["fast", "best"]

_DETECTOR_SIZES: dict[Accuracy, tuple[int, ...]] = {"best": (480, 192), "fast": (320, 480, 192)}


class EnrolmentCandidate(NamedTuple):
    """A face, and how it was judged."""

    face: Face
    quality: FaceQuality


class FaceEngine:
    """Photographs in, faces out. One engine may be used from several threads at once.

    The networks are loaded when the engine is made and freed by `close`, or at the end of a `with` block.
    """

    def __init__(
        self,
        models: ModelPack | None = None,
        *,
        accuracy: Accuracy = "best",
        threads: int = 1,
        detector_sizes: tuple[int, ...] | None = None,
        min_score: float = 0.6,
        max_iou: float = 0.3,
        levels: QualityLevels | None = None,
    ) -> None:
        """Load the networks of a pack, by default of the installed one.

        `accuracy`: how faces are found and aligned. "best": at all detector sizes, which agree on each face, and aligned by
        the 68-point network, which sees tilted heads as they are; any pack without that network aligns by the
        detector's five landmarks. "fast": at one size after the other until faces are found, aligned by the detector's
        landmarks; a 640 × 480 photograph with one face takes about a third less time, and of the photographs in the tests
        0.9933 instead of 0.9967 are verified rightly. Embeddings of the two have different making ids.
        `threads`: how many threads one network uses. `detector_sizes`: the lengths, in pixels, to which a photograph's
        longer side is brought for detection, 480 and 192 by default, of "fast" 320, 480 and 192 in turn; faces of about
        10-300 pixels are found at each. `min_score` 0-1: faces the
        detector is less sure of are left out. `max_iou` 0-1: a face that overlaps a better one more is left out.
        `levels`: limits of the quality levels, by default the wire contract's.

        Raises SophonError (SERVER_PROCESS_FAILED) where no pack is installed, or a model changed or can't be loaded.
        """
        pack = models if models is not None else ModelPack.load()
        self._levels = levels if levels is not None else QualityLevels()
        self._detector = FaceDetector(
            open_network(pack, Role.DETECTOR, threads),
            sizes=detector_sizes or _DETECTOR_SIZES[accuracy],
            merged=accuracy == "best",
            min_score=min_score,
            max_iou=max_iou,
        )
        self._embedder = Embedder(open_network(pack, Role.EMBEDDING, threads))
        by_contour = accuracy == "best" and pack.has(Role.LANDMARKS_68)
        self._contour = FaceContour(open_network(pack, Role.LANDMARKS_68, threads)) if by_contour else None
        landmarks = pack.model(Role.LANDMARKS_68 if by_contour else Role.DETECTOR)
        self._making_id = making_id(self._embedder.model, landmarks)
        mesh = FaceMesh(open_network(pack, Role.FACE_MESH, threads)) if pack.has(Role.FACE_MESH) else None
        mask = open_network(pack, Role.MASK, threads) if pack.has(Role.MASK) else None
        self._meter = QualityMeter(mesh, mask)

    def __enter__(self) -> FaceEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the networks; the engine can't be used afterwards."""
        for part in ("_detector", "_embedder", "_contour", "_meter"):
            self.__dict__.pop(part, None)

    @property
    def dim(self) -> int:
        """Length of the embeddings."""
        return self._embedder.dim

    @property
    def making_id(self) -> str:
        """What an embedding depends on, as a short hash; embeddings of different makings must not be compared."""
        return self._making_id

    @property
    def levels(self) -> QualityLevels:
        """Return the limits of the quality levels in use."""
        return self._levels

    def analyze(self, image: PhotoSource) -> list[Face]:
        """Return the faces of a photograph, largest first; no face is an empty list.

        Raises SophonError as `load_photo` does; BAD_FEATURE where an embedding is unusable.
        """
        return [face for face, _, _ in self._faces(load_photo(image))]

    def assess(self, image: PhotoSource, level: str = "high") -> list[FaceQuality]:
        """Judge every face of a photograph at a level (high, custom, middle, low, no), largest first.

        Raises SophonError as `load_photo` does; PARAM_ERROR for an unknown level.
        """
        return [candidate.quality for candidate in self.enroll_candidates(image, level)]

    def enroll_candidates(
        self, image: PhotoSource, level: str = "high", *, only_checked: bool = False
    ) -> list[EnrolmentCandidate]:
        """Return every face of a photograph with its judgement, largest first: decoded and detected once for both.

        `only_checked`: leave out what the level doesn't check. The judgement is the same; of the values in `info` the pose
        may be a rough one and the mask None. Raises SophonError as `analyze` and `assess` do.
        """
        limits = self._levels.limits(level)
        candidates = []
        for face, subject, statistics in self._faces(load_photo(image)):
            info = self._meter.measure(subject, statistics, limits if only_checked else None)
            verdicts = limits.judge(info)
            success = tuple(verdict.item.value for verdict in verdicts if verdict.passed is True)
            fails = tuple(verdict.item.value for verdict in verdicts if verdict.passed is False)
            quality = FaceQuality(head_box(subject), not fails, face.quality, success, fails, info)
            candidates.append(EnrolmentCandidate(face, quality))
        return candidates

    def analyze_many(
        self, photos: Iterable[PhotoSource], *, workers: int | None = None, ahead: int | None = None
    ) -> Generator[Outcome[PhotoSource, list[Face]], None, None]:
        """Analyse photographs on several threads, by default one per core, and yield the outcomes in their order.

        What `analyze` would raise for a photograph is its outcome's `error` and does not stop the rest. At most `ahead`
        (default: twice the workers) photographs are taken from `photos` ahead of those yielded. The threads end with
        the iteration; `close` the generator to end it early.
        """
        return map_in_order(self.analyze, photos, workers=workers, ahead=ahead)

    def enroll_candidates_many(
        self,
        photos: Iterable[PhotoSource],
        level: str = "high",
        *,
        workers: int | None = None,
        ahead: int | None = None,
    ) -> Generator[Outcome[PhotoSource, list[EnrolmentCandidate]], None, None]:
        """Judge photographs for enrolment on several threads, as `analyze_many` does.

        Raises SophonError (PARAM_ERROR) for an unknown level, before any photograph is looked at.
        """
        self._levels.limits(level)
        judge = partial(self.enroll_candidates, level=level)
        return map_in_order(judge, photos, workers=workers, ahead=ahead)

    def _faces(self, photo: Image) -> Iterator[tuple[Face, Subject, FaceStatistics]]:
        found = self._detector.detect(photo)
        landmarks = [
            self._landmarks_for_alignment(photo, box, points)
            for box, points in zip(found.boxes, found.landmarks, strict=True)
        ]
        transforms = [aligning_transform(points) for points in landmarks]
        raw, crops = self._embedder.embed(photo, transforms)
        embeddings = unit_embeddings(raw)
        for i, crop in enumerate(crops):
            box = found.boxes[i]
            subject = Subject(photo, box, found.landmarks[i], transforms[i])
            statistics = subject.statistics()
            score = overall_score(subject, statistics, self._embedder.utility(raw[i]))
            yield (
                Face(_inside(box, photo), landmarks[i], float(found.scores[i]), score, embeddings[i], crop),
                subject,
                statistics,
            )

    def _landmarks_for_alignment(
        self, photo: Image, box: NDArray[np.float32], detected: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the five landmarks to align by.

        The detector was trained on upright faces and understates the tilt of others, at 30° often by 10 to 25: embeddings
        of tilted heads would be lost. A profile's eyes lie too close together to tell a tilt by them, and of a face that
        the picture's edge cuts the detector guesses the rest better.
        """
        if self._contour is None or is_profile(detected) or is_cut(photo, detected):
            return detected
        return self._contour.landmarks(photo, box)


def _inside(box: NDArray[np.float32], photo: Image) -> NDArray[np.float32]:
    height, width = photo.shape[:2]
    return np.clip(box, 0, np.array([width, height, width, height], np.float32))

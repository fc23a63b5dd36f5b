"""A fixed photograph through the engine and through a plain OpenCV, NumPy and ONNX Runtime pipeline: the same face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from sophon.engine import FaceEngine
from sophon.engine.detector import FaceDetector
from sophon.engine.photo import load_photo
from sophon.engine.sessions import open_network
from sophon.models import ModelPack, Role
from tests.engine import reference


def plain_session(pack: ModelPack, role: Role) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(pack.read(role), options, providers=["CPUExecutionProvider"])


def plain_faces(pack: ModelPack, image: NDArray[Any], size: int) -> NDArray[np.float64]:
    """All detections (n, 15), in pixels of the image, with its longer side shrunk to `size`."""
    scale = size / max(image.shape[:2])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    small = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(small, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    outputs = plain_session(pack, Role.DETECTOR).run(None, {"input": padded.transpose(2, 0, 1)[None]})
    faces = reference.yunet_faces(outputs, padded.shape[0], padded.shape[1], 0.6).astype(np.float64)
    faces[:, 0:14:2] *= image.shape[1] / width
    faces[:, 1:14:2] *= image.shape[0] / height
    return faces


def plain_landmarks(pack: ModelPack, image: NDArray[Any], sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """The five points of the best face: the mean of all detections of it at these scales, weighted by score."""
    faces = np.concatenate([plain_faces(pack, image, size) for size in sizes])
    best = faces[np.argmax(faces[:, 14])]
    same = np.array([face for face in faces if reference.overlap(best, face) >= 0.5])
    points: NDArray[np.float64] = np.average(same[:, 4:14], axis=0, weights=same[:, 14]).reshape(5, 2)
    return points


def plain_embedding(
    pack: ModelPack, image: NDArray[Any], landmarks: NDArray[np.float64]
) -> NDArray[np.float64]:
    crop = cv2.warpAffine(
        image, reference.umeyama(landmarks, reference.ARCFACE), (112, 112), flags=cv2.INTER_LINEAR
    )
    batch = ((crop.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
    raw = plain_session(pack, Role.EMBEDDING).run(None, {"input": batch})[0][0].astype(np.float64)
    unit: NDArray[np.float64] = raw / np.linalg.norm(raw)
    return unit


def plain_contour_landmarks(
    pack: ModelPack, image: NDArray[Any], box: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The five points by way of the 68-point network; a tilted face is turned upright and looked at again."""
    session = plain_session(pack, Role.LANDMARKS_68)
    centre, side, tilt = (box[:2] + box[2:]) / 2, float(box[3] - box[1]), 0.0
    for _ in range(2):
        # a square of 256 pixels, from which the mean of every 4 × 4 is taken: 64
        turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), tilt, 256 / side)
        turn[:, 2] += 127.5 - centre
        large = cv2.warpAffine(
            image, turn, (256, 256), flags=cv2.INTER_AREA if side > 512 else cv2.INTER_LINEAR
        )
        grey = cv2.cvtColor(cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        points = session.run(None, {"input": grey[None, None].astype(np.float32) / 256})[0].reshape(68, 2)
        in_large = (
            points.astype(np.float64) * 256 + 1.5
        )  # pixel centres of the small picture lie between four large
        in_photo = (in_large - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T
        eyes = in_photo[36:42].mean(axis=0), in_photo[42:48].mean(axis=0)
        tilt = float(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1])))
        if abs(tilt) <= 8:
            break
    return np.array([*eyes, in_photo[30], in_photo[48], in_photo[54]])


PORTRAITS = ["barack_obama/obama.jpg", "barack_obama/obama2.jpg", "joe_biden/biden.jpg"]


@pytest.mark.parametrize("file", PORTRAITS)
def test_landmarks_and_embedding_are_those_of_a_plain_pipeline(
    model_pack: ModelPack, portraits: Path, file: str
) -> None:
    # given a photograph decoded by OpenCV alone, and the landmarks and embedding of a plain pipeline
    image = cv2.imread(str(portraits / "people" / file), cv2.IMREAD_COLOR)
    assert image is not None
    landmarks = plain_landmarks(model_pack, image, (320,))
    # when the engine analyses it from its path, aligning by the detector at one scale
    with FaceEngine(model_pack, accuracy="fast") as engine:
        face = engine.analyze(portraits / "people" / file)[0]
    # then the landmarks are the plain pipeline's to a pixel, and the embedding is the same but for rounding
    assert np.abs(face.landmarks - landmarks).max() < 1.0
    assert face.embedding @ plain_embedding(model_pack, image, landmarks) >= 0.999


@pytest.mark.parametrize("file", PORTRAITS)
def test_two_scales_agree_on_the_landmarks(model_pack: ModelPack, portraits: Path, file: str) -> None:
    image = load_photo(portraits / "people" / file)
    network = open_network(model_pack, Role.DETECTOR, 1)
    detector = FaceDetector(network, sizes=(480, 192), merged=True, min_score=0.6, max_iou=0.3)
    landmarks = plain_landmarks(model_pack, image, (480, 192))
    assert np.abs(detector.detect(image).landmarks[0] - landmarks).max() < 1.0


def test_a_scale_that_shows_a_face_spares_the_others(model_pack: ModelPack, portraits: Path) -> None:
    image = load_photo(portraits / "people" / PORTRAITS[0])
    network = open_network(model_pack, Role.DETECTOR, 1)

    def faces(*sizes: int, merged: bool) -> NDArray[np.float32]:
        detector = FaceDetector(network, sizes=sizes, merged=merged, min_score=0.6, max_iou=0.3)
        return detector.detect(image).landmarks

    np.testing.assert_array_equal(faces(320, 192, merged=False), faces(320, merged=True))
    np.testing.assert_array_equal(faces(32, 320, merged=False), faces(320, merged=True))


@pytest.mark.parametrize("file", PORTRAITS)
def test_alignment_by_68_points_is_that_of_a_plain_pipeline(
    engine: FaceEngine, model_pack: ModelPack, portraits: Path, file: str
) -> None:
    image = cv2.imread(str(portraits / "people" / file), cv2.IMREAD_COLOR)
    assert image is not None
    face = engine.analyze(image)[0]
    landmarks = plain_contour_landmarks(model_pack, image, face.bbox)
    size = float(face.bbox[3] - face.bbox[1])
    assert np.abs(face.landmarks - landmarks).max() < 0.01 * size
    assert face.embedding @ plain_embedding(model_pack, image, face.landmarks.astype(np.float64)) >= 0.999


def test_the_aligned_crop_gives_the_same_embedding_again(
    engine: FaceEngine, model_pack: ModelPack, portrait: Path
) -> None:
    face = engine.analyze(portrait)[0]
    batch = ((face.aligned.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
    raw = plain_session(model_pack, Role.EMBEDDING).run(None, {"input": batch})[0][0]
    np.testing.assert_allclose(raw / np.linalg.norm(raw), face.embedding, atol=1e-6)

"""The engine as a whole, on real photographs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sophon.engine import Face, FaceEngine, load_photo
from sophon.engine.embedder import making_id
from sophon.errors import Code, SophonError
from sophon.models import Manifest, ModelPack, Role

HEIGHT, WIDTH = 960, 1280


def scene_with_face(
    portrait: Path, engine: FaceEngine, share: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A grey picture with the portrait pasted so that the face fills `share` of its height; and the face's box."""
    photo = load_photo(portrait)
    x1, y1, x2, y2 = engine.analyze(photo)[0].bbox.astype(np.float64)
    scale = share * HEIGHT / (y2 - y1)
    height, width = round(photo.shape[0] * scale), round(photo.shape[1] * scale)
    small = cv2.resize(
        photo, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    left, top = (WIDTH - (x1 + x2) * scale) / 2, (HEIGHT - (y1 + y2) * scale) / 2
    move = np.array([[1.0, 0, round(left)], [0, 1.0, round(top)]])
    scene = cv2.warpAffine(small, move, (WIDTH, HEIGHT), borderValue=(128, 128, 128))
    box = np.array([x1, y1, x2, y2]) * scale + [round(left), round(top)] * 2
    return scene, box


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.5, 0.8, 0.95])
def test_faces_of_all_sizes_are_found(engine: FaceEngine, portrait: Path, share: float) -> None:
    scene, box = scene_with_face(portrait, engine, share)
    faces = engine.analyze(scene)
    assert len(faces) == 1
    found = faces[0].bbox
    assert np.abs(found - box).max() < 0.12 * (box[3] - box[1])


def test_a_face_of_any_size_is_the_same_person(engine: FaceEngine, portrait: Path) -> None:
    embeddings = [
        engine.analyze(scene_with_face(portrait, engine, share)[0])[0].embedding for share in (0.1, 0.3, 0.95)
    ]
    similarity = np.array(embeddings) @ embeddings[1]
    assert similarity.min() > 0.7


def test_what_is_known_of_a_face(engine: FaceEngine, portrait: Path) -> None:
    face = engine.analyze(portrait)[0]
    photo = load_photo(portrait)
    assert isinstance(face, Face)
    assert face.bbox.dtype == face.landmarks.dtype == face.embedding.dtype == np.float32
    assert face.bbox.shape == (4,)
    assert face.landmarks.shape == (5, 2)
    assert face.embedding.shape == (engine.dim,)
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-6)
    assert face.aligned.shape == (112, 112, 3)
    assert 0 <= face.bbox[0] < face.bbox[2] <= photo.shape[1]
    assert 0.6 <= face.score <= 1
    assert 0 <= face.quality <= 1
    # the image's left eye and mouth corner come first
    assert face.landmarks[0, 0] < face.landmarks[1, 0]
    assert face.landmarks[3, 0] < face.landmarks[4, 0]


def test_path_bytes_and_array_give_the_same_face(engine: FaceEngine, portrait: Path) -> None:
    faces = [
        engine.analyze(source)[0]
        for source in (portrait, str(portrait), portrait.read_bytes(), load_photo(portrait))
    ]
    for face in faces[1:]:
        np.testing.assert_array_equal(face.embedding, faces[0].embedding)


def test_the_largest_face_comes_first(engine: FaceEngine, portraits: Path) -> None:
    # given two portraits side by side, the second at half the size
    first = load_photo(portraits / "people" / "joe_biden" / "biden.jpg")
    second = load_photo(portraits / "people" / "barack_obama" / "obama.jpg")
    scene = np.full((first.shape[0], first.shape[1] + second.shape[1], 3), 128, np.uint8)
    half = cv2.resize(second, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    scene[: half.shape[0], : half.shape[1]] = half
    scene[:, second.shape[1] :] = first
    faces = engine.analyze(scene)
    areas = [float(np.prod(face.bbox[2:] - face.bbox[:2])) for face in faces]
    assert len(faces) == 2
    assert areas == sorted(areas, reverse=True)


def test_no_face_is_an_empty_list(engine: FaceEngine) -> None:
    nothing = np.full((480, 640, 3), 77, np.uint8)
    assert engine.analyze(nothing) == []
    assert engine.assess(nothing) == []


def test_assessment_and_analysis_speak_of_the_same_face(engine: FaceEngine, portrait: Path) -> None:
    face, quality = engine.enroll_candidates(portrait, "high")[0]
    assert quality.score == face.quality == engine.analyze(portrait)[0].quality
    assert quality == engine.assess(portrait, "high")[0]


@pytest.mark.parametrize("level", ["high", "custom", "middle", "low", "no"])
def test_measuring_only_what_a_level_checks_ends_in_the_same_judgement(
    engine: FaceEngine, portraits: Path, level: str
) -> None:
    for path in sorted(portraits.glob("people/*/*.jpg")):
        photo = load_photo(path)
        for image in (photo, np.ascontiguousarray(np.rot90(photo)), cv2.GaussianBlur(photo, None, 9)):
            judged = engine.enroll_candidates(image, level, only_checked=True)
            wholly = engine.enroll_candidates(image, level)
            assert len(judged) == len(wholly)
            for (face, quality), (same_face, same_quality) in zip(judged, wholly, strict=True):
                np.testing.assert_array_equal(face.embedding, same_face.embedding)
                assert (quality.fails, quality.success) == (same_quality.fails, same_quality.success)


def test_one_engine_serves_many_threads(engine: FaceEngine, portraits: Path) -> None:
    photos = [load_photo(path) for path in sorted(portraits.glob("people/*/*.jpg"))]
    expected = [engine.analyze(photo) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(engine.analyze, photos * 4))
    for faces, alone in zip(results, expected * 4, strict=True):
        assert len(faces) == len(alone)
        for face, same in zip(faces, alone, strict=True):
            np.testing.assert_array_equal(face.embedding, same.embedding)
            np.testing.assert_array_equal(face.bbox, same.bbox)


def without(pack: ModelPack, *roles: Role) -> ModelPack:
    models = tuple(model for model in pack.models if model.role not in roles)
    return ModelPack(pack.directory, Manifest.model_construct(**{**dict(pack.manifest), "models": models}))


def test_a_pack_of_two_models_is_enough(model_pack: ModelPack, engine: FaceEngine, portrait: Path) -> None:
    # given a pack with nothing but a detector and an embedding
    others = [role for role in Role if role not in (Role.DETECTOR, Role.EMBEDDING)]
    with FaceEngine(without(model_pack, *others)) as plain:
        quality = plain.assess(portrait, "high")[0]
        embedding = plain.analyze(portrait)[0].embedding
    # then the person is the same, the mask is said not to be measured, and the rest is
    assert embedding @ engine.analyze(portrait)[0].embedding > 0.9
    assert quality.info.mask is None
    assert "mask" not in quality.info.to_dict()
    assert "mask" not in quality.success + quality.fails
    assert quality.fiqa_result
    assert quality.info.headpose.total < 25


def test_a_pack_without_a_detector_is_refused(model_pack: ModelPack) -> None:
    with pytest.raises(SophonError, match="detector") as caught:
        FaceEngine(without(model_pack, Role.DETECTOR))
    assert caught.value.code is Code.SERVER_PROCESS_FAILED


def test_the_making_id_is_stable_and_names_the_embedding(engine: FaceEngine, model_pack: ModelPack) -> None:
    with FaceEngine(model_pack) as again:
        assert again.making_id == engine.making_id
    assert len(engine.making_id) == 16
    with FaceEngine(model_pack, accuracy="fast") as otherwise_aligned:
        assert otherwise_aligned.making_id != engine.making_id
    embedding, landmarks = model_pack.model(Role.EMBEDDING), model_pack.model(Role.LANDMARKS_68)
    assert making_id(embedding, landmarks) == engine.making_id
    assert making_id(embedding.model_copy(update={"sha256": "0" * 64}), landmarks) != engine.making_id


def test_many_photographs_give_what_one_by_one_gives(engine: FaceEngine, portraits: Path) -> None:
    # given photographs, one of them damaged
    photos = sorted((portraits / "people").rglob("*.jpg"))
    damaged = photos[0].read_bytes()[:1000]
    # when they are analysed in bulk
    outcomes = list(engine.analyze_many([*photos, damaged, photos[0]], workers=3))
    # then each gives the very faces it gives alone, in order, and the damaged one its error
    assert [outcome.error is None for outcome in outcomes] == [True] * len(photos) + [False, True]
    for outcome in [*outcomes[:-2], outcomes[-1]]:
        for face, alone in zip(outcome.get(), engine.analyze(outcome.item), strict=True):
            np.testing.assert_array_equal(face.embedding, alone.embedding)


def test_many_photographs_are_judged_as_one_by_one(engine: FaceEngine, portraits: Path) -> None:
    photos = sorted((portraits / "people").rglob("*.jpg"))
    for outcome in engine.enroll_candidates_many(photos, "middle", workers=2):
        assert [c.quality for c in outcome.get()] == engine.assess(outcome.item, "middle")
    with pytest.raises(SophonError, match="unknown quality level"):
        engine.enroll_candidates_many(photos, "strictest")

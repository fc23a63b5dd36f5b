"""The converted models of the standard pack, on a real portrait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from sophon.models import ModelPack, Role

Session = Any  # onnxruntime is untyped


def session(pack: ModelPack, role: Role) -> Session:
    return onnxruntime.InferenceSession(pack.read(role))


@pytest.fixture(scope="module")
def portrait(portraits: Path) -> NDArray[np.uint8]:
    """A square of 200 pixels around a face; by OpenCV's FaceDetectorYN its eyes are at (76, 82) and (121, 83)."""
    image = cv2.imread(str(portraits / "people" / "eileen_collins" / "astronaut.png"))
    assert image is not None
    crop: NDArray[np.uint8] = image[20:220, 125:325]
    return crop


def blob(pack: ModelPack, role: Role, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Make an image into a network's input, as its manifest says."""
    spec = pack.model(role).input
    height, width = spec.shape[2:]
    size = (width, height) if isinstance(width, int) else (image.shape[1], image.shape[0])
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    pixels = resized[..., ::-1] if spec.colour == "rgb" else resized
    normalised = (pixels - np.array(spec.mean, np.float32)) / np.float32(spec.divisor)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def test_every_file_has_the_inputs_and_outputs_that_the_manifest_says(model_pack: ModelPack) -> None:
    for model in model_pack.models:
        opened = session(model_pack, model.role)
        found = [(value.name, tuple(value.shape)) for value in [*opened.get_inputs(), *opened.get_outputs()]]
        said = [(model.input.name, model.input.shape)] + [
            (output.name, output.shape) for output in model.outputs
        ]
        assert found == said, model.role


def best_face(detector: Session, image: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    """Return the score and the centre (x, y) of the most certain face."""
    faces = []
    for stride in (8, 16, 32):
        cls, obj, boxes = detector.run(
            [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox")], {"input": image}
        )
        row = int(np.argmax(cls * obj))
        cell = np.array(divmod(row, image.shape[3] // stride))[::-1]
        faces.append((float(np.sqrt(cls[0, row, 0] * obj[0, row, 0])), (cell + boxes[0, row, :2]) * stride))
    return max(faces, key=lambda face: face[0])


@pytest.mark.parametrize(("width", "height"), [(224, 224), (320, 224), (224, 416), (640, 640)])
def test_the_detector_takes_any_size_and_finds_the_face_in_the_same_place(
    model_pack: ModelPack, portrait: NDArray[np.uint8], width: int, height: int
) -> None:
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[:200, :200] = portrait
    score, centre = best_face(session(model_pack, Role.DETECTOR), blob(model_pack, Role.DETECTOR, canvas))
    assert score > 0.8
    np.testing.assert_allclose(centre, (97.5, 103), atol=4)


def test_embeddings_of_a_batch_are_those_of_its_rows(
    model_pack: ModelPack, portrait: NDArray[np.uint8]
) -> None:
    embedder = session(model_pack, Role.EMBEDDING)
    first = blob(model_pack, Role.EMBEDDING, portrait)
    batch = np.concatenate([first, np.ascontiguousarray(first[..., ::-1]), first * 0.5])
    (together,) = embedder.run(None, {"input": batch})
    apart = [embedder.run(None, {"input": row[None]})[0][0] for row in batch]
    np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-4)


def test_freeing_the_batch_changed_no_weight(model_pack: ModelPack) -> None:
    freed = onnx.load_from_string(model_pack.read(Role.EMBEDDING))
    shape = freed.graph.node[-1].input[1]
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in freed.graph.initializer}
    assert values.pop(shape).tolist() == [0, -1]
    assert all(value.dtype == np.float32 for value in values.values())
    assert freed.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_the_mesh_finds_the_face_and_where_its_eyes_are(
    model_pack: ModelPack, portrait: NDArray[np.uint8]
) -> None:
    mesh = session(model_pack, Role.FACE_MESH)
    points, presence = mesh.run(None, {"input": blob(model_pack, Role.FACE_MESH, portrait)})
    x, y, _ = points.reshape(468, 3).T * 200 / 192
    assert presence[0, 0] > 0
    # MediaPipe's numbering: 33 and 133 are the corners of the right eye, 362 and 263 those of the left one.
    right = np.array([x[[33, 133]].mean(), y[[33, 133]].mean()])
    left = np.array([x[[362, 263]].mean(), y[[362, 263]].mean()])
    np.testing.assert_allclose(right, (76, 82), atol=6)
    np.testing.assert_allclose(left, (121, 83), atol=6)


def test_no_face_no_mesh(model_pack: ModelPack) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    mesh = session(model_pack, Role.FACE_MESH)
    (presence,) = mesh.run(["conv2d_30"], {"input": blob(model_pack, Role.FACE_MESH, noise)})
    assert presence[0, 0] < 0


def test_a_bare_face_wears_no_mask_and_one_with_its_lower_half_covered_does(
    model_pack: ModelPack, portrait: NDArray[np.uint8]
) -> None:
    face = portrait[50:155, 65:145].copy()
    masked = face.copy()
    cv2.fillPoly(masked, [np.array([[4, 58], [40, 50], [76, 58], [66, 100], [14, 100]])], (225, 200, 150))
    network = session(model_pack, Role.MASK)
    (bare,) = network.run(None, {"input": blob(model_pack, Role.MASK, face)})
    (covered,) = network.run(None, {"input": blob(model_pack, Role.MASK, masked)})
    assert bare[0].sum() == pytest.approx(1, abs=1e-5)
    assert bare[0, 0] < 0.5 < covered[0, 0]

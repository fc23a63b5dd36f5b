"""A user's own embedding network, brought by a manifest alone: other input name, colours, scale, batch and dimension."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sophon.engine import FaceEngine
from sophon.models import InputSpec, Manifest, ModelPack, OutputSpec, Role
from sophon.models.converters.graph import GraphWriter
from sophon.models.install import install_from_folder
from sophon.models.manifest import MANIFEST, Crop
from tests.models.packs import model


def block_means() -> bytes:
    """A network whose embedding is the mean of each 14 × 14 block of each channel: (1, 3, 112, 112) → (1, 192)."""
    graph = GraphWriter("block means")
    means = graph.node("AveragePool", ["data"], "means", kernel_shape=[14, 14], strides=[14, 14])
    graph.node("Flatten", [means], "fc1")
    return graph.serialise({"data": [1, 3, 112, 112]}, {"fc1": [1, 192]})


@pytest.fixture
def own_pack(tmp_path: Path, model_pack: ModelPack) -> ModelPack:
    """The standard detector beside the network of one's own, as files and a manifest, installed."""
    folder = tmp_path / "mine"
    folder.mkdir()
    detector = model_pack.model(Role.DETECTOR).model_copy(update={"file": "detector.onnx"})
    spec = InputSpec(
        name="data",
        shape=(1, 3, 112, 112),
        colour="rgb",
        mean=(10.0, 20.0, 30.0),
        divisor=64.0,
        crop=Crop.ARCFACE,
    )
    embedding = model(Role.EMBEDDING, block_means()).model_copy(
        update={"input": spec, "outputs": (OutputSpec(name="fc1", shape=(1, 192), meaning="block means"),)}
    )
    manifest = Manifest(name="mine", description="", models=(detector, embedding))
    (folder / "detector.onnx").write_bytes(model_pack.read(Role.DETECTOR))
    (folder / "embedding.onnx").write_bytes(block_means())
    (folder / MANIFEST).write_bytes(manifest.to_json())
    return install_from_folder(folder, tmp_path / "installed")


def test_the_engine_feeds_it_as_its_manifest_says(own_pack: ModelPack, portraits: Path) -> None:
    with FaceEngine(own_pack) as engine:
        assert engine.dim == 192
        face = engine.analyze(portraits / "people" / "barack_obama" / "obama.jpg")[0]
    rgb = face.aligned[..., ::-1].astype(np.float64)
    expected = (
        ((rgb - (10, 20, 30)) / 64).reshape(8, 14, 8, 14, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    )
    np.testing.assert_allclose(face.embedding, expected / np.linalg.norm(expected), atol=1e-4)


def test_its_embeddings_are_of_another_making(own_pack: ModelPack, model_pack: ModelPack) -> None:
    with FaceEngine(own_pack) as own, FaceEngine(model_pack) as standard:
        assert own.making_id != standard.making_id

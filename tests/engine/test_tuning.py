"""Runtimes: OpenVINO says what ONNX Runtime says, and the measured choice is what engines use."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from sophon.cli import app
from sophon.engine.sessions import OnnxNetwork, OpenVinoNetwork, open_network
from sophon.engine.tune import tune
from sophon.engine.tuning import TUNING, Choice, Runtime, Tuning, read_tuning
from sophon.models import ModelPack, Role
from sophon.models.manifest import MANIFEST


@pytest.fixture
def small_pack(model_pack: ModelPack, tmp_path: Path) -> ModelPack:
    """A pack of its own with the smallest network."""
    model = model_pack.model(Role.LANDMARKS_68)
    shutil.copy(model_pack.directory / model.file, tmp_path / model.file)
    manifest = model_pack.manifest.model_copy(update={"models": (model,)})
    (tmp_path / MANIFEST).write_bytes(manifest.to_json())
    return ModelPack.load(tmp_path)


@pytest.mark.parametrize(
    ("role", "shape"),
    [
        (Role.DETECTOR, (1, 3, 160, 192)),
        (Role.EMBEDDING, (3, 3, 112, 112)),
        (Role.LANDMARKS_68, (2, 1, 64, 64)),
        (Role.FACE_MESH, (1, 3, 192, 192)),
    ],
)
def test_both_runtimes_say_the_same(model_pack: ModelPack, role: Role, shape: tuple[int, ...]) -> None:
    batch = np.random.default_rng(1).random(shape, np.float32)
    by_onnx, by_openvino = (open_network(model_pack, role, 1, runtime).run(batch) for runtime in Runtime)
    assert [one.shape for one in by_openvino] == [one.shape for one in by_onnx]
    for one, other in zip(by_openvino, by_onnx, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_one_network_serves_several_threads(small_pack: ModelPack) -> None:
    network = open_network(small_pack, Role.LANDMARKS_68, 1, Runtime.OPENVINO)
    batches = np.random.default_rng(2).random((40, 1, 1, 64, 64), np.float32)
    alone = [network.run(batch)[0] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = [outputs[0] for outputs in pool.map(network.run, batches)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_choice_is_measured_kept_and_used(small_pack: ModelPack) -> None:
    model = small_pack.model(Role.LANDMARKS_68)
    rounds: list[int] = []
    tuning = tune(small_pack, rounds=5, on_round=lambda _, done: rounds.append(done))
    choice = tuning.choices[model.sha256]
    assert set(choice.medians_ms) == set(Runtime)
    assert rounds[-1] == 5
    assert read_tuning(small_pack.directory) == tuning

    for runtime, kind in ((Runtime.OPENVINO, OpenVinoNetwork), (Runtime.ONNXRUNTIME, OnnxNetwork)):
        chosen = Tuning(choices={model.sha256: Choice(runtime=runtime, medians_ms={runtime: 1.0})})
        (small_pack.directory / TUNING).write_text(chosen.model_dump_json())
        assert isinstance(open_network(small_pack, Role.LANDMARKS_68, 1), kind)


@pytest.mark.parametrize("content", [b"", b"{", b'{"choices": {"0": {"runtime": "none"}}}'])
def test_a_damaged_choice_counts_as_none(small_pack: ModelPack, content: bytes) -> None:
    (small_pack.directory / TUNING).write_bytes(content)
    assert isinstance(open_network(small_pack, Role.LANDMARKS_68, 1), OnnxNetwork)


def test_the_choice_for_another_model_counts_as_none(small_pack: ModelPack) -> None:
    other = Tuning(choices={"0" * 64: Choice(runtime=Runtime.OPENVINO, medians_ms={})})
    (small_pack.directory / TUNING).write_text(other.model_dump_json())
    assert isinstance(open_network(small_pack, Role.LANDMARKS_68, 1), OnnxNetwork)


def test_the_command_line_prints_what_it_measured(small_pack: ModelPack) -> None:
    arguments = ["models", "tune", "--dir", str(small_pack.directory), "--rounds", "5", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = orjson.loads(done.stdout)
    assert found["landmarks_68"]["runtime"] in ("onnxruntime", "openvino")
    assert set(found["landmarks_68"]["medians_ms"]) == {"onnxruntime", "openvino"}

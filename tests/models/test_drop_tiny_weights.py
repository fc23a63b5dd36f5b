"""Tiny weights made zero change nothing that a result shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sophon.engine import load_photo
from sophon.engine.alignment import ALIGNED_SIZE
from sophon.models import ModelPack, Role
from sophon.models.converters import convert
from sophon.models.converters.drop_tiny_weights import TINY


def test_only_weights_next_to_zero_become_zero() -> None:
    weights = np.array([[1.0, -2e-17, 9e-19, -1e-40, 0.0]], np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    dropped = onnx.load_from_string(convert("drop-tiny-weights", model.SerializeToString()))

    found = numpy_helper.to_array(dropped.graph.initializer[0])
    np.testing.assert_array_equal(found, np.array([[1.0, -2e-17, 0, 0, 0]], np.float32))


@pytest.mark.parametrize("role", [Role.EMBEDDING, Role.LANDMARKS_68, Role.AGE, Role.SEX])
def test_the_standard_pack_keeps_none(model_pack: ModelPack, role: Role) -> None:
    for tensor in onnx.load_from_string(model_pack.read(role)).graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            weights = np.abs(numpy_helper.to_array(tensor))
            assert not np.any((weights > 0) & (weights < TINY))


def test_a_network_without_them_gives_the_same_embedding(model_pack: ModelPack, portraits: Path) -> None:
    # given the installed network, and the same with its zeros as tiny as training leaves weights
    model = onnx.load_from_string(model_pack.read(Role.EMBEDDING))
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.ndim == 4:
            tiny = np.where(weights == 0, np.float32(0.9 * TINY), weights)
            tensor.CopyFrom(numpy_helper.from_array(tiny, tensor.name))
    picture = load_photo(portraits / "people" / "eileen_collins" / "astronaut.png")
    face = picture[70 : 70 + ALIGNED_SIZE, 170 : 170 + ALIGNED_SIZE].astype(np.float32)
    batch = np.ascontiguousarray(((face - 127) / 128).transpose(2, 0, 1)[None])
    # then the embeddings are the same to the last bits
    with_tiny, without = (
        onnxruntime.InferenceSession(data).run(None, {"input": batch})[0]
        for data in (model.SerializeToString(), model_pack.read(Role.EMBEDDING))
    )
    np.testing.assert_allclose(with_tiny, without, rtol=1e-6, atol=1e-6)

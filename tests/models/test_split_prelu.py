"""PReLU split into Relu, Mul and Add gives the same bits."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sophon.errors import SophonError
from sophon.models.converters import convert


def network(slope: np.ndarray) -> bytes:
    """A network of one PReLU on (N, 3, 4, 4)."""
    shape = ["N", 3, 4, 4]
    graph = helper.make_graph(
        [helper.make_node("PRelu", ["x", "slope"], ["y"])],
        "prelu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(slope.astype(np.float32), "slope")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def run(model: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_the_output_is_that_of_the_definition_bit_for_bit() -> None:
    slope = np.array([0.25, -0.5, 1.75]).reshape(3, 1, 1)
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 4)).astype(np.float32)

    split = convert("split-prelu", network(slope))

    definition = np.where(x < 0, (slope.astype(np.float32) * x).astype(np.float32), x)
    np.testing.assert_array_equal(run(split, x), definition)
    np.testing.assert_array_equal(run(split, x), run(network(slope), x))
    assert "PRelu" not in {node.op_type for node in onnx.load_from_string(split).graph.node}


def test_a_slope_per_pixel_is_refused_by_name() -> None:
    with pytest.raises(SophonError, match="y is not a PRelu with one constant slope per channel"):
        convert("split-prelu", network(np.full((3, 4, 4), 0.1)))

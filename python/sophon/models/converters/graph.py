"""Writing ONNX graphs: the few things that every converter does alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sophon.errors import Code, SophonError

OPSET = 13
IR_VERSION = 8
"""Old enough for every ONNX Runtime that this package allows."""


class GraphWriter:
    """A graph of float32 tensors that grows node by node; every value bears the name it is given."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def serialise(
        self,
        inputs: Mapping[str, Sequence[int | str]],
        outputs: Mapping[str, Sequence[int | str]],
    ) -> bytes:
        """Return the checked model; `inputs` and `outputs` give each tensor's shape."""
        values = [
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
                for name, shape in side.items()
            ]
            for side in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, self._name, *values, self._constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sophon",
        )
        return to_bytes(model)


def parse_model(data: bytes) -> Any:
    """Read an ONNX model. Raises SophonError where the bytes are none."""
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise unknown(f"it is not an ONNX model ({error})") from error
    return model


def to_bytes(model: Any) -> bytes:
    """Check a model and return its bytes, the same ones for the same model."""
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def unknown(what: str) -> SophonError:
    """Return the error for a file that holds something a converter does not know."""
    return SophonError(Code.SERVER_PROCESS_FAILED, f"the model can't be converted: {what}")

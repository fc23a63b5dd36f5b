"""PReLU in terms of operators that inference runtimes run fast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from sophon.models.converters.graph import parse_model, to_bytes, unknown


def split_prelu(data: bytes) -> bytes:
    """Write each PReLU with one slope per channel as relu(x) + (−slope)·relu(−x).

    The sum has one term that is not zero, so no bit of the output changes. What changes is the time: ONNX Runtime has no
    PRelu in its blocked memory layout and goes back and forth between two layouts at each of them; Relu, Mul and Add stay
    in it. Raises SophonError for a PReLU of another kind.
    """
    model = parse_model(data)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        slope = constants.get(node.input[1])
        if slope is None or max(slope.dims) != np.prod(slope.dims) or len(slope.dims) < 3:
            raise unknown(f"{node.name or node.output[0]} is not a PRelu with one constant slope per channel")
        nodes.extend(_split(node, numpy_helper.to_array(slope).reshape(1, -1, 1, 1), model.graph))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _drop_unused_constants(model.graph)
    return to_bytes(model)


def _split(node: Any, slope: Any, graph: Any) -> Iterator[Any]:
    x, y = node.input[0], node.output[0]
    minus_one, minus_slope = f"{y}_minus_one", f"{y}_minus_slope"
    graph.initializer.append(numpy_helper.from_array(-np.ones_like(slope), minus_one))
    graph.initializer.append(numpy_helper.from_array(-slope, minus_slope))
    yield helper.make_node("Relu", [x], [f"{y}_positive"])
    yield helper.make_node("Mul", [x, minus_one], [f"{y}_mirrored"])
    yield helper.make_node("Relu", [f"{y}_mirrored"], [f"{y}_negative"])
    yield helper.make_node("Mul", [f"{y}_negative", minus_slope], [f"{y}_scaled"])
    yield helper.make_node("Add", [f"{y}_positive", f"{y}_scaled"], [y])


def _drop_unused_constants(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    inputs = [value for value in graph.input if value.name in used]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    graph.input.extend(inputs)

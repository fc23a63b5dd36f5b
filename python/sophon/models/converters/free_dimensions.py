"""Freeing dimensions that a model's export froze, although its layers don't need them fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper

from sophon.models.converters.graph import parse_model, to_bytes, unknown


def free_image_size(data: bytes) -> bytes:
    """Let a fully convolutional detector take images of any height and width.

    Only labels change. The recorded shapes of inner values hold for the frozen size, so they go, and the outputs'
    number of rows becomes a name, the same for the outputs of one stride (`cls_8`, `obj_8`, …: `rows_8`).
    """
    model = parse_model(data)
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "H", "W"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"rows_{output.name.rsplit('_', 1)[-1]}"
    del model.graph.value_info[:]
    return to_bytes(model)


def free_batch(data: bytes) -> bytes:
    """Let a network that ends in Reshape to (1, −1) take batches: the Reshape keeps the batch (0) and flattens the rest."""
    model = parse_model(data)
    last = model.graph.node[-1]
    shape = _constant(model, last.input[1]) if last.op_type == "Reshape" else None
    if shape is None or numpy_helper.to_array(shape).tolist() != [1, -1]:
        raise unknown("free-batch expects a network that ends in a Reshape to (1, -1)")
    shape.CopyFrom(numpy_helper.from_array(np.array([0, -1], np.int64), shape.name))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.value_info[:]
    return to_bytes(model)


def _constant(model: Any, name: str) -> Any:
    return next((tensor for tensor in model.graph.initializer if tensor.name == name), None)

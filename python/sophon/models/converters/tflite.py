"""TensorFlow Lite models of float convolutions → ONNX, channels first.

It knows the operators of MediaPipe's face mesh. Field numbers and operator codes are those of TensorFlow Lite's
`schema.fbs` (version 3); half-precision weights become float32 exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sophon.models.converters.flatbuffer import Table
from sophon.models.converters.graph import GraphWriter, unknown

ADD, CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, MAX_POOL_2D, PAD, PRELU = 0, 3, 4, 6, 17, 34, 54
SAME, VALID = 0, 1
DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 2: np.dtype("<i4")}


def tflite_to_onnx(data: bytes) -> bytes:
    """Convert a model with one image input (1, H, W, C).

    The ONNX input is `input` (1, C, H, W); each output keeps its name and is flattened to (1, values), in the order of
    its TensorFlow layout. Raises SophonError for an operator it does not know.
    """
    try:
        return _LiteGraph(Table.root(data)).serialise()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise unknown(f"the .tflite file is damaged ({error})") from error


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    value: NDArray[Any] | None
    """Its constant, if it is one."""


@dataclass(frozen=True)
class _Operator:
    inputs: list[int]
    output: int
    options: Table | None


class _LiteGraph:
    """The walk over the operators; TensorFlow Lite lists them in the order of execution."""

    def __init__(self, model: Table) -> None:
        codes = [max(code.integer(0, "b"), code.integer(3)) for code in model.tables(1)]
        graph = model.tables(2)[0]
        buffers = model.tables(4)
        self._tensors = [_tensor(table, buffers) for table in graph.tables(0)]
        self._inputs = [int(number) for number in graph.array(1, "<i4")]
        self._outputs = [int(number) for number in graph.array(2, "<i4")]
        self._operators = [(codes[table.integer(0, "I")], _operator(table)) for table in graph.tables(3)]
        self._graph = GraphWriter("tflite")
        self._values: dict[int, str] = {self._inputs[0]: "input"}

    def serialise(self) -> bytes:
        for code, operator in self._operators:
            convert = self._conversions().get(code)
            if convert is None:
                raise unknown(f"operator {code} of TensorFlow Lite")
            convert(operator)
        _, height, width, channels = self._tensors[self._inputs[0]].shape
        outputs = {self._tensors[number].name: self._output(number) for number in self._outputs}
        return self._graph.serialise({"input": [1, channels, height, width]}, outputs)

    def _output(self, number: int) -> list[int | str]:
        tensor = self._tensors[number]
        value = self._graph.node(
            "Transpose", [self._values[number]], f"{tensor.name}_channels_last", perm=[0, 2, 3, 1]
        )
        self._graph.node("Flatten", [value], tensor.name)
        return [1, int(np.prod(tensor.shape[1:]))]

    def _conversions(self) -> dict[int, Callable[[_Operator], None]]:
        return {
            ADD: self._add,
            CONV_2D: self._convolution,
            DEPTHWISE_CONV_2D: self._depthwise_convolution,
            DEQUANTIZE: self._dequantize,
            MAX_POOL_2D: self._max_pooling,
            PAD: self._pad,
            PRELU: self._prelu,
        }

    def _name(self, operator: _Operator) -> str:
        return f"t{operator.output}"

    def _constant(self, number: int) -> NDArray[np.float32]:
        value = self._tensors[number].value
        if value is None:
            raise unknown(f"tensor {self._tensors[number].name} is not a constant")
        return value.astype(np.float32)

    def _dequantize(self, operator: _Operator) -> None:
        """Half-precision weights: the output becomes a constant itself."""
        source = self._tensors[operator.output]
        value = self._constant(operator.inputs[0])
        self._tensors[operator.output] = _Tensor(source.name, source.shape, value)

    def _convolution(self, operator: _Operator) -> None:
        kernel = self._constant(operator.inputs[1]).transpose(0, 3, 1, 2)  # out, H, W, in → out, in, H, W
        self._convolve(operator, kernel, groups=1, fields=(3, 4, 5))

    def _depthwise_convolution(self, operator: _Operator) -> None:
        kernel = self._constant(operator.inputs[1]).transpose(3, 0, 1, 2)  # 1, H, W, out → out, 1, H, W
        self._convolve(operator, kernel, groups=self._tensors[operator.inputs[0]].shape[3], fields=(4, 5, 6))

    def _convolve(
        self, operator: _Operator, kernel: NDArray[np.float32], groups: int, fields: tuple[int, int, int]
    ) -> None:
        activation, dilation_w, dilation_h = fields
        options, name = _options(operator), self._name(operator)
        weights = [self._graph.constant(f"{name}_kernel", kernel)]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            weights.append(self._graph.constant(f"{name}_bias", self._constant(operator.inputs[2])))
        value = self._graph.node(
            "Conv",
            [self._values[operator.inputs[0]], *weights],
            name,
            kernel_shape=list(kernel.shape[2:]),
            strides=[options.integer(2), options.integer(1)],
            dilations=[options.integer(dilation_h, default=1), options.integer(dilation_w, default=1)],
            group=groups,
            auto_pad=_padding(options),
        )
        self._finish(operator, value, options.integer(activation, "b"))

    def _max_pooling(self, operator: _Operator) -> None:
        options = _options(operator)
        value = self._graph.node(
            "MaxPool",
            [self._values[operator.inputs[0]]],
            self._name(operator),
            kernel_shape=[options.integer(4), options.integer(3)],
            strides=[options.integer(2), options.integer(1)],
            auto_pad=_padding(options),
        )
        self._finish(operator, value, options.integer(5, "b"))

    def _pad(self, operator: _Operator) -> None:
        amounts = self._tensors[operator.inputs[1]].value
        if amounts is None:
            raise unknown("a PAD whose amounts are not constant")
        channels_first = (
            amounts[[0, 3, 1, 2]].T.ravel().astype(np.int64)
        )  # rows (before, after) → befores, afters
        pads = self._graph.constant(f"{self._name(operator)}_pads", channels_first)
        value = self._graph.node("Pad", [self._values[operator.inputs[0]], pads], self._name(operator))
        self._finish(operator, value, 0)

    def _prelu(self, operator: _Operator) -> None:
        slope = self._constant(operator.inputs[1]).transpose(2, 0, 1)  # H, W, C → C, H, W
        slopes = self._graph.constant(f"{self._name(operator)}_slopes", slope)
        value = self._graph.node("PRelu", [self._values[operator.inputs[0]], slopes], self._name(operator))
        self._finish(operator, value, 0)

    def _add(self, operator: _Operator) -> None:
        value = self._graph.node(
            "Add", [self._values[number] for number in operator.inputs], self._name(operator)
        )
        self._finish(operator, value, operator.options.integer(0, "b") if operator.options else 0)

    def _finish(self, operator: _Operator, value: str, activation: int) -> None:
        if activation:
            raise unknown(f"fused activation {activation} of TensorFlow Lite")
        self._values[operator.output] = value


def _tensor(table: Table, buffers: Any) -> _Tensor:
    shape = tuple(int(size) for size in table.array(0, "<i4"))
    data = buffers[table.integer(2, "I")].array(0, np.uint8)
    dtype = DTYPES.get(table.integer(1, "b"))
    if dtype is None:
        raise unknown(f"tensor {table.text(3)} has type {table.integer(1, 'b')} of TensorFlow Lite")
    value = np.frombuffer(data.tobytes(), dtype).reshape(shape) if data.size else None
    return _Tensor(table.text(3), shape, value)


def _operator(table: Table) -> _Operator:
    inputs = [int(number) for number in table.array(1, "<i4")]
    return _Operator(inputs, int(table.array(2, "<i4")[0]), table.table(4))


def _options(operator: _Operator) -> Table:
    if operator.options is None:
        raise unknown("an operator of TensorFlow Lite without its options")
    return operator.options


def _padding(options: Table) -> str:
    """ONNX's SAME_UPPER is TensorFlow's SAME."""
    return {SAME: "SAME_UPPER", VALID: "VALID"}[options.integer(0, "b")]

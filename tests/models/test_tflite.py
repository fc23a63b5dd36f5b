"""TensorFlow Lite → ONNX, against a NumPy evaluation of the same operators in TensorFlow's layout (H, W, C)."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sophon import SophonError
from sophon.models.converters.flatbuffer import Table
from sophon.models.converters.tflite import tflite_to_onnx

Array = NDArray[np.float32]
FLOAT, HALF, INT = 0, 1, 2
SAME = 0
DEQUANTIZE, CONV, DEPTHWISE, PRELU, MAX_POOL, PAD, ADD = 6, 3, 4, 54, 17, 34, 0


class LiteFile:
    """Writes a .tflite file with the flatbuffers library, field by field of its schema."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)
        self._buffers = [self._table([])]
        self._tensors: list[int] = []
        self._operators: list[int] = []
        self._codes: list[int] = []

    def _table(self, fields: list[tuple[int, str, Any]]) -> int:
        self._builder.StartObject(8)
        for slot, kind, value in fields:
            if kind == "offset":
                self._builder.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                getattr(self._builder, f"Prepend{kind}Slot")(slot, value, 0)
        return int(self._builder.EndObject())

    def _numbers(self, values: list[int]) -> int:
        return int(self._builder.CreateNumpyVector(np.array(values, np.int32)))

    def _vector(self, offsets: list[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def tensor(self, name: str, shape: list[int], value: NDArray[Any] | None = None) -> int:
        kind, buffer = FLOAT, 0
        if value is not None:
            kind = {"float32": FLOAT, "float16": HALF, "int32": INT}[value.dtype.name]
            data = self._builder.CreateNumpyVector(np.frombuffer(value.tobytes(), np.uint8))
            self._buffers.append(self._table([(0, "offset", data)]))
            buffer = len(self._buffers) - 1
        fields = [(0, "offset", self._numbers(shape)), (3, "offset", self._builder.CreateString(name))]
        self._tensors.append(self._table([*fields, (1, "Int8", kind), (2, "Uint32", buffer)]))
        return len(self._tensors) - 1

    def operator(
        self, code: int, inputs: list[int], output: int, options: list[tuple[int, str, int]]
    ) -> None:
        if code not in self._codes:
            self._codes.append(code)
        fields = [(1, "offset", self._numbers(inputs)), (2, "offset", self._numbers([output]))]
        fields += [(4, "offset", self._table(options)), (0, "Uint32", self._codes.index(code))]
        self._operators.append(self._table(fields))

    def finish(self, source: int, output: int) -> bytes:
        graph = self._table(
            [
                (0, "offset", self._vector(self._tensors)),
                (1, "offset", self._numbers([source])),
                (2, "offset", self._numbers([output])),
                (3, "offset", self._vector(self._operators)),
            ]
        )
        codes = self._vector([self._table([(0, "Int8", code), (3, "Int32", code)]) for code in self._codes])
        graphs, buffers = self._vector([graph]), self._vector(self._buffers)
        model = [(0, "Uint32", 3), (1, "offset", codes), (2, "offset", graphs), (4, "offset", buffers)]
        self._builder.Finish(self._table(model))
        return bytes(self._builder.Output())


def strides(stride: int) -> list[tuple[int, str, int]]:
    return [(0, "Int8", SAME), (1, "Int32", stride), (2, "Int32", stride)]


def weights(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


KERNEL, BIAS = weights(4, 3, 3, 2).astype(np.float16), weights(4)
DEPTHWISE_KERNEL = weights(1, 3, 3, 4)
SLOPE = weights(1, 1, 4)


def small_network() -> bytes:
    """Every operator that the converter knows, once; the first kernel in half precision."""
    file = LiteFile()
    source = file.tensor("image", [1, 7, 7, 2])
    half = file.tensor("half", [4, 3, 3, 2], KERNEL)
    kernel = file.tensor("kernel", [4, 3, 3, 2])
    file.operator(DEQUANTIZE, [half], kernel, [])
    convolved = file.tensor("convolved", [1, 4, 4, 4])
    file.operator(CONV, [source, kernel, file.tensor("bias", [4], BIAS)], convolved, strides(2))
    depthwise = file.tensor("depthwise", [1, 4, 4, 4])
    file.operator(
        DEPTHWISE, [convolved, file.tensor("dw", [1, 3, 3, 4], DEPTHWISE_KERNEL)], depthwise, strides(1)
    )
    added = file.tensor("added", [1, 4, 4, 4])
    file.operator(ADD, [convolved, depthwise], added, [])
    activated = file.tensor("activated", [1, 4, 4, 4])
    file.operator(PRELU, [added, file.tensor("slope", [1, 1, 4], SLOPE)], activated, [])
    pooled = file.tensor("pooled", [1, 2, 2, 4])
    file.operator(MAX_POOL, [activated], pooled, [*strides(2), (3, "Int32", 2), (4, "Int32", 2)])
    padded = file.tensor("padded", [1, 2, 2, 6])
    amounts = np.array([[0, 0], [0, 0], [0, 0], [0, 2]], np.int32)
    file.operator(PAD, [pooled, file.tensor("amounts", [4, 2], amounts)], padded, [])
    return file.finish(source, padded)


def convolve(image: Array, kernel: Array, stride: int) -> Array:
    """SAME convolution, pixel by pixel: (H, W, in) and (out, h, w, in)."""
    size = -(-image.shape[0] // stride)
    total = max((size - 1) * stride + kernel.shape[1] - image.shape[0], 0)
    before = total // 2  # TensorFlow puts the odd one after
    padded = np.pad(image, ((before, total - before), (before, total - before), (0, 0)))
    output = np.empty((size, size, kernel.shape[0]), np.float32)
    for y in range(size):
        for x in range(size):
            window = padded[y * stride : y * stride + 3, x * stride : x * stride + 3]
            output[y, x] = np.einsum("hwi,ohwi->o", window, kernel)
    return output


def evaluate(image: Array) -> Array:
    """What TensorFlow Lite computes for `small_network`."""
    convolved = convolve(image, KERNEL.astype(np.float32), 2) + BIAS
    diagonal = np.einsum("hwc,co->ohwc", DEPTHWISE_KERNEL[0], np.eye(4, dtype=np.float32))
    added = convolved + convolve(convolved, diagonal, 1)
    activated = np.where(added > 0, added, added * SLOPE)
    pooled = activated.reshape(2, 2, 2, 2, 4).max(axis=(1, 3))
    return np.pad(pooled, ((0, 0), (0, 0), (0, 2))).ravel()


def test_every_operator_computes_what_tensorflow_lite_computes() -> None:
    image = np.random.default_rng(5).normal(size=(7, 7, 2)).astype(np.float32)
    session = onnxruntime.InferenceSession(tflite_to_onnx(small_network()))
    (found,) = session.run(["padded"], {"input": image.transpose(2, 0, 1)[None]})
    np.testing.assert_allclose(found[0], evaluate(image), atol=1e-5)


def test_the_same_file_gives_the_same_bytes() -> None:
    assert tflite_to_onnx(small_network()) == tflite_to_onnx(small_network())


def test_an_unknown_operator_is_refused() -> None:
    file = LiteFile()
    source, output = file.tensor("image", [1, 7, 7, 2]), file.tensor("out", [1, 7, 7, 2])
    file.operator(99, [source], output, [])
    with pytest.raises(SophonError, match="operator 99"):
        tflite_to_onnx(file.finish(source, output))


@pytest.mark.parametrize("length", [0, 3, 40, 400])
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(SophonError, match="damaged"):
        tflite_to_onnx(small_network()[:length])


def test_a_field_that_is_left_out_has_its_default() -> None:
    builder = flatbuffers.Builder(0)
    builder.StartObject(2)
    builder.PrependInt32Slot(1, 7, 0)
    builder.Finish(builder.EndObject())
    table = Table.root(bytes(builder.Output()))
    assert (table.integer(0, default=3), table.integer(1), table.integer(9, default=4)) == (3, 7, 4)
    assert list(table.tables(0)) == []
    assert table.text(0) == ""

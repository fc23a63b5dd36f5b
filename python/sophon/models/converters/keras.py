"""Keras 2 functional models in HDF5 (.h5) → ONNX, channels first.

It knows the layers of a convolutional classifier (MobileNetV2 and its like). Weights are taken over unchanged: batch
normalisation stays a node of its own, which inference runtimes fold into the convolution themselves.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sophon.models.converters.graph import GraphWriter, unknown

Config = dict[str, Any]
Weights = dict[str, NDArray[np.float32]]


def keras_to_onnx(data: bytes) -> bytes:
    """Convert a model with one image input (N, H, W, C) and one output (N, classes).

    The ONNX input is `input` (N, C, H, W), the output `output`. Raises SophonError for a layer it does not know.
    """
    try:
        opened = h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        raise unknown(f"it is not an .h5 file ({error})") from error
    with opened as file:
        if "model_config" not in file.attrs:
            raise unknown("the .h5 file holds no model_config: it is not a saved Keras model")
        config = json.loads(file.attrs["model_config"])["config"]
        weights = {
            layer["name"]: _weights(file["model_weights"][layer["name"]]) for layer in config["layers"]
        }
    return _KerasGraph(config, weights).serialise()


def _weights(group: Any) -> Weights:
    """Return a layer's arrays by their last name: `block_1/conv/kernel:0` is `kernel`."""
    names = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["weight_names"]]
    return {name.rsplit("/", 1)[-1].split(":")[0]: np.asarray(group[name], np.float32) for name in names}


class _KerasGraph:
    """The walk over the layers, in the order in which the file lists them: inputs come before their users."""

    def __init__(self, config: Config, weights: dict[str, Weights]) -> None:
        self._config = config
        self._weights = weights
        self._graph = GraphWriter("keras")
        self._outputs: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._input_shape: list[int | str] = []

    def serialise(self) -> bytes:
        for layer in self._config["layers"]:
            inputs = [self._outputs[source[0]] for node in layer["inbound_nodes"] for source in node]
            convert = self._layers().get(layer["class_name"])
            if convert is None:
                raise unknown(f"layer {layer['name']} is a {layer['class_name']}")
            if layer["config"].get("data_format", "channels_last") != "channels_last":
                raise unknown(f"layer {layer['name']} is not channels_last")
            self._outputs[layer["name"]] = convert(layer["name"], layer["config"], inputs)
        last = self._config["output_layers"][0][0]
        self._graph.node("Identity", [self._outputs[last]], "output")
        classes = next(iter(reversed(self._weights[last].values()))).shape[-1]
        return self._graph.serialise({"input": self._input_shape}, {"output": ["N", classes]})

    def _layers(self) -> dict[str, Callable[[str, Config, list[str]], str]]:
        return {
            "InputLayer": self._input,
            "ZeroPadding2D": self._zero_padding,
            "Conv2D": self._convolution,
            "DepthwiseConv2D": self._depthwise_convolution,
            "BatchNormalization": self._batch_normalisation,
            "ReLU": self._relu,
            "Add": self._add,
            "AveragePooling2D": self._average_pooling,
            "Flatten": self._flatten,
            "Dropout": self._dropout,
            "Dense": self._dense,
        }

    def _input(self, name: str, config: Config, inputs: list[str]) -> str:
        _, height, width, channels = config["batch_input_shape"]
        self._input_shape = ["N", channels, height, width]
        return "input"

    def _zero_padding(self, name: str, config: Config, inputs: list[str]) -> str:
        (top, bottom), (left, right) = config["padding"]
        pads = self._graph.constant(
            f"{name}_pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        )
        return self._graph.node("Pad", [*inputs, pads], name)

    def _convolution(self, name: str, config: Config, inputs: list[str]) -> str:
        kernel = self._weights[name]["kernel"].transpose(3, 2, 0, 1)  # H, W, in, out → out, in, H, W
        return self._convolve(name, config, inputs, kernel, groups=config.get("groups", 1))

    def _depthwise_convolution(self, name: str, config: Config, inputs: list[str]) -> str:
        kernel = self._weights[name]["depthwise_kernel"]
        if kernel.shape[3] != 1:
            raise unknown(f"layer {name} has depth multiplier {kernel.shape[3]}")
        return self._convolve(name, config, inputs, kernel.transpose(2, 3, 0, 1), groups=kernel.shape[2])

    def _convolve(
        self, name: str, config: Config, inputs: list[str], kernel: NDArray[np.float32], groups: int
    ) -> str:
        weights = [self._graph.constant(f"{name}_kernel", kernel)]
        if "bias" in self._weights[name]:
            weights.append(self._graph.constant(f"{name}_bias", self._weights[name]["bias"]))
        output = self._graph.node(
            "Conv",
            [*inputs, *weights],
            name,
            kernel_shape=list(kernel.shape[2:]),
            strides=list(config["strides"]),
            dilations=list(config["dilation_rate"]),
            group=groups,
            **_padding(name, config),
        )
        return self._activation(name, config, output)

    def _batch_normalisation(self, name: str, config: Config, inputs: list[str]) -> str:
        weights = self._weights[name]
        ones = np.ones_like(weights["moving_mean"])
        values = {
            "gamma": weights.get("gamma", ones),
            "beta": weights.get("beta", 0 * ones),
            "mean": weights["moving_mean"],
            "variance": weights["moving_variance"],
        }
        constants = [self._graph.constant(f"{name}_{key}", value) for key, value in values.items()]
        return self._graph.node("BatchNormalization", [*inputs, *constants], name, epsilon=config["epsilon"])

    def _relu(self, name: str, config: Config, inputs: list[str]) -> str:
        if config.get("negative_slope") or config.get("threshold"):
            raise unknown(f"layer {name} is a ReLU with a slope or a threshold")
        if config.get("max_value") is None:
            return self._graph.node("Relu", inputs, name)
        low = self._graph.constant(f"{name}_low", np.array(0, np.float32))
        high = self._graph.constant(f"{name}_high", np.array(config["max_value"], np.float32))
        return self._graph.node("Clip", [*inputs, low, high], name)

    def _add(self, name: str, config: Config, inputs: list[str]) -> str:
        if len(inputs) != 2:
            raise unknown(f"layer {name} adds {len(inputs)} tensors")
        return self._graph.node("Add", inputs, name)

    def _average_pooling(self, name: str, config: Config, inputs: list[str]) -> str:
        sizes = {"kernel_shape": list(config["pool_size"]), "strides": list(config["strides"])}
        return self._graph.node("AveragePool", inputs, name, **sizes, **_padding(name, config))

    def _flatten(self, name: str, config: Config, inputs: list[str]) -> str:
        # Keras flattens in the order H, W, C.
        channels_last = self._graph.node("Transpose", inputs, f"{name}_channels_last", perm=[0, 2, 3, 1])
        return self._graph.node("Flatten", [channels_last], name)

    def _dropout(self, name: str, config: Config, inputs: list[str]) -> str:
        return inputs[0]

    def _dense(self, name: str, config: Config, inputs: list[str]) -> str:
        weights = [self._graph.constant(f"{name}_{key}", value) for key, value in self._weights[name].items()]
        return self._activation(name, config, self._graph.node("Gemm", [*inputs, *weights], name))

    def _activation(self, name: str, config: Config, value: str) -> str:
        match config.get("activation", "linear"):
            case "linear":
                return value
            case "relu":
                return self._graph.node("Relu", [value], f"{name}_relu")
            case "softmax":
                return self._graph.node("Softmax", [value], f"{name}_softmax", axis=-1)
            case other:
                raise unknown(f"layer {name} has the activation {other}")


def _padding(name: str, config: Config) -> dict[str, Any]:
    """Translate Keras's padding; ONNX's SAME_UPPER is TensorFlow's `same`."""
    match config["padding"]:
        case "valid":
            return {"pads": [0, 0, 0, 0]}
        case "same":
            return {"auto_pad": "SAME_UPPER"}
        case other:
            raise unknown(f"layer {name} has the padding {other}")

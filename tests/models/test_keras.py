"""Keras → ONNX, against a NumPy evaluation of the same layers in Keras's own layout (N, H, W, C)."""

from __future__ import annotations

import io
import json
from typing import Any

import h5py
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sophon import SophonError
from sophon.models.converters.keras import keras_to_onnx

Array = NDArray[np.float32]


def layer(kind: str, name: str, inputs: list[str], **config: Any) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def convolution(kind: str, name: str, source: str, padding: str = "same", stride: int = 1) -> dict[str, Any]:
    return layer(
        kind,
        name,
        [source],
        padding=padding,
        strides=[stride, stride],
        dilation_rate=[1, 1],
        activation="linear",
        data_format="channels_last",
    )


def small_network() -> tuple[list[dict[str, Any]], dict[str, dict[str, Array]]]:
    """Every layer that the converter knows, once."""
    random = np.random.default_rng(3)

    def weights(*shape: int) -> Array:
        return random.normal(0, 0.5, shape).astype(np.float32)

    layers = [
        layer("InputLayer", "image", [], batch_input_shape=[None, 8, 8, 3]),
        layer("ZeroPadding2D", "pad", ["image"], padding=[[0, 1], [0, 1]], data_format="channels_last"),
        convolution("Conv2D", "conv", "pad", padding="valid", stride=2),
        layer("BatchNormalization", "norm", ["conv"], epsilon=1e-3),
        layer("ReLU", "relu6", ["norm"], max_value=6.0),
        convolution("DepthwiseConv2D", "depthwise", "relu6"),
        layer("ReLU", "relu", ["depthwise"]),
        layer("Add", "add", ["relu", "relu6"]),
        layer("AveragePooling2D", "pool", ["add"], pool_size=[2, 2], strides=[2, 2], padding="valid"),
        layer("Flatten", "flatten", ["pool"], data_format="channels_last"),
        layer("Dropout", "dropout", ["flatten"], rate=0.5),
        layer("Dense", "dense", ["dropout"], activation="relu"),
        layer("Dense", "classes", ["dense"], activation="softmax"),
    ]
    arrays = {
        "conv": {"kernel": weights(3, 3, 3, 4), "bias": weights(4)},
        "norm": {
            "gamma": weights(4),
            "beta": weights(4),
            "moving_mean": weights(4),
            "moving_variance": weights(4) ** 2 + 0.1,
        },
        "depthwise": {"depthwise_kernel": weights(3, 3, 4, 1)},
        "dense": {"kernel": weights(16, 5), "bias": weights(5)},
        "classes": {"kernel": weights(5, 2), "bias": weights(2)},
    }
    return layers, arrays


def h5(layers: list[dict[str, Any]], arrays: dict[str, dict[str, Array]], output: str) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        config = {"layers": layers, "output_layers": [[output, 0, 0]]}
        opened.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config})
        for described in layers:
            name = described["name"]
            group = opened.create_group(f"model_weights/{name}")
            group.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in arrays.get(name, {})]
            for key, value in arrays.get(name, {}).items():
                group[f"{name}/{key}:0"] = value
    return file.getvalue()


def convolve(image: Array, kernel: Array, stride: int) -> Array:
    """Valid convolution, pixel by pixel: (H, W, in) and (h, w, in, out)."""
    height, width = kernel.shape[:2]
    rows = range(0, image.shape[0] - height + 1, stride)
    columns = range(0, image.shape[1] - width + 1, stride)
    windows = np.array([[image[y : y + height, x : x + width] for x in columns] for y in rows])
    output: Array = np.einsum("yxhwi,hwio->yxo", windows, kernel)
    return output


def evaluate(image: Array, arrays: dict[str, dict[str, Array]]) -> Array:
    """What Keras computes for `small_network`."""
    value = np.pad(image, ((0, 1), (0, 1), (0, 0)))
    value = convolve(value, arrays["conv"]["kernel"], 2) + arrays["conv"]["bias"]
    norm = arrays["norm"]
    value = (value - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm[
        "beta"
    ]
    relu6 = np.clip(value, 0, 6)
    depthwise = arrays["depthwise"]["depthwise_kernel"][:, :, :, 0]
    diagonal = np.einsum("hwi,io->hwio", depthwise, np.eye(4, dtype=np.float32))
    value = np.maximum(convolve(np.pad(relu6, ((1, 1), (1, 1), (0, 0))), diagonal, 1), 0) + relu6
    value = value.reshape(2, 2, 2, 2, 4).mean(axis=(1, 3)).ravel()
    value = np.maximum(value @ arrays["dense"]["kernel"] + arrays["dense"]["bias"], 0)
    logits = value @ arrays["classes"]["kernel"] + arrays["classes"]["bias"]
    exponentials = np.exp(logits - logits.max())
    probabilities: Array = exponentials / exponentials.sum()
    return probabilities


def test_every_layer_computes_what_keras_computes() -> None:
    layers, arrays = small_network()
    images = np.random.default_rng(4).normal(size=(3, 8, 8, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(keras_to_onnx(h5(layers, arrays, "classes")))
    (found,) = session.run(None, {"input": images.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(found, [evaluate(image, arrays) for image in images], atol=1e-5)


def test_the_same_file_gives_the_same_bytes() -> None:
    layers, arrays = small_network()
    data = h5(layers, arrays, "classes")
    assert keras_to_onnx(data) == keras_to_onnx(data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"class_name": "LSTM"}, "is a LSTM"),
        ({"config": {"data_format": "channels_first"}}, "is not channels_last"),
    ],
)
def test_an_unknown_layer_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    layers, arrays = small_network()
    layers[9].update(change)
    with pytest.raises(SophonError, match=f"layer flatten {named}"):
        keras_to_onnx(h5(layers, arrays, "classes"))


def test_a_file_without_a_model_is_refused() -> None:
    file = io.BytesIO()
    h5py.File(file, "w").close()
    with pytest.raises(SophonError, match="not a saved Keras model"):
        keras_to_onnx(file.getvalue())

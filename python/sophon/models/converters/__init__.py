"""Making an ONNX model, as the engine wants it, of the file that a package ships.

Each conversion is one function from bytes to bytes, and the same bytes every time: the manifest holds the sha256 of the
result. They need the `models` extra (h5py, onnx); a machine that installs from an exported pack needs none of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from sophon.errors import Code, SophonError

CONVERSIONS = {
    "drop-tiny-weights": "sophon.models.converters.drop_tiny_weights:drop_tiny_weights",
    "free-image-size": "sophon.models.converters.free_dimensions:free_image_size",
    "free-batch": "sophon.models.converters.free_dimensions:free_batch",
    "split-prelu": "sophon.models.converters.split_prelu:split_prelu",
    "keras-to-onnx": "sophon.models.converters.keras:keras_to_onnx",
    "tflite-to-onnx": "sophon.models.converters.tflite:tflite_to_onnx",
}
"""Name in the manifest → function, imported when it is first needed."""


def convert(names: str, data: bytes) -> bytes:
    """Run conversions on a file's bytes: `names` is one name, or several joined by `+`, the first one first.

    Raises SophonError as `find_conversion` does, and where the file is not what a conversion knows.
    """
    return find_conversion(names)(data)


def find_conversion(names: str) -> Callable[[bytes], bytes]:
    """Return the function that runs these conversions, ready to run.

    Raises SophonError where there is none of a name, or the `models` extra is missing.
    """
    conversions = [_conversion(name) for name in names.split("+")]

    def run(data: bytes) -> bytes:
        for conversion in conversions:
            data = conversion(data)
        return data

    return run


def _conversion(name: str) -> Callable[[bytes], bytes]:
    if name not in CONVERSIONS:
        raise SophonError(
            Code.PARAM_ERROR, f"no conversion is called {name!r}; there are: {', '.join(sorted(CONVERSIONS))}"
        )
    module, function = CONVERSIONS[name].split(":")
    try:
        conversion: Callable[[bytes], bytes] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED,
            f"converting models needs {error.name}, which is not installed: run `pip install 'sophon[models]'`",
        ) from error
    return conversion

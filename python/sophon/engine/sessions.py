"""Networks ready to run: one small interface, ONNX Runtime behind it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sophon.errors import Code, SophonError
from sophon.models import Model, ModelPack, Role

Tensor = NDArray[np.float32]


class Network(Protocol):
    """A loaded model. `run` may be called from several threads at once."""

    model: Model

    def run(self, batch: Tensor) -> list[Tensor]:
        """Return the outputs for one input batch (n, channels, height, width), in the model's order."""
        ...


class OnnxNetwork:
    """A model in ONNX Runtime on the CPU."""

    def __init__(self, model: Model, data: bytes, threads: int) -> None:
        self.model = model
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = (
            False  # patterns are kept per input shape: they'd grow with every new picture size
        )
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # idle threads leave the CPU to others
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED, f"the model {model.name} can't be loaded: {error}"
            ) from error
        self._input = self._session.get_inputs()[0].name
        shape = self._session.get_inputs()[0].shape
        self._batch_is_fixed = shape[0] == 1

    def run(self, batch: Tensor) -> list[Tensor]:
        """Return the outputs for one input batch; a model made for single pictures gets them one by one."""
        if self._batch_is_fixed and len(batch) != 1:
            outputs = [self._session.run(None, {self._input: batch[i : i + 1]}) for i in range(len(batch))]
            return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
        result: list[Tensor] = self._session.run(None, {self._input: batch})
        return result


def open_network(pack: ModelPack, role: Role, threads: int) -> Network:
    """Load a role's model. Raises SophonError where the pack has none, its file changed, or it can't be loaded."""
    return OnnxNetwork(pack.model(role), pack.read(role), threads)

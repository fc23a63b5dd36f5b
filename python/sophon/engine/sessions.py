"""Networks ready to run: one small interface, ONNX Runtime behind it, or OpenVINO where it was measured to be faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sophon.engine.tuning import Runtime, read_tuning
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
            raise _not_loaded(model, error) from error
        self._input = self._session.get_inputs()[0].name
        shape = self._session.get_inputs()[0].shape
        self._batch_is_fixed = shape[0] == 1

    def run(self, batch: Tensor) -> list[Tensor]:
        """Return the outputs for one input batch; a model made for single pictures gets them one by one."""
        if self._batch_is_fixed and len(batch) != 1:
            return _one_by_one(self.run, batch)
        result: list[Tensor] = self._session.run(None, {self._input: batch})
        return result


class OpenVinoNetwork:
    """A model in OpenVINO on the CPU, in float32 whatever the processor offers."""

    def __init__(self, model: Model, data: bytes, threads: int) -> None:
        self.model = model
        openvino = import_module("openvino")
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(data), "CPU", settings)
        except Exception as error:
            raise _not_loaded(model, error) from error
        self._batch_is_fixed = self._compiled.inputs[0].partial_shape[0] == 1
        # A request serves one call at a time; as many are made as calls meet.
        self._idle: deque[Any] = deque()

    def run(self, batch: Tensor) -> list[Tensor]:
        """Return the outputs for one input batch; a model made for single pictures gets them one by one."""
        if self._batch_is_fixed and len(batch) != 1:
            return _one_by_one(self.run, batch)
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        outputs = request.infer({0: batch}, share_inputs=True)
        results = [np.array(outputs[i]) for i in range(len(self._compiled.outputs))]
        self._idle.append(request)
        return results


_RUNTIMES: dict[Runtime, Callable[[Model, bytes, int], Network]] = {
    Runtime.ONNXRUNTIME: OnnxNetwork,
    Runtime.OPENVINO: OpenVinoNetwork,
}


def available_runtimes() -> list[Runtime]:
    """Return the runtimes that are installed, ONNX Runtime first."""
    return [runtime for runtime in Runtime if find_spec(runtime.value) is not None]


def open_network(pack: ModelPack, role: Role, threads: int, runtime: Runtime | None = None) -> Network:
    """Load a role's model, by default into the runtime that `sophon models tune` chose for it on this machine.

    Raises SophonError where the pack has none, its file changed, or it can't be loaded.
    """
    model = pack.model(role)
    chosen = runtime or read_tuning(pack.directory).runtime_of(model)
    if chosen not in available_runtimes():
        chosen = Runtime.ONNXRUNTIME
    return _RUNTIMES[chosen](model, pack.read(role), threads)


def _one_by_one(run: Callable[[Tensor], list[Tensor]], batch: Tensor) -> list[Tensor]:
    outputs = [run(batch[i : i + 1]) for i in range(len(batch))]
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def _not_loaded(model: Model, error: Exception) -> SophonError:
    return SophonError(Code.SERVER_PROCESS_FAILED, f"the model {model.name} can't be loaded: {error}")

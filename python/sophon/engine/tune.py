"""Choosing each network's runtime by measuring: every runtime in turn, round by round, on the same input."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from sophon.engine.sessions import Tensor, available_runtimes, open_network
from sophon.engine.tuning import TUNING, Choice, Runtime, Tuning
from sophon.models import Model, ModelPack
from sophon.models.folder import exclusive_staging, put

# Hears of each model how many rounds are done.
OnRound = Callable[[Model, int], None]

ROUNDS = 60
WARM_UP_ROUNDS = 5
# What a free dimension is measured with: one picture, at the detector's larger scale of a 4:3 photograph.
_FREE = {"N": 1, "H": 384, "W": 480}
# Another runtime must be faster by so much to be taken, and agree with ONNX Runtime as far as float32 sums do.
_WORTH_IT = 0.95
_TOLERANCE = 1e-3


def tune(pack: ModelPack, *, rounds: int = ROUNDS, on_round: OnRound = lambda _model, _done: None) -> Tuning:
    """Measure every model of a pack in every installed runtime, keep the choices beside the pack, and return them."""
    choices = {model.sha256: _choose(pack, model, rounds, on_round) for model in pack.models}
    tuning = Tuning(choices=choices)
    with exclusive_staging(pack.directory) as staging:
        put(tuning.model_dump_json(indent=2).encode() + b"\n", pack.directory / TUNING, staging)
    return tuning


def _choose(pack: ModelPack, model: Model, rounds: int, on_round: OnRound) -> Choice:
    networks = {runtime: open_network(pack, model.role, 1, runtime) for runtime in available_runtimes()}
    batch = _input_like(model)
    expected = networks[Runtime.ONNXRUNTIME].run(batch)
    fitting = {
        runtime: network for runtime, network in networks.items() if _agree(network.run(batch), expected)
    }
    times: dict[Runtime, list[float]] = {runtime: [] for runtime in fitting}
    for turn in range(WARM_UP_ROUNDS + rounds):
        for runtime, network in fitting.items():
            begin = time.perf_counter()
            network.run(batch)
            if turn >= WARM_UP_ROUNDS:
                times[runtime].append((time.perf_counter() - begin) * 1e3)
        on_round(model, max(turn + 1 - WARM_UP_ROUNDS, 0))
    medians = {runtime: median(values) for runtime, values in times.items()}
    best = min(medians, key=lambda runtime: medians[runtime])
    if medians[best] > _WORTH_IT * medians[Runtime.ONNXRUNTIME]:
        best = Runtime.ONNXRUNTIME
    return Choice(runtime=best, medians_ms=medians)


def _input_like(model: Model) -> Tensor:
    shape = [side if isinstance(side, int) else _FREE.get(side, 1) for side in model.input.shape]
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    result: Tensor = (pixels - np.float32(model.input.mean[0])) / np.float32(model.input.divisor)
    return result


def _agree(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(
        one.shape == other.shape and bool(np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE))
        for one, other in zip(found, expected, strict=True)
    )

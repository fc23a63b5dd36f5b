"""Which runtime each network is run by on this machine, as it was measured here."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sophon.models import Model

TUNING = "tuning.json"


class Runtime(str, Enum):
    """What runs a network, by the name it is imported by."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


class Choice(BaseModel):
    """The runtime for one model, and the medians that speak for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runtime: Runtime
    medians_ms: dict[Runtime, float]


class Tuning(BaseModel):
    """The choices of this machine, by the sha256 of the model: another model of the same role is another choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: dict[str, Choice] = {}

    def runtime_of(self, model: Model) -> Runtime:
        """Return the runtime chosen for a model, ONNX Runtime where none was."""
        choice = self.choices.get(model.sha256)
        return Runtime.ONNXRUNTIME if choice is None else choice.runtime


def read_tuning(directory: Path) -> Tuning:
    """Return what was chosen for the pack in this folder; nothing where it was never tuned, or the file is damaged."""
    try:
        return Tuning.model_validate_json((directory / TUNING).read_bytes())
    except (OSError, ValidationError):
        return Tuning()

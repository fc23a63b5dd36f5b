"""The neural networks: where they come from, what they are, and that they are what they say."""

from sophon.models.manifest import Crop, InputSpec, Manifest, Model, OutputSpec, Role
from sophon.models.pack import ModelPack

__all__ = ["Crop", "InputSpec", "Manifest", "Model", "ModelPack", "OutputSpec", "Role"]

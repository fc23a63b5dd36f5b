"""Edge face recognition: an exact native matcher, explainable image quality, and a box that speaks its wire contract."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sophon._core import ExactIndex, Subset
from sophon.errors import Code, SophonError
from sophon.gallery import Gallery, Match

if TYPE_CHECKING:
    from sophon.client import Client, NewPerson
    from sophon.engine import Face, FaceEngine, FaceQuality, load_photo

__version__ = version("sophon")
__all__ = [
    "Client",
    "Code",
    "ExactIndex",
    "Face",
    "FaceEngine",
    "FaceQuality",
    "Gallery",
    "Match",
    "NewPerson",
    "SophonError",
    "Subset",
    "__version__",
    "load_photo",
]

# Loaded when first asked for: importing OpenCV and ONNX Runtime takes a while, and not everybody needs them.
_LATER = {
    **dict.fromkeys(("Client", "NewPerson"), "sophon.client"),
    **dict.fromkeys(("Face", "FaceEngine", "FaceQuality", "load_photo"), "sophon.engine"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'sophon' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)

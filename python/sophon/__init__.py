"""Edge face recognition: an exact native matcher, explainable image quality, and a box that speaks its wire contract."""

from importlib.metadata import version

from sophon._core import ExactIndex, Subset
from sophon.errors import Code, SophonError
from sophon.gallery import Gallery, Match

__version__ = version("sophon")
__all__ = ["Code", "ExactIndex", "Gallery", "Match", "SophonError", "Subset", "__version__"]

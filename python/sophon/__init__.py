"""Edge face recognition: an exact native matcher, explainable image quality, and a box that speaks its wire contract."""

from importlib.metadata import version

from sophon.errors import Code, SophonError

__version__ = version("sophon")
__all__ = ["Code", "SophonError", "__version__"]

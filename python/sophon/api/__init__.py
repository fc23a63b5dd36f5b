"""The box's own HTTP API: the contract's calls and `/api/v1`, behind one guard."""

from sophon.api.app import guarded_app, make_app
from sophon.api.guard import Access
from sophon.api.server import ApiServer, TlsFiles
from sophon.api.services import Analyses, LoneStation, Services, Station

__all__ = [
    "Access",
    "Analyses",
    "ApiServer",
    "LoneStation",
    "Services",
    "Station",
    "TlsFiles",
    "guarded_app",
    "make_app",
]

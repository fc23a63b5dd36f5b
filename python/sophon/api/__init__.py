"""The box's own HTTP API."""

from sophon.api.server import ApiServer

__all__ = ["ApiServer"]

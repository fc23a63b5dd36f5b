"""The HTTP line to the management platform: login, people, photographs, results and reports."""

from sophon.platform.client import PlatformClient, PlatformError
from sophon.platform.interface import hex_mac
from sophon.platform.notifier import Notifier
from sophon.platform.pauses import Pauses
from sophon.platform.url_policy import RefusedAddressError, UrlPolicy

__all__ = [
    "Notifier",
    "Pauses",
    "PlatformClient",
    "PlatformError",
    "RefusedAddressError",
    "UrlPolicy",
    "hex_mac",
]

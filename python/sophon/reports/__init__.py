"""What the box reports by itself: events in real time and as history, its status, its sub-devices."""

from sophon.reports.presence import DevicePresence
from sophon.reports.reports import Reports

__all__ = ["DevicePresence", "Reports"]

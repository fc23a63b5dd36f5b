"""Doors behind one small interface: an order to a relay, and who gives it when."""

from sophon.doors.door_keeper import DoorKeeper, order_for
from sophon.doors.relay import Order, check_relay_url, send_order

__all__ = ["DoorKeeper", "Order", "check_relay_url", "order_for", "send_order"]

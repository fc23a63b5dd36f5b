"""What the kernel knows of the wall clock."""

from __future__ import annotations

import ctypes

# From Linux' sys/timex.h.
_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """As much of `struct timex` as is looked at, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def is_known_unsynchronised() -> bool:
    """Whether the kernel says that nothing keeps the wall clock in time; False also where it can't be asked.

    Any of the usual services (chrony, ntpd, systemd-timesyncd) tells the kernel; it takes the clock for unsynchronised again
    when it has not heard of one for hours.
    """
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state = _Timex()
    return adjtimex(ctypes.byref(state)) >= 0 and bool(state.status & _STA_UNSYNC)

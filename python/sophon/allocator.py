"""How the C library keeps memory that was given back: little of it, so that a box stays as small as it was."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
# A box has dozens of threads, most of them idle; by default each pair would fill an arena of its own with pictures.
ARENAS = 2
# What is larger, such as a decoded picture, goes back to the system at once.
LARGE_BYTES = 1 << 20


def give_memory_back() -> bool:
    """Bound the allocator's arenas and let large blocks go at once; for the start of a process, before its threads.

    Returns whether the C library could be told: only glibc can.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(*told) == 1 for told in ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, LARGE_BYTES)))

"""How freed memory is kept: little of it, so that a box stays as small as it was."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
# A box has dozens of threads, most of them idle; by default each pair would fill an arena of its own with pictures.
ARENAS = 2
# What is larger, such as the picture of a large photograph, goes back to the system at once, and leaves no gap behind.
LARGE_BYTES = 16 << 20
# What may lie free at an arena's end: most pictures find room there, and no page has to be fetched anew for them.
FREE_BYTES = 32 << 20


def give_memory_back() -> bool:
    """Bound the allocator's arenas and let large blocks go at once; for the start of a process, before its threads.

    Returns whether the C library could be told: only glibc can.
    """
    mallopt = _c_function("mallopt")
    if mallopt is None:
        return False
    told = ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, LARGE_BYTES), (_M_TRIM_THRESHOLD, FREE_BYTES))
    return all(mallopt(*parameter) == 1 for parameter in told)


def trim_memory() -> bool:
    """Give the pages back that lie free between what is in use; some milliseconds, now and then.

    Returns whether there were any, or False where the C library can't.
    """
    malloc_trim = _c_function("malloc_trim")
    return malloc_trim is not None and malloc_trim(ctypes.c_size_t(0)) == 1


def settle_memory() -> None:
    """Take what lives now for good: garbage collections pass it over, and so are short and need not be rare."""
    gc.collect()
    gc.freeze()
    # Full collections wait for growth by a quarter of what the last one saw: nothing, now.
    gc.collect()


def _c_function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None

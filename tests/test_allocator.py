"""The allocator gives back what a box does not need."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FILL = """
import ctypes, threading
from sophon.allocator import give_memory_back
{told}
allocate, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
allocate.restype = ctypes.c_void_p
free.argtypes = [ctypes.c_void_p]
barrier = threading.Barrier(12)
def work():
    barrier.wait()
    free(allocate(100_000))
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_info(0, ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stdout"))
"""


def arenas(told: str) -> int:
    """How many arenas a process with a dozen threads has."""
    code = FILL.format(told=told)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_threads_share_two_arenas() -> None:
    assert arenas("assert give_memory_back()") <= 2 < arenas("")

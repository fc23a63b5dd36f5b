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


SCATTER = """
import ctypes, psutil
from sophon.allocator import give_memory_back, trim_memory
assert give_memory_back()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
for block in blocks[:-1]:
    libc.free(block)
before = psutil.Process().memory_info().rss
assert trim_memory()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_what_lies_free_below_something_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCATTER], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 80_000_000


SETTLE = """
import gc, weakref
from sophon.allocator import settle_memory
people = [{"name": [one]} for one in range(300_000)]
settle_memory()
assert gc.get_freeze_count() > 300_000
class Cycle:
    pass
cycle = Cycle()
cycle.itself = cycle
gone = weakref.ref(cycle)
for generation in (0, 1):
    gc.collect(generation)
del cycle
rounds, kept = 0, []
while gone() is not None and rounds < 4:
    kept = [[] for _ in range(gc.get_threshold()[0] * 50)]
    rounds += 1
print(gone() is None)
"""


def test_garbage_is_collected_however_much_lives_from_the_start() -> None:
    """Given a process with 300,000 people; when garbage has grown old, and little is allocated; then it goes all the
    same."""
    done = subprocess.run([sys.executable, "-c", SETTLE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"

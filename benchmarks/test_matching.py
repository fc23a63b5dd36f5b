"""The matcher's time for a search, beside FAISS where it is installed: the quick view of `benchmarks.matching`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.galleries import gallery
from benchmarks.peers import FaissFlat, Matcher, Sophon

COUNT = 50_000


@pytest.fixture(scope="module", params=[128, 512])
def dim(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module", params=[Sophon, FaissFlat], ids=["sophon", "faiss"])
def matcher(request: pytest.FixtureRequest, dim: int) -> Matcher:
    if request.param is FaissFlat:
        pytest.importorskip("faiss")
    make: Callable[[NDArray[np.float32], NDArray[np.int64]], Matcher] = request.param
    return make(gallery("isotropic", COUNT, dim), np.arange(0, COUNT, 10))


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("threshold", [-1.0, 0.3])
def test_search(
    benchmark: BenchmarkFixture, matcher: Matcher, dim: int, batch: int, threshold: float, rounds: int
) -> None:
    queries = gallery("isotropic", batch, dim, seed=1)
    keys, _ = benchmark.pedantic(  # type: ignore[no-untyped-call]
        matcher.search, (queries, 5, threshold), rounds=rounds, iterations=1, warmup_rounds=2
    )
    assert keys.shape == (batch, 5)

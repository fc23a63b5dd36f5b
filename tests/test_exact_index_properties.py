"""Whatever the vectors and whatever happened to the index, the answer is the true one.

The oracle scores in float64. It can't say which of two rows wins whose scores are nearer to each other than float32's
rounding; so it asks of every answer: each score is the true one within that rounding, the order is right, and no row that
was left out is better than the last one by more than it.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sophon import ExactIndex, FaceEngine
from sophon.models import ModelPack
from tests.test_exact_index import BruteForce, Vectors, assert_same, isotropic, unit

ROUNDING = 2.0**-23  # of a float32 score up to 2, and of the float64 sum by far

Maker = Callable[[np.random.Generator, int, int], Vectors]


def clustered(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    centres = isotropic(rng, 5, dim)
    return unit(centres[rng.integers(5, size=count)] + 0.1 * isotropic(rng, count, dim))


def near_duplicates(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    return unit(isotropic(rng, 1, dim) + 1e-6 * isotropic(rng, count, dim))


def sparse(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    """Mostly zeros: the worst case for codes whose scale follows the largest value."""
    vectors = isotropic(rng, count, dim) * (rng.random((count, dim)) < 0.05)
    vectors[np.arange(count), rng.integers(dim, size=count)] += 1
    return unit(vectors)


def on_the_bound(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    """Rows whose scores for the first of them lie around one value, closer together than a pass can tell."""
    first = isotropic(rng, 1, dim).astype(np.float64)
    others = isotropic(rng, count, dim).astype(np.float64)
    others -= (others @ first.T) * first
    others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12)
    cosine = 0.4 + 1e-7 * rng.integers(-5, 6, size=(count, 1))
    vectors = cosine * first + np.sqrt(1 - cosine**2) * others
    vectors[0] = first
    return unit(vectors)


def coarse_grid(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    """Few different values: many rows with the very same score."""
    return unit(rng.integers(-1, 2, size=(count, dim)) + np.eye(1, dim) * 0.5)


MAKERS: list[Maker] = [isotropic, clustered, near_duplicates, sparse, on_the_bound, coarse_grid]


def assert_true_answer(
    keys: NDArray[np.int64],
    scores: NDArray[np.float32],
    query: Vectors,
    vectors: Vectors,
    threshold: float,
    allowed: NDArray[np.bool_],
) -> None:
    """`keys` and `scores` are one query's; row i of `vectors` has key i."""
    true = vectors.astype(np.float64) @ query.astype(np.float64)
    hits = keys != -1
    count = int(hits.sum())
    assert hits[:count].all()
    assert np.isneginf(scores[count:]).all()
    assert len(set(keys[:count].tolist())) == count
    assert allowed[keys[:count]].all()
    np.testing.assert_allclose(scores[:count], true[keys[:count]], rtol=0, atol=ROUNDING)
    assert (scores[:count] >= np.float32(threshold)).all() or threshold <= -1
    order = sorted(zip((-scores[:count]).tolist(), keys[:count].tolist(), strict=True))
    assert [key for _, key in order] == keys[:count].tolist()
    left_out = allowed.copy()
    left_out[keys[:count]] = False
    worst = float(scores[count - 1]) if count == len(keys) else max(threshold, -2.0)
    assert not (true[left_out] > worst + ROUNDING).any()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "dim", [8, 31, 64, 127, *(pytest.param(dim, marks=pytest.mark.slow) for dim in (200, 512, 1024))]
)
def test_the_answer_is_true_for_all_kinds_of_vectors(make: Maker, dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors = make(rng, 1500, dim)
    queries = np.concatenate(
        [vectors[:1], isotropic(rng, 2, dim), unit(vectors[1:2] + 0.3 * isotropic(rng, 1, dim))]
    )
    index = ExactIndex(dim)
    index.add(np.arange(len(vectors)), vectors)
    for density in (1.0, 0.7, 0.1, 0.01, 0.0):
        allowed = rng.random(len(vectors)) < density
        subset = None if density == 1.0 else index.subset(np.flatnonzero(allowed))
        for k, threshold in ((1, -1.0), (10, -1.0), (10, 0.4), (100, 0.999)):
            together = index.search(queries, k, threshold, subset)
            for row, query in enumerate(queries):
                alone = index.search(query, k, threshold, subset)
                assert_same((alone[0][0], alone[1][0]), (together[0][row], together[1][row]))
                assert_true_answer(together[0][row], together[1][row], query, vectors, threshold, allowed)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "remove", "join", "leave"]),
        st.lists(st.integers(0, 12), min_size=1, max_size=4),
        st.integers(0, 2**32 - 1),
    ),
    max_size=25,
)


@given(changes=CHANGES, dim=st.sampled_from([1, 5, 16, 33]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_changes_leaves_what_a_plain_list_would_hold(
    changes: list[tuple[str, list[int], int]], dim: int
) -> None:
    index = ExactIndex(dim)
    group = index.subset()
    rows: list[tuple[int, Vectors]] = []
    members: set[int] = set()
    for what, keys, seed in changes:
        vectors = isotropic(np.random.default_rng(seed), len(keys), dim)
        known = {key for key, _ in rows}
        if what == "add":
            index.add(keys, vectors)
            rows += zip(keys, vectors, strict=True)
        elif what == "replace":
            index.replace(keys, vectors)
            rows = [row for row in rows if row[0] not in keys]
            rows += zip(keys, vectors, strict=True)
        elif what == "remove":
            assert index.remove(keys) == len(known & set(keys))
            rows = [row for row in rows if row[0] not in keys]
            members -= set(keys)
        elif what == "join":
            group.add([key for key in keys if key in known])
            members |= known & set(keys)
        else:
            group.remove(keys)
            members -= set(keys)
        assert len(index) == len(rows)
        assert len(group) == len(members)
        query = isotropic(np.random.default_rng(seed + 1), 1, dim)
        twin = BruteForce(
            np.array([key for key, _ in rows], np.int64),
            np.array([vector for _, vector in rows], np.float32).reshape(len(rows), dim),
        )
        assert_same(index.search(query, k=6), twin.search(query, 6))
        assert_same(index.search(query, k=6, allow=group), twin.search(query, 6, allow=members))


@pytest.mark.slow
def test_a_million_rows(tmp_path: Path) -> None:
    """Also that the vectors may live in files: the memory that is taken stays far below that of the floats."""
    rng = np.random.default_rng(0)
    count, dim = 1_000_000, 64
    index = ExactIndex(dim, store="int8", directory=tmp_path)
    queries = isotropic(rng, 4, dim)
    best = [np.zeros(0, np.float64) for _ in queries]
    for start in range(0, count, 100_000):
        vectors = isotropic(rng, 100_000, dim)
        index.add(np.arange(start, start + 100_000), vectors)
        for row, query in enumerate(queries):
            scores = np.concatenate([best[row], vectors.astype(np.float64) @ query.astype(np.float64)])
            best[row] = np.sort(scores)[-10:]
    for row, query in enumerate(queries):
        _, scores = index.search(query, k=10)
        np.testing.assert_allclose(scores[0], best[row][::-1], rtol=0, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_real_embeddings_among_distractors(test_data: Path, model_pack: ModelPack) -> None:
    photographs = sorted((test_data / "lfw").rglob("*.jpg"))
    with FaceEngine(model_pack) as engine:
        found = [engine.analyze(photograph) for photograph in photographs]
    people = np.array([faces[0].embedding for faces in found if faces])
    assert len(people) > 0.95 * len(photographs)
    rng = np.random.default_rng(1)
    pairs = rng.integers(len(people), size=(2, 50_000))
    noise = 0.3 * isotropic(rng, 50_000, people.shape[1])
    vectors = np.concatenate([people, unit(people[pairs[0]] + 0.6 * people[pairs[1]] + noise)])
    index = ExactIndex(people.shape[1])
    index.add(np.arange(len(vectors)), vectors)
    everyone = np.ones(len(vectors), bool)
    for query in people[:: len(people) // 100]:
        for k, threshold in ((5, -1.0), (5, 0.35)):
            keys, scores = index.search(query, k, threshold)
            assert_true_answer(keys[0], scores[0], query, vectors, threshold, everyone)


def resident_bytes() -> int:
    """Memory of this process, mapped files included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.parametrize(("store", "limit"), [("float32", 1.45), ("int8", 0.45)])
def test_memory_stays_within_its_share_of_the_floats(
    tmp_path: Path, store: Literal["float32", "int8"], limit: float
) -> None:
    count, dim = 200_000, 512
    vectors = isotropic(np.random.default_rng(0), 20_000, dim)
    index = ExactIndex(dim, store=store, directory=tmp_path)
    index.add([0], vectors[:1])
    index.search(vectors[:1])
    before = resident_bytes()
    for start in range(0, count, len(vectors)):
        index.add(np.arange(start, start + len(vectors)), vectors)
    assert resident_bytes() - before < limit * count * dim * 4

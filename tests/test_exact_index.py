"""The matcher finds exactly what a float32 brute force finds, in the stated order of summation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sophon import ExactIndex, Subset

Vectors = NDArray[np.float32]


def unit(vectors: NDArray[np.floating]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def isotropic(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    return unit(rng.standard_normal((count, dim)))


def exact_scores(query: Vectors, vectors: Vectors) -> Vectors:
    """The matcher's scores, by its contract: sixteen sums in float64, folded in halves, rounded to float32."""
    dim = vectors.shape[1]
    products = vectors.astype(np.float64) * query.astype(np.float64)
    steps = np.pad(products, ((0, 0), (0, -dim % 16))).reshape(len(vectors), (dim + 15) // 16, 16)
    sums = np.zeros((len(vectors), 16))
    for step in range(steps.shape[1]):
        sums += steps[:, step]
    for half in (8, 4, 2, 1):
        sums = sums[:, :half] + sums[:, half:]
    return sums[:, 0].astype(np.float32)


@dataclass
class BruteForce:
    """The readable twin of ExactIndex."""

    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    vectors: Vectors = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def search(
        self, queries: Vectors, k: int, threshold: float = -1.0, allow: set[int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, query in enumerate(queries):
            best: dict[int, float] = {}
            for key, score in zip(
                self.keys.tolist(), exact_scores(query, self.vectors).tolist(), strict=True
            ):
                wanted = (threshold <= -1 or score >= np.float32(threshold)) and (
                    allow is None or key in allow
                )
                if wanted and score > best.get(key, -np.inf):
                    best[key] = score
            ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k]
            keys[row, : len(ranked)] = [key for key, _ in ranked]
            scores[row, : len(ranked)] = [score for _, score in ranked]
        return keys, scores


def assert_same(found: tuple[object, object], expected: tuple[object, object]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("dim", [1, 8, 15, 16, 17, 100, 128, 511, 512, 1024])
def test_returns_the_bits_of_the_brute_force(dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors, queries = isotropic(rng, 700, dim), isotropic(rng, 5, dim)
    keys = rng.permutation(10_000)[: len(vectors)]
    index = ExactIndex(dim)
    index.add(keys, vectors)
    assert_same(index.search(queries, k=7), BruteForce(keys, vectors).search(queries, 7))


def test_a_threshold_and_few_rows_leave_places_empty() -> None:
    index = ExactIndex(4)
    index.add([3, 1], np.eye(4, dtype=np.float32)[:2])
    keys, scores = index.search(np.eye(4, dtype=np.float32)[:1], k=3, threshold=0.5)
    assert keys.tolist() == [[3, -1, -1]]
    assert scores.tolist() == [[1.0, -np.inf, -np.inf]]


def test_a_score_on_the_threshold_is_a_hit() -> None:
    rng = np.random.default_rng(0)
    vectors, query = isotropic(rng, 50, 64), isotropic(rng, 1, 64)
    index = ExactIndex(64)
    index.add(np.arange(50), vectors)
    _, scores = index.search(query, k=50)
    on_it = float(scores[0, 20])
    keys, _ = index.search(query, k=50, threshold=on_it)
    assert (keys != -1).sum() == 21


def test_equal_scores_are_ordered_by_key() -> None:
    vector = isotropic(np.random.default_rng(1), 1, 32)
    index = ExactIndex(32)
    index.add([9, 4, 7, 2], np.repeat(vector, 4, axis=0))
    keys, _ = index.search(vector, k=3)
    assert keys.tolist() == [[2, 4, 7]]


def test_a_key_scores_as_its_best_vector() -> None:
    rng = np.random.default_rng(2)
    vectors, queries = isotropic(rng, 600, 48), isotropic(rng, 4, 48)
    keys = rng.integers(0, 40, 600)
    index = ExactIndex(48)
    index.add(keys, vectors)
    assert_same(index.search(queries, k=60), BruteForce(keys, vectors).search(queries, 60))


def test_empty_index_and_no_queries() -> None:
    index = ExactIndex(8)
    keys, scores = index.search(np.eye(8, dtype=np.float32)[:2], k=2)
    assert keys.tolist() == [[-1, -1]] * 2
    assert np.isneginf(scores).all()
    assert index.search(np.zeros((0, 8), np.float32), k=2)[0].shape == (0, 2)


def test_removed_keys_are_not_found_and_their_space_serves_again() -> None:
    rng = np.random.default_rng(3)
    vectors = isotropic(rng, 3000, 24)
    index = ExactIndex(24)
    index.add(np.arange(3000), vectors)
    assert index.remove(np.arange(0, 3000, 2)) == 1500
    assert index.remove([0, 5000]) == 0
    assert len(index) == 1500
    assert 0 not in index
    assert 1 in index
    again = isotropic(rng, 1500, 24)
    index.add(np.arange(5000, 6500), again)
    twin = BruteForce(
        np.concatenate([np.arange(1, 3000, 2), np.arange(5000, 6500)]), np.concatenate([vectors[1::2], again])
    )
    queries = isotropic(rng, 6, 24)
    assert_same(index.search(queries, k=9), twin.search(queries, 9))


def test_replace_swaps_all_vectors_of_a_key() -> None:
    axes = np.eye(6, dtype=np.float32)
    index = ExactIndex(6)
    index.add([1, 1, 2], axes[:3])
    index.replace([1, 5], axes[3:5])
    assert len(index) == 3
    np.testing.assert_array_equal(index.get(1), axes[3:4])
    np.testing.assert_array_equal(index.get(5), axes[4:5])
    assert index.search(axes[:1], threshold=0.9)[0].tolist() == [[-1]]


def test_get_returns_what_was_added_in_order() -> None:
    vectors = isotropic(np.random.default_rng(4), 3, 33)
    index = ExactIndex(33)
    index.add([7, 7], vectors[:2])
    index.add([7], vectors[2:])
    np.testing.assert_array_equal(index.get(7), vectors)
    with pytest.raises(KeyError, match="8"):
        index.get(8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("zero", "vector 1 has norm 0.0"),
        ("long", "vector 1 has norm 1.1"),
        ("nan", "vector 1 has a value that is not finite"),
        ("inf", "vector 1 has a value that is not finite"),
    ],
)
def test_a_wrong_vector_is_named_and_nothing_is_added(change: str, message: str) -> None:
    vectors = isotropic(np.random.default_rng(5), 3, 16)
    vectors[1] *= {"zero": 0.0, "long": 1.1, "nan": np.nan, "inf": np.inf}[change]
    index = ExactIndex(16)
    with pytest.raises(ValueError, match=message):
        index.add([1, 2, 3], vectors)
    assert len(index) == 0


def test_other_wrong_arguments_are_refused() -> None:
    index = ExactIndex(16)
    vector = isotropic(np.random.default_rng(6), 1, 16)
    with pytest.raises(ValueError, match="dim"):
        ExactIndex(0)
    with pytest.raises(ValueError, match="negative"):
        index.add([-1], vector)
    with pytest.raises(ValueError, match="one vector"):
        index.add([1, 2], vector)
    with pytest.raises(ValueError, match=r"\(n, 16\)"):
        index.add([1], vector[:, :8])
    with pytest.raises(ValueError, match="k must"):
        index.search(vector, k=0)
    with pytest.raises(ValueError, match="threshold"):
        index.search(vector, threshold=float("nan"))
    with pytest.raises(ValueError, match="threads"):
        index.search(vector, threads=0)
    with pytest.raises(ValueError, match="query 0"):
        index.search(vector * 2)
    with pytest.raises(ValueError, match="another index"):
        index.search(vector, allow=ExactIndex(16).subset())


@pytest.mark.parametrize("density", [0.0, 0.001, 0.1, 0.5, 0.99, 1.0])
def test_a_subset_limits_the_search(density: float) -> None:
    rng = np.random.default_rng(7)
    vectors, queries = isotropic(rng, 9000, 16), isotropic(rng, 3, 16)
    keys = np.arange(9000)
    index = ExactIndex(16)
    index.add(keys, vectors)
    allowed = keys[rng.random(9000) < density]
    allow = index.subset(allowed)
    assert len(allow) == len(allowed)
    found = index.search(queries, k=4, allow=allow)
    assert_same(found, BruteForce(keys, vectors).search(queries, 4, allow=set(allowed.tolist())))


def test_subsets_combine_as_views() -> None:
    index = ExactIndex(8)
    index.add(np.arange(8), np.eye(8, dtype=np.float32))
    small, even = index.subset([0, 1, 2, 3]), index.subset([0, 2, 4, 6])
    both, either = small & even, small | even

    def members(subset: Subset) -> list[int]:
        return [key for key in range(8) if key in subset]

    assert members(both) == [0, 2]
    assert members(either) == [0, 1, 2, 3, 4, 6]
    small.add([4])
    even.remove([0])
    assert members(both) == [2, 4]
    assert len(either) == 6
    with pytest.raises(ValueError, match="can't be changed"):
        both.add([1])
    with pytest.raises(KeyError, match="99"):
        small.add([5, 99])
    assert 5 not in small
    with pytest.raises(ValueError, match="different indexes"):
        small & ExactIndex(8).subset()


def test_a_long_chain_of_subsets_is_no_deep_recursion() -> None:
    index = ExactIndex(8)
    index.add(np.arange(8), np.eye(8, dtype=np.float32))
    chain = index.subset()
    for _ in range(5000):
        chain = chain | index.subset([3])
    assert index.search(np.eye(8, dtype=np.float32)[:1], k=8, allow=chain)[0][0].tolist() == [3] + [-1] * 7


def test_a_subset_follows_its_keys_and_never_their_space() -> None:
    axes = np.eye(8, dtype=np.float32)
    index = ExactIndex(8)
    index.add([0, 1], axes[:2])
    subset = index.subset([0])
    index.add([0], axes[2:3])  # a further vector of a member
    assert index.search(axes[2:3], allow=subset)[0].tolist() == [[0]]
    index.replace([0], axes[3:4])
    assert index.search(axes[3:4], threshold=0.9, allow=subset)[0].tolist() == [[0]]
    index.remove([0])
    index.add([50], axes[4:5])  # takes the space of key 0
    assert index.search(axes[4:5], allow=subset)[0].tolist() == [[-1]]
    index.add([0], axes[:1])  # a removed key has left the set
    assert 0 not in subset
    index.add([60], axes[5:6], join=[subset])
    assert 60 in subset
    index.replace([60], axes[5:6], belong=[])
    assert 60 not in subset


def test_a_search_sees_a_change_whole_or_not_at_all() -> None:
    """One key swaps between two vectors, both in a group; a search within the group must find exactly one of them."""
    axes = np.eye(32, dtype=np.float32)
    index = ExactIndex(32)
    index.add([1], axes[:1])
    group = index.subset([1])
    query = unit(axes[0] + axes[1])
    expected = float(exact_scores(query, axes[:1])[0])
    stop = threading.Event()
    wrong: list[tuple[list[int], list[float]]] = []
    searches = [0, 0]

    def search(number: int) -> None:
        while not stop.is_set():
            keys, scores = index.search(query, k=2, allow=group)
            searches[number] += 1
            if keys[0].tolist() != [1, -1] or scores[0, 0] != expected:
                wrong.append((keys[0].tolist(), scores[0].tolist()))

    threads = [threading.Thread(target=search, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(3000):
        index.replace([1], axes[(turn + 1) % 2][None])
    stop.set()
    for thread in threads:
        thread.join()
    assert min(searches) > 0
    assert not wrong


@pytest.mark.parametrize("mmap", [True, False])
def test_a_saved_index_loads_as_it_was(tmp_path: Path, mmap: bool) -> None:
    rng = np.random.default_rng(8)
    vectors, queries = isotropic(rng, 5000, 40), isotropic(rng, 4, 40)
    index = ExactIndex(40)
    index.add(np.arange(5000), vectors)
    index.remove([17])
    index.save(tmp_path / "people.index")
    loaded = ExactIndex.load(tmp_path / "people.index", mmap=mmap)
    assert_same(loaded.search(queries, k=5), index.search(queries, k=5))
    assert 17 not in loaded
    loaded.add([17], vectors[17:18])
    assert loaded.search(vectors[17:18])[0].tolist() == [[17]]
    assert [path.name for path in tmp_path.iterdir()] == ["people.index"]


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100_000)
    with pytest.raises(ValueError, match="not an index"):
        ExactIndex.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        ExactIndex.load(tmp_path / "y")
    with pytest.raises(OSError, match="can't write"):
        ExactIndex(8).save(tmp_path / "no such folder" / "x")


def test_vectors_in_files_give_the_same_results(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    vectors, queries = isotropic(rng, 5000, 40), isotropic(rng, 4, 40)
    index = ExactIndex(40, store="int8", directory=tmp_path)
    index.add(np.arange(5000), vectors)
    assert_same(index.search(queries, k=5), BruteForce(np.arange(5000), vectors).search(queries, 5))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="store"):
        ExactIndex(40, store="int4")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        ExactIndex(40, store="int8", directory=tmp_path / "none").add([1], vectors[:1])


def test_explain_counts_what_each_pass_left() -> None:
    rng = np.random.default_rng(10)
    index = ExactIndex(128)
    index.add(np.arange(10_000), isotropic(rng, 10_000, 128))
    *_, counts = index.search(isotropic(rng, 2, 128), k=3, explain=True)
    for count in counts:
        assert count["rows"] == 10_000
        assert count["fine"] <= count["coarse"] < 2000
        assert 3 <= count["scored"] < 200


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_more_threads_give_the_same_result(threads: int) -> None:
    rng = np.random.default_rng(11)
    index = ExactIndex(32)
    index.add(rng.integers(0, 40_000, 50_000), isotropic(rng, 50_000, 32))
    for count in (1, 3, 70):
        queries = isotropic(rng, count, 32)
        for threshold in (-1.0, 0.5):
            assert_same(
                index.search(queries, 7, threshold, threads=threads), index.search(queries, 7, threshold)
            )

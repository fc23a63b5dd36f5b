"""Other libraries' searches behind one small interface, each at its best fair setting and with one thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import sophon

Vectors = NDArray[np.float32]
Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Matcher(Protocol):
    """Best `k` by inner product; `allowed` holds row numbers, `threshold` -1 means none."""

    name: str
    library: str
    exact: bool

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None: ...
    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found: ...


class Sophon:
    name = "sophon"
    library = "sophon"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        self.index = sophon.ExactIndex(vectors.shape[1])
        for start in range(0, len(vectors), 65536):
            piece = vectors[start : start + 65536]
            self.index.add(np.arange(start, start + len(piece)), piece)
        self._allowed = self.index.subset(allowed)

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        return self.index.search(queries, k, threshold, self._allowed if within else None)


class FaissFlat:
    name = "FAISS IndexFlatIP"
    library = "faiss"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        self._faiss: Any = importlib.import_module("faiss")
        self._faiss.omp_set_num_threads(1)
        self._faiss.cvar.distance_compute_blas_threshold = 2  # batches by BLAS
        self._index = self._faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)
        bits = np.zeros(len(vectors), bool)
        bits[allowed] = True
        self._bitmap = np.packbits(bits, bitorder="little")
        self._within = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(self._bitmap))
        self._everything = self._faiss.SearchParameters(sel=self._faiss.IDSelectorAll())

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        # Its range search is slower than its top k, so a threshold is served by the top k.
        scores, keys = self._index.search(
            queries, k, params=self._within if within else self._unselected(queries)
        )
        return keys, scores

    def _unselected(self, queries: Vectors) -> Any:
        return None


class FaissFlatSelectingAll(FaissFlat):
    """The same, but a single query goes by FAISS's path for selectors, several times faster than its usual one."""

    name = "FAISS IndexFlatIP, selecting all"

    def _unselected(self, queries: Vectors) -> Any:
        return self._everything if len(queries) == 1 else None


class FaissFastScan:
    name = "FAISS PQ4 fast-scan + refine"
    library = "faiss"
    exact = False

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        faiss: Any = importlib.import_module("faiss")
        faiss.omp_set_num_threads(1)
        dim = vectors.shape[1]
        self._codes = faiss.IndexPQFastScan(dim, dim // 4, 4, faiss.METRIC_INNER_PRODUCT)
        self._codes.train(vectors[:20_000])
        self._index = faiss.IndexRefineFlat(self._codes)
        self._index.add(vectors)
        self._index.k_factor = 16

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        scores, keys = self._index.search(queries, k)
        return keys, scores


class Svs:
    name = "Intel SVS flat"
    library = "svs"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        svs: Any = importlib.import_module("svs")
        self._index = svs.Flat(vectors, svs.DistanceType.MIP, num_threads=1)

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        keys, scores = self._index.search(queries, k)
        return keys.astype(np.int64), scores


class Usearch:
    name = "usearch exact"
    library = "usearch"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        self._search: Any = importlib.import_module("usearch.index").search
        self._vectors = vectors

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        found = self._search(self._vectors, queries, k, metric="ip", exact=True, threads=1)
        keys, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
        return keys.astype(np.int64), 1 - distances


class HnswlibBruteForce:
    name = "hnswlib brute force"
    library = "hnswlib"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        hnswlib: Any = importlib.import_module("hnswlib")
        self._index = hnswlib.BFIndex(space="ip", dim=vectors.shape[1])
        self._index.init_index(max_elements=len(vectors))
        self._index.add_items(vectors, np.arange(len(vectors)))

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        keys, distances = self._index.knn_query(queries, k)
        return keys.astype(np.int64), 1 - distances


class Hnswlib:
    name = "hnswlib HNSW (M 16, ef 100)"
    library = "hnswlib"
    exact = False

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        hnswlib: Any = importlib.import_module("hnswlib")
        self._index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self._index.init_index(max_elements=len(vectors), M=16, ef_construction=100)
        self._index.add_items(vectors, np.arange(len(vectors)))
        self._index.set_ef(100)
        self._index.set_num_threads(1)

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        keys, distances = self._index.knn_query(queries, k)
        return keys.astype(np.int64), 1 - distances


class _AllScores:
    """Scores of all rows from a library, then NumPy's partition."""

    def __init__(self, scores: Callable[[Vectors], NDArray[np.floating]]) -> None:
        self._scores = scores

    def search(self, queries: Vectors, k: int, threshold: float = -1.0, within: bool = False) -> Found:
        scores = self._scores(queries)
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        keys = np.take_along_axis(best, order, axis=1)
        return keys, np.take_along_axis(scores, keys, axis=1).astype(np.float32)


class Numpy(_AllScores):
    name = "NumPy (OpenBLAS)"
    library = "numpy"
    exact = True

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        super().__init__(lambda queries: queries @ vectors.T)


class NumKong(_AllScores):
    name = "NumKong int8"
    library = "numkong"
    exact = False

    def __init__(self, vectors: Vectors, allowed: NDArray[np.int64]) -> None:
        numkong: Any = importlib.import_module("numkong")
        scale = 127 / np.abs(vectors).max()
        codes = np.round(vectors * scale).astype(np.int8)

        def scores(queries: Vectors) -> NDArray[np.floating]:
            query_codes = np.clip(np.round(queries * scale), -127, 127).astype(np.int8)
            return np.asarray(numkong.cdist(query_codes, codes, metric="dot")).astype(np.float32)

        super().__init__(scores)


BEST_KNOWN: list[type[Matcher]] = [Sophon, FaissFlat, FaissFlatSelectingAll]
OTHERS: list[type[Matcher]] = [
    FaissFastScan,
    Svs,
    Usearch,
    HnswlibBruteForce,
    Hnswlib,
    Numpy,
    NumKong,
]

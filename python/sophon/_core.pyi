from collections.abc import Sequence
from os import PathLike
from typing import Literal, NoReturn, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

def version() -> str: ...
def compiled_isas() -> list[str]: ...
def usable_isas() -> list[str]: ...
def chosen_isa() -> str:
    """Name of the instruction set of all kernels; ValueError when SOPHON_ISA asks for one this machine lacks."""

class Subset:
    """A set of an index's keys, prepared for searching; made by ``ExactIndex.subset``.

    It follows the index: a further vector of a key that is in the set is in it too, a removed key has left it.
    ``a & b`` and ``a | b`` are views that follow both sets and can't be changed themselves. Safe to use from several
    threads.
    """

    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    def add(self, keys: ArrayLike) -> None:
        """Put keys in; KeyError, and none is put in, when the index lacks one of them."""
    def remove(self, keys: ArrayLike) -> None:
        """Take keys out; those that are not in are passed over."""
    def __contains__(self, key: int) -> bool: ...
    def __len__(self) -> int: ...
    def __and__(self, other: Subset) -> Subset: ...
    def __or__(self, other: Subset) -> Subset: ...

class ExactIndex:
    """The exact matcher: unit-norm float32 vectors under 64-bit integer keys, searched by inner product.

    A key (0 or more) may hold several vectors, e.g. a person's photographs: its score is the best of theirs. Results
    are exactly those of a float32 brute force whose order of summation is stated: sixteen sums in float64, sum j over
    the products i = j (mod 16) by rising i; then sum j += sum j + 8 for j < 8, likewise by 4, 2 and 1; sum 0 rounded
    to float32. Safe to use from several threads; the GIL is released. Every search sees the index before or after a
    change, never within.
    """

    def __init__(
        self,
        dim: int,
        store: Literal["float32", "int8"] = "float32",
        directory: str | PathLike[str] | None = None,
    ) -> None:
        """Make an empty index for vectors of ``dim`` (1 to 4096) values.

        ``store="int8"`` keeps the float32 vectors in unnamed files in ``directory`` (the system's temporary one by default),
        mapped into memory, and only their integer pictures, about a quarter, in memory proper; results are the same.
        """
    @staticmethod
    def load(path: str | PathLike[str], mmap: bool = True) -> ExactIndex:
        """Read what ``save`` wrote, on any machine.

        With ``mmap`` the file is mapped and must stay as it is (saving over it is safe); changes to the index stay out
        of it. ValueError for a file that is damaged or not an index, OSError when it can't be read.
        """
    def save(self, path: str | PathLike[str]) -> None:
        """Write all keys and vectors (not the subsets), in one version, beside searches and changes.

        The file appears under its name when it is complete and on disk. OSError when it can't be written.
        """
    @property
    def dim(self) -> int: ...
    def add(self, keys: ArrayLike, vectors: ArrayLike, join: Sequence[Subset] = ()) -> None:
        """Add one vector per key; all or nothing.

        ``keys`` int64 (n,), ``vectors`` float32 (n, dim), norm 1 ± 0.001; the keys also join the given subsets.
        ValueError names the first row that is not finite or not of unit norm.
        """
    def replace(self, keys: ArrayLike, vectors: ArrayLike, belong: Sequence[Subset] | None = None) -> None:
        """Add, and in the same step remove the keys' former vectors; keys may be new.

        Without ``belong`` the keys stay in the subsets they are in, with it they are then in exactly those.
        """
    def remove(self, keys: ArrayLike) -> int:
        """Remove all vectors of these keys, from memory too; returns how many of the keys were there."""
    def contains(self, key: int) -> bool: ...
    def __contains__(self, key: int) -> bool: ...
    def __len__(self) -> int:
        """The number of vectors."""
    def get(self, key: int) -> NDArray[np.float32]:
        """The key's vectors (n, dim) in the order they were added; KeyError for an unknown key."""
    def subset(self, keys: ArrayLike = ...) -> Subset:
        """Make a set of keys to search within; KeyError when the index lacks one."""
    @overload
    def search(
        self,
        queries: ArrayLike,
        k: int = 1,
        threshold: float = -1.0,
        allow: Subset | None = None,
        explain: Literal[False] = False,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` keys of the highest scores for each query; returns keys and scores, (m, k) each.

        ``queries`` float32 (m, dim) of unit norm. Sorted by falling score, equal scores by rising key. Only scores of at
        least ``threshold`` are hits, -1 or less asks for all; places without a hit hold key -1 and score -inf. ``allow``
        limits the search to a subset of the keys. With ``explain`` a third item tells for each query how many ``rows``
        could be hits, how many were left after the ``coarse`` and the ``fine`` pass, and how many were ``scored``.
        More ``threads`` may help with a large search, which never waits for them; the result is the same.
        """
    @overload
    def search(
        self,
        queries: ArrayLike,
        k: int = 1,
        threshold: float = -1.0,
        allow: Subset | None = None,
        *,
        explain: Literal[True],
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], list[dict[str, int]]]: ...

# Image work. A picture is uint8 (height, width, 3) BGR; a slice of rows or columns will do. Every call releases the GIL
# while it computes and raises ValueError for shapes or numbers that can't be right.

def decode_yunet(
    outputs: Sequence[NDArray[np.float32]],
    height: int,
    width: int,
    min_score: float,
    across: float = 1.0,
    down: float = 1.0,
) -> NDArray[np.float32]:
    """Faces (n, 15): box x1, y1, x2, y2, five landmarks x, y, score; in input pixels times `across` and `down`.

    `outputs` are YuNet's twelve: cls, obj, bbox, kps, each of strides 8, 16, 32.
    """

def merge_detections(
    found: Sequence[NDArray[np.float32]], max_iou: float, same_face_iou: float
) -> NDArray[np.float32]:
    """What greedy non-maximum suppression, best score first, leaves of all these faces (n, 15), largest first.

    A face's landmarks are the mean, weighted by score, of all whose boxes overlap its own by at least `same_face_iou`.
    """

def map_back(transform: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points (n, 2) before this (2, 3) map. ValueError for a map that can't be inverted."""

def similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares similarity (2, 3) that maps points (n, 2) onto others; no reflection (Umeyama 1991)."""

def warp_crop(
    image: NDArray[np.uint8], transform: NDArray[np.float64], height: int, width: int, smooth: bool = False
) -> NDArray[np.uint8]:
    """A crop (height, width, 3) through a (2, 3) map from picture to crop pixels; black outside the picture.

    Each pixel is one bilinear sample at its centre; `smooth`: the mean of n × n of them, n = the number of picture
    pixels one crop pixel spans, at most 4.
    """

def warp_into(
    image: NDArray[np.uint8],
    transform: NDArray[np.float64],
    planes: NDArray[np.float32],
    rgb: bool,
    mean: tuple[float, float, float],
    scale: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """As warp_crop without `smooth`, and writes (value - mean) * scale into `planes` (3, height, width) in BGR or RGB order."""

def lay_over_white(bgra: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A BGRA picture (height, width, 4), C-contiguous, as BGR (height, width, 3) over white."""

def resize_into(image: NDArray[np.uint8], planes: NDArray[np.float32], height: int, width: int) -> None:
    """Write the picture, resized to height × width, into the top left of `planes` (3, h, w), zero elsewhere.

    Shrinking takes area means, growing interpolates linearly; values 0..255 in BGR.
    """

def normalize_embeddings(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, dim) scaled to unit norm; ValueError for NaN, infinity or a zero norm."""

class FaceStatistics:
    """What an aligned face's pixels say; formulas in cpp/include/sophon/face_statistics.h."""

    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...
    @property
    def visible(self) -> float:
        """Share 0..1 of the face region that lies inside the picture; the other values look only at that share."""

    @property
    def sharpness_across(self) -> float:
        """Share 0..1 of the variation along rows that a nine-pixel blur would take away; 0 = blurred already."""

    @property
    def sharpness_down(self) -> float:
        """The same along columns."""

    @property
    def dark_level(self) -> float:
        """Luma that 5 % of the pixels do not exceed, 0..255."""

    @property
    def median_level(self) -> float: ...
    @property
    def bright_level(self) -> float:
        """Luma that 95 % of the pixels do not exceed."""

    @property
    def white_share(self) -> float:
        """Share 0..1 of the pixels at luma 240 and above."""

    @property
    def left_mean(self) -> float: ...
    @property
    def right_mean(self) -> float: ...
    @property
    def right_eye_level(self) -> float:
        """Luma of the skin below the subject's right eye over that of the cheek; dark glasses are far under 1."""

    @property
    def left_eye_level(self) -> float: ...

def measure_face(
    crop: NDArray[np.uint8], transform: NDArray[np.float64], image_height: int, image_width: int
) -> FaceStatistics:
    """Measure an aligned crop (112, 112, 3) that `transform` took from a picture of the given size."""

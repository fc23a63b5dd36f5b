"""The people in memory: embeddings with their groups and permission groups, over the exact matcher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sophon._core import ExactIndex, Subset
from sophon.errors import Code, SophonError

_JOINED_KEPT = 32
_Limits: TypeAlias = tuple[tuple[Subset, ...], ...]
"""Whom a search may find: who is, for each of these, in one of its subsets."""


@dataclass(frozen=True)
class Match:
    """A person whose embedding is like the one searched for; ``score`` is the cosine, -1 to 1."""

    identity_id: str
    score: float


@dataclass(frozen=True)
class _Person:
    key: int
    groups: frozenset[str]
    permissions: frozenset[str]


class Gallery:
    """Enrolled people, searched exactly and safe to use from several threads.

    ``making_id`` names how the embeddings were made (model, alignment, pre-processing; ``FaceEngine.making_id``);
    embeddings of another making are refused, because their scores would mean nothing. Changes are seen by searches
    as a whole or not at all; changes of groups touch bitmaps only.
    """

    def __init__(self, dim: int, making_id: str = "") -> None:
        self.making_id = making_id
        self._index = ExactIndex(dim)
        self._lock = threading.Lock()  # guards what follows; searches take it only to look names up
        self._people: dict[str, _Person] = {}
        self._identities: dict[int, str] = {}
        self._next_key = 0
        self._groups: dict[str, Subset] = {}
        self._permissions: dict[str, Subset] = {}
        self._joined: dict[_Limits, Subset] = {}  # the one used last is last

    @property
    def dim(self) -> int:
        """Values per embedding."""
        return self._index.dim

    def add(
        self,
        identity_id: str,
        embedding: ArrayLike,
        groups: Iterable[str] = ("default_group",),
        permissions: Iterable[str] = ("0",),
        *,
        making_id: str | None = None,
    ) -> None:
        """Enrol a new person with one embedding (dim,) or several (n, dim), float32, unit norm.

        Raises SophonError: IDENTITY_EXISTS, BAD_FEATURE for a wrong embedding or making.
        """
        with self._lock:
            if identity_id in self._people:
                raise SophonError(
                    Code.IDENTITY_EXISTS, f"{identity_id!r} is in the gallery already; use replace"
                )
            self._enrol(identity_id, embedding, groups, permissions, making_id, self._index.add)

    def replace(
        self,
        identity_id: str,
        embedding: ArrayLike,
        groups: Iterable[str] = ("default_group",),
        permissions: Iterable[str] = ("0",),
        *,
        making_id: str | None = None,
    ) -> None:
        """Enrol a person whether or not they are enrolled; former embeddings and groups are gone in the same step.

        Raises SophonError BAD_FEATURE for a wrong embedding or making.
        """
        with self._lock:
            self._enrol(identity_id, embedding, groups, permissions, making_id, self._index.replace)

    def remove(self, identity_id: str) -> bool:
        """Forget a person; False when there was none of that id."""
        with self._lock:
            person = self._people.pop(identity_id, None)
            if person is None:
                return False
            del self._identities[person.key]
            self._index.remove([person.key])
            return True

    def clear(self) -> None:
        """Forget everyone."""
        with self._lock:
            self._index.remove(list(self._identities))
            self._people.clear()
            self._identities.clear()

    def keep_only(self, identity_ids: Collection[str]) -> None:
        """Forget everyone else."""
        with self._lock:
            others = [one for one in self._people if one not in identity_ids]
            keys = [self._people.pop(one).key for one in others]
            for key in keys:
                del self._identities[key]
            self._index.remove(keys)

    def set_groups(self, identity_id: str, groups: Iterable[str]) -> None:
        """Put a person into exactly these groups; SophonError ID_NOT_FOUND for an unknown person."""
        with self._lock:
            person = self._person(identity_id)
            wanted = frozenset(groups)
            self._move(person.key, self._groups, person.groups, wanted)
            self._people[identity_id] = _Person(person.key, wanted, person.permissions)

    def set_permissions(self, identity_id: str, permissions: Iterable[str]) -> None:
        """Give a person exactly these permission groups; SophonError ID_NOT_FOUND for an unknown person."""
        with self._lock:
            person = self._person(identity_id)
            wanted = frozenset(permissions)
            self._move(person.key, self._permissions, person.permissions, wanted)
            self._people[identity_id] = _Person(person.key, person.groups, wanted)

    def groups(self, identity_id: str) -> frozenset[str]:
        """A person's groups; SophonError ID_NOT_FOUND for an unknown person."""
        with self._lock:
            return self._person(identity_id).groups

    def permissions(self, identity_id: str) -> frozenset[str]:
        """A person's permission groups; SophonError ID_NOT_FOUND for an unknown person."""
        with self._lock:
            return self._person(identity_id).permissions

    def search(
        self,
        embedding: ArrayLike,
        k: int = 5,
        threshold: float = 0.35,
        groups: Iterable[str] | None = None,
        permissions: Iterable[str] | None = None,
    ) -> list[Match]:
        """At most ``k`` people whose score is at least ``threshold``, best first.

        With ``groups``, only people in one of them; with ``permissions``, only people who have one of them. Names that
        nobody has match nobody. Raises SophonError BAD_FEATURE for a wrong embedding.
        """
        vector = self._one(embedding)
        limits = self._limits(groups, permissions)
        if not all(limits):
            return []
        allow = self._within(limits) if limits else None
        try:
            keys, scores = self._index.search(vector, k, threshold, allow)
        except ValueError as error:
            raise SophonError(Code.BAD_FEATURE, f"embedding: {error}") from None
        # Someone who was forgotten since the search began has no name any more.
        with self._lock:
            return [
                Match(self._identities[key], score)
                for key, score in zip(keys[0].tolist(), scores[0].tolist(), strict=True)
                if key in self._identities
            ]

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, identity_id: object) -> bool:
        return identity_id in self._people

    def _enrol(
        self,
        identity_id: str,
        embedding: ArrayLike,
        groups: Iterable[str],
        permissions: Iterable[str],
        making_id: str | None,
        store: Callable[[list[int], NDArray[np.float32], list[Subset]], None],
    ) -> None:
        if making_id is not None and making_id != self.making_id:
            raise SophonError(
                Code.BAD_FEATURE,
                f"the embedding's making {making_id!r} is not the gallery's {self.making_id!r}; make it again",
            )
        former = self._people.get(identity_id)
        person = _Person(
            self._next_key if former is None else former.key, frozenset(groups), frozenset(permissions)
        )
        vectors = np.atleast_2d(np.asarray(embedding, dtype=np.float32))
        subsets = [self._subset(self._groups, name) for name in person.groups]
        subsets += [self._subset(self._permissions, name) for name in person.permissions]
        # The name comes first: a search may find the person as soon as the index has them.
        self._identities[person.key] = identity_id
        try:
            store([person.key] * len(vectors), vectors, subsets)
        except ValueError as error:
            if former is None:
                del self._identities[person.key]
            raise SophonError(Code.BAD_FEATURE, f"embedding of {identity_id!r}: {error}") from None
        self._next_key = max(self._next_key, person.key + 1)
        self._people[identity_id] = person

    def _person(self, identity_id: str) -> _Person:
        person = self._people.get(identity_id)
        if person is None:
            raise SophonError(Code.ID_NOT_FOUND, f"{identity_id!r} is not in the gallery")
        return person

    def _subset(self, table: dict[str, Subset], name: str) -> Subset:
        if name not in table:
            table[name] = self._index.subset()
        return table[name]

    def _move(
        self, key: int, table: dict[str, Subset], former: frozenset[str], wanted: frozenset[str]
    ) -> None:
        # In before out: a search within both an old and a new group never misses the person.
        for name in wanted - former:
            self._subset(table, name).add([key])
        for name in former - wanted:
            table[name].remove([key])

    def _limits(self, groups: Iterable[str] | None, permissions: Iterable[str] | None) -> _Limits:
        with self._lock:
            return tuple(
                tuple(table[name] for name in sorted(set(names)) if name in table)
                for table, names in ((self._groups, groups), (self._permissions, permissions))
                if names is not None
            )

    def _within(self, limits: _Limits) -> Subset:
        """Return who is in one subset of each limit. The last few are kept: a set knows what its searches read."""
        with self._lock:
            allow = self._joined.pop(limits, None)
            if allow is None:
                allow = reduce(and_, (reduce(or_, subsets) for subsets in limits))
            self._joined[limits] = allow
            if len(self._joined) > _JOINED_KEPT:
                del self._joined[next(iter(self._joined))]
            return allow

    def _one(self, embedding: ArrayLike) -> NDArray[np.float32]:
        vector = np.asarray(embedding, dtype=np.float32)
        if vector.shape != (self.dim,):
            raise SophonError(Code.BAD_FEATURE, f"embedding: its shape is {vector.shape}, not ({self.dim},)")
        return vector

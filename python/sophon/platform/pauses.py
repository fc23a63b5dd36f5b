"""How long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Callable


class Pauses:
    """Growing, jittered pauses in seconds: the ceiling doubles, and a pause lies in its upper half.

    Boxes that lost the same platform at the same moment come back spread out.
    """

    def __init__(
        self, first: float = 1.0, longest: float = 60.0, chance: Callable[[], float] = random.random
    ) -> None:
        self._first, self._longest, self._chance = first, longest, chance
        self._ceiling = first

    def next(self) -> float:
        """The pause to make now; never under ``first``, never over ``longest``."""
        low = max(self._first, self._ceiling / 2)
        pause = low + (self._ceiling - low) * self._chance()
        self._ceiling = min(self._ceiling * 2, self._longest)
        return pause

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._ceiling = self._first

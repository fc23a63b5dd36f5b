"""People who are enrolled already under another id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sophon.calibration import Calibration
from sophon.gallery import Gallery, Match

#: What is done about one: nothing, a word in the answer and the log, or a refusal.
DuplicatePolicy = Literal["allow", "warn", "reject"]

# Stricter than recognition: among 50,000 people, one new face in 200 is told to be somebody else's.
DUPLICATE_FMR = 1e-7
UNCALIBRATED_THRESHOLD = 0.55

_LOOKED_AT = 8  # of the most alike: the person's own former face and strangers do not count


class DuplicateSearch:
    """Finds whose face a new person has, among everybody enrolled and those who are enrolled in the same step."""

    def __init__(self, gallery: Gallery, calibration: Calibration | None) -> None:
        self._gallery = gallery
        self._threshold = (
            UNCALIBRATED_THRESHOLD if calibration is None else calibration.threshold(DUPLICATE_FMR)
        )

    def find(
        self,
        identity_id: str,
        embedding: NDArray[np.float32],
        beside: Mapping[str, NDArray[np.float32]],
        counts: Callable[[str], bool],
    ) -> Match | None:
        """Return the person most like this one, with the cosine, if it reaches the threshold.

        `beside` holds the faces that the gallery does not know yet, or knows as they were before; `counts` says whether an
        id is one to look out for.
        """
        found = [
            Match(other, float(embedding @ face))
            for other, face in beside.items()
            if float(embedding @ face) >= self._threshold
        ]
        found += [
            match
            for match in self._gallery.search(embedding, _LOOKED_AT, threshold=self._threshold)
            if match.identity_id not in beside
        ]
        others = sorted(found, key=lambda match: -match.score)
        return next(
            (one for one in others if one.identity_id != identity_id and counts(one.identity_id)), None
        )

"""Who a face is: known, on the blacklist, or a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sophon.box import Box
from sophon.engine import Face
from sophon.gallery import Match


class PersonType(int, Enum):
    """The contract's ``person_type``."""

    EMPLOYEE = 1
    VISITOR = 2
    BLACKLIST = 3
    STRANGER = 4
    VIP = 5


@dataclass(frozen=True)
class Decision:
    """Who a face is taken for.

    ``score`` is the event score 0-1 of the best match; ``margin`` how far the second best person is below it. A
    stranger's ``identity_id`` is "" and ``info`` empty, unless strangers are enrolled.
    """

    person_type: PersonType
    identity_id: str
    name: str
    info: dict[str, Any]
    score: float
    margin: float

    @property
    def is_match(self) -> bool:
        """Whether the face is someone enrolled."""
        return self.identity_id != ""

    @property
    def may_pass(self) -> bool:
        """Whether a door opens for them."""
        return self.person_type in (PersonType.EMPLOYEE, PersonType.VISITOR, PersonType.VIP)


def decide(box: Box, face: Face, group: str, permissions: Sequence[str] | None) -> Decision:
    """Compare a face with a group, and only with who has one of the permission groups if they are given.

    A blacklisted person, or a stranger who was enrolled, is recognised wherever the group has them: no permission group
    hides them.
    """
    best, margin = _best(box, box.search(face, group=group, permissions=permissions))
    decision = _judge(box, best, margin)
    if decision.is_match or permissions is None:
        return decision
    unrestricted = _judge(box, *_best(box, box.search(face, group=group)))
    hidden = (PersonType.BLACKLIST, PersonType.STRANGER)
    return unrestricted if unrestricted.is_match and unrestricted.person_type in hidden else decision


def _best(box: Box, matches: Sequence[Match]) -> tuple[Match | None, float]:
    if not matches:
        return None, 0.0
    scores = [box.event_score(match.score) for match in matches]
    return matches[0], scores[0] - (scores[1] if len(scores) > 1 else 0.0)


def _judge(box: Box, best: Match | None, margin: float) -> Decision:
    score = 0.0 if best is None else box.event_score(best.score)
    person = None if best is None or score < box.match_threshold else box.person(best.identity_id)
    if person is None:
        return Decision(PersonType.STRANGER, "", "stranger", {}, score, margin)
    # The contract: 1 also where the type is unknown.
    given = person.info.get("type")
    known = given if given in [one.value for one in PersonType] else PersonType.EMPLOYEE
    return Decision(PersonType(known), person.identity_id, person.name, person.info, score, margin)

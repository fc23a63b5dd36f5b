"""What the demo does with a box, step by step, and whether it came as expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from sophon.contract import (
    AddUsersPlus,
    DeleteUsers,
    ExtendParams,
    FaceQualityRecord,
    Fiqa,
    FiqaLevel,
    FiqaRequest,
    FiqaResult,
    PeopleResult,
    PersonOutcome,
    encode_photo,
)
from sophon.demo.box_under_demo import BoxUnderDemo
from sophon.demo.cast import Candidate, Cast, Judged, Probe
from sophon.demo.finding import Finding, Step
from sophon.demo.watch import Passer, Watch
from sophon.recognition import PersonType
from sophon.sim.reference_platform import PEOPLE_PATH

PEOPLE_PER_COMMAND = 5
COMMAND_SECONDS = 180.0
STRANGER = "stranger"
#: What a captured face must pass to be compared: the box's own default.
FILTER_LEVEL: FiqaLevel = "low"

T = TypeVar("T")


class ShowProgress:
    """Gives a sequence's items back one by one; a subclass shows how far that is."""

    def __call__(self, title: str, items: Sequence[T]) -> Iterable[T]:
        """Go through ``items``."""
        return items


class Story:
    """The demo's steps with one box."""

    def __init__(self, box: BoxUnderDemo, cast: Cast, watch: Watch, progress: ShowProgress) -> None:
        self._box, self._cast, self._watch, self._progress = box, cast, watch, progress
        self._names = {candidate.identity_id: candidate.name for candidate in cast.candidates}
        self._enrolled: set[str] = set()

    def tell(self) -> Iterator[Finding]:
        """Enrol, recognise, judge, watch, delete."""
        self._watch.attach()
        yield from self._enrol()
        recognised: list[tuple[Probe, float]] = []
        for probe in self._progress("recognise", self._cast.probes):
            finding = self._recognise(Step.RECOGNISE, probe, probe.expected)
            if finding.ok and finding.score is not None:
                recognised.append((probe, finding.score))
            yield finding
        to_judge = [one for one in self._cast.judged if one.owner is None or one.owner in self._enrolled]
        for judged in self._progress("judge", to_judge):
            yield self._judge(judged)
        yield from self._look_out(recognised)
        known = [probe for probe, _ in recognised if probe.expected in self._enrolled]
        if known:
            yield from self._delete(known)

    def _enrol(self) -> Iterator[Finding]:
        everybody = self._cast.candidates
        parts = [everybody[i : i + PEOPLE_PER_COMMAND] for i in range(0, len(everybody), PEOPLE_PER_COMMAND)]
        for part in self._progress("enrol", parts):
            ids = [candidate.identity_id for candidate in part]
            command = AddUsersPlus(userid_list=ids, extend_params=ExtendParams(path=PEOPLE_PATH))
            result = self._box.call(command, COMMAND_SECONDS).result
            outcomes: dict[str, PersonOutcome] = {}
            if isinstance(result, PeopleResult):
                outcomes = {user.userid: user for user in (*result.success_users, *result.failed_users)}
                self._enrolled |= {user.userid for user in result.success_users}
            for candidate in part:
                yield _enrolment(candidate, outcomes.get(candidate.identity_id))

    def _recognise(self, step: Step, probe: Probe, expected: str | None) -> Finding:
        wanted = expected if expected in self._enrolled else None
        photo = probe.photo.read_bytes()
        faces = self._assess(photo, "no")
        found = self._box.recognise(photo)
        got = found.problem or self._name(found.identity_id)
        return Finding(
            step,
            probe.title,
            self._name(wanted),
            got,
            ok=not found.problem and found.identity_id == wanted,
            is_miss=wanted is not None and found.identity_id is None,
            photo=probe.photo,
            face=faces[0] if faces else None,
            score=found.score,
        )

    def _judge(self, judged: Judged) -> Finding:
        command = Fiqa(
            info=FiqaRequest(
                image_base64_str=encode_photo(judged.photo.read_bytes()), fiqa_level=judged.level
            )
        )
        result = self._box.call(command, COMMAND_SECONDS)
        faces = result.result.data if isinstance(result.result, FiqaResult) else []
        good = bool(faces) and faces[0].fiqa_result
        if not faces:
            got = f"{result.code}: {result.detail}"
        else:
            got = "good" if good else f"bad: {', '.join(faces[0].fails)}"
        if judged.refusal is not None:
            expected, ok = f"refused, {int(judged.refusal)}", result.code == judged.refusal
        else:
            must_be_good = judged.owner is not None
            expected, ok = "good" if must_be_good else "bad", good == must_be_good
        return Finding(
            Step.JUDGE, judged.title, expected, got, ok, photo=judged.photo, face=faces[0] if faces else None
        )

    def _look_out(self, recognised: Sequence[tuple[Probe, float]]) -> Iterator[Finding]:
        """Someone enrolled, a stranger and someone who comes on the blacklist pass the sub-devices."""
        clearest = sorted(recognised, key=lambda one: -one[1])
        people = self._first_of_each(
            [probe for probe, _ in clearest if probe.expected in self._enrolled], most=2
        )
        strangers = self._first_of_each([probe for probe, _ in reversed(clearest) if probe.expected is None])
        passers = [self._passer(probe) for probe in [*people[:-1], *strangers]]
        for probe in people[-1:]:
            listed, finding = self._watch.blacklist(self._passer(probe))
            passers.append(listed)
            yield finding
        if passers:
            for part in self._progress("watch", [passers]):
                yield from self._watch.compare(self._watch.passages(part))

    def _first_of_each(self, probes: Sequence[Probe], most: int = 1) -> list[Probe]:
        """The first probes of different people that the box's filter lets pass."""
        found: dict[str | None, Probe] = {}
        for probe in probes:
            if len(found) < most and probe.expected not in found:
                faces = self._assess(probe.photo.read_bytes(), FILTER_LEVEL)
                if faces and faces[0].fiqa_result:
                    found[probe.expected] = probe
        return list(found.values())

    def _passer(self, probe: Probe) -> Passer:
        is_known = probe.expected is not None
        name = self._name(probe.expected) if is_known else probe.title.partition(",")[0]
        person_type = PersonType.EMPLOYEE if is_known else PersonType.STRANGER
        return Passer(name, probe.photo, probe.expected, person_type)

    def _delete(self, recognised: Sequence[Probe]) -> Iterator[Finding]:
        """Delete the first person who was recognised; another one, if there is, must stay known."""
        gone = recognised[0].expected
        assert gone is not None
        result = self._box.call(DeleteUsers(userid_list=[gone]), COMMAND_SECONDS).result
        deleted = isinstance(result, PeopleResult) and [user.userid for user in result.success_users] == [
            gone
        ]
        self._enrolled.discard(gone)
        yield Finding(
            Step.DELETE, self._name(gone), "deleted", "deleted" if deleted else "not deleted", deleted
        )
        others = [probe for probe in recognised if probe.expected != gone][:1]
        for probe in [*(probe for probe in recognised if probe.expected == gone), *others]:
            yield self._recognise(Step.DELETE, probe, probe.expected)

    def _assess(self, photo: bytes, level: FiqaLevel) -> Sequence[FaceQualityRecord]:
        command = Fiqa(info=FiqaRequest(image_base64_str=encode_photo(photo), fiqa_level=level))
        result = self._box.call(command, COMMAND_SECONDS).result
        return result.data if isinstance(result, FiqaResult) else []

    def _name(self, identity_id: str | None) -> str:
        return STRANGER if identity_id is None else self._names.get(identity_id, identity_id)


def _enrolment(candidate: Candidate, outcome: PersonOutcome | None) -> Finding:
    codes = "/".join(str(int(code)) for code in sorted(candidate.refusals))
    expected = f"refused, {codes}" if codes else "enrolled, or a reason" if candidate.may_fail else "enrolled"
    title = candidate.name or candidate.identity_id
    if outcome is None:
        return Finding(Step.ENROL, title, expected, "no answer", ok=False)
    if outcome.code == 0:
        got, ok = "enrolled", not candidate.refusals
    else:
        got = f"{outcome.code}: {outcome.detail or outcome.message}"
        ok = outcome.code in candidate.refusals if candidate.refusals else candidate.may_fail
    return Finding(Step.ENROL, title, expected, got, ok)

"""Deleted people's names leave the results that are kept for repeated commands; the rest of a result stays as it was."""

from __future__ import annotations

from collections.abc import Mapping

from sophon.box import WIPED_AT
from sophon.contract import AnyResult, PeopleResult, PersonOutcome, parse_result
from sophon.store import Snapshot, Store

FORGOTTEN_THROUGH = "names_forgotten_through"
RESULTS_AT_ONCE = 100


def forget_names(store: Store) -> int:
    """Blank the names of all who were deleted since the last time; return how many results changed.

    A result keeps the ids: the platform may ask for it again by its command, and owns them.
    """
    with store.read() as snapshot:
        through = snapshot.counters.get("seq")
        since = snapshot.counters.get(FORGOTTEN_THROUGH)
        wiped_at = snapshot.counters.get(WIPED_AT)
        erased = snapshot.erasures.since(since)
    if not erased and wiped_at <= since:
        return 0
    changed = 0
    last = 0
    while True:
        with store.read() as snapshot:
            kept = snapshot.inbox.results("add_users_plus", after=last, limit=RESULTS_AT_ONCE)
            shorter = {
                seq: result.encode()
                for seq, body in kept
                if (result := _without_names(snapshot, parse_result(body), seq, erased, wiped_at)) is not None
            }
        if not kept:
            break
        last = kept[-1][0]
        if shorter:
            with store.write() as transaction:
                for seq, body in shorter.items():
                    transaction.inbox.replace_result(seq, body)
            changed += len(shorter)
    with store.write() as transaction:
        transaction.counters.set(FORGOTTEN_THROUGH, through)
    if changed:
        store.scrub()
    return changed


def _without_names(
    snapshot: Snapshot, result: AnyResult, seq: int, erased: Mapping[bytes, int], wiped_at: int
) -> AnyResult | None:
    """The result of command ``seq`` without the names of people who were deleted later; None if it has none."""

    def blanked(outcome: PersonOutcome) -> PersonOutcome:
        is_gone = wiped_at > seq or erased.get(snapshot.erasures.digest(outcome.userid), 0) > seq
        return outcome.model_copy(update={"username": ""}) if is_gone and outcome.username else outcome

    people = result.result
    if not isinstance(people, PeopleResult):
        return None
    blank = PeopleResult(
        success_users=[blanked(one) for one in people.success_users],
        failed_users=[blanked(one) for one in people.failed_users],
    )
    return None if blank == people else result.model_copy(update={"result": blank})

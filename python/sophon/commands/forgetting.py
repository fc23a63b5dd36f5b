"""Deleted people's names leave the results that are kept for repeated commands; the rest of a result stays as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sophon.contract import AnyResult, PeopleResult, PersonOutcome, parse_result
from sophon.store import WIPED_AT, Snapshot, Store

FORGOTTEN_THROUGH = "names_forgotten_through"
RESULTS_AT_ONCE = 100
#: So long a repeated command gets its answer to the letter: the broker's and the platform's repetitions come sooner.
KEEP_NAMES_SECONDS = 3600.0


def forget_names(store: Store, *, keep_s: float = KEEP_NAMES_SECONDS) -> int:
    """Blank the names of all who were deleted, in results older than ``keep_s``; return how many results changed.

    A result keeps the ids: the platform may ask for it again by its command, and owns them.
    """
    old_enough = (time.time() - keep_s) * 1000
    with store.read() as snapshot:
        # An enrolment under way may still be answered with the name of somebody who was deleted meanwhile.
        oldest_open = snapshot.inbox.oldest_open_seq()
        through = snapshot.counters.get("seq") if oldest_open is None else oldest_open - 1
        since = snapshot.counters.get(FORGOTTEN_THROUGH)
        wiped_at = snapshot.counters.get(WIPED_AT)
        erased = snapshot.erasures.since(since)
    if not erased and wiped_at <= since:
        return 0
    changed = 0
    last = 0
    is_complete = True
    while True:
        with store.read() as snapshot:
            kept = snapshot.inbox.results("add_users_plus", after=last, limit=RESULTS_AT_ONCE)
            blank = {
                seq: (finished_at, result.encode())
                for seq, finished_at, body in kept
                if (result := _without_names(snapshot, parse_result(body), seq, erased, wiped_at)) is not None
            }
        if not kept:
            break
        last = kept[-1][0]
        due = {seq: body for seq, (finished_at, body) in blank.items() if finished_at <= old_enough}
        is_complete = is_complete and len(due) == len(blank)
        if due:
            with store.write() as transaction:
                for seq, body in due.items():
                    transaction.inbox.replace_result(seq, body)
            changed += len(due)
    if is_complete:
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

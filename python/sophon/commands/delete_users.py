"""`delete_users`: people go, with their faces and bindings."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import DeleteUsers, PeopleResult, PersonOutcome, RefusedPerson
from sophon.store import Transaction


def execute(command: DeleteUsers, transaction: Transaction, box: Box, seq: int) -> PeopleResult:
    """Delete; what an older enrolment still has to do for these people is cancelled."""
    gone = box.delete(transaction, seq, [entry for entry in command.entries() if isinstance(entry, str)])
    return PeopleResult.of([_outcome(entry, gone) for entry in command.entries()])


def _outcome(entry: str | RefusedPerson, gone: set[str]) -> PersonOutcome:
    if isinstance(entry, RefusedPerson):
        return PersonOutcome.not_deleted(entry.identity_id, entry.code, entry.detail)
    return PersonOutcome.deleted(entry) if entry in gone else PersonOutcome.not_deleted(entry)

"""`delete_users`: people go, with their faces and bindings."""

from __future__ import annotations

from sophon.box import SUPERSEDED, Box
from sophon.contract import DeleteUsers, PeopleResult, PersonOutcome, RefusedPerson
from sophon.errors import Code
from sophon.store import Transaction


def execute(command: DeleteUsers, transaction: Transaction, box: Box, seq: int) -> PeopleResult:
    """Delete; what an older enrolment still has to do for these people is cancelled."""
    ids = _ids(command)
    gone = transaction.batches.underway(ids, before=seq)
    transaction.batches.supersede(gone, before=seq, code=Code.BAD_REQUEST, detail=SUPERSEDED)
    gone |= box.delete(transaction, seq, ids)
    return PeopleResult.of([_outcome(entry, gone) for entry in command.entries()])


def _ids(command: DeleteUsers) -> list[str]:
    return [entry for entry in command.entries() if isinstance(entry, str)]


def _outcome(entry: str | RefusedPerson, gone: set[str]) -> PersonOutcome:
    if isinstance(entry, RefusedPerson):
        return PersonOutcome.not_deleted(entry.identity_id, entry.code, entry.detail)
    return PersonOutcome.deleted(entry) if entry in gone else PersonOutcome.not_deleted(entry)

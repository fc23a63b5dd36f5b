"""`wipe_data`: the galleries, the events, or both are erased."""

from __future__ import annotations

from sophon.box import SUPERSEDED, Box
from sophon.contract import WipeData, WipeDataResult
from sophon.errors import Code
from sophon.store import Transaction


def execute(command: WipeData, transaction: Transaction, box: Box, seq: int) -> WipeDataResult:
    """Wipe; what older enrolments still have to do is cancelled."""
    options = command.wipe_options
    if options.users:
        transaction.batches.supersede_all(before=seq, code=Code.BAD_REQUEST, detail=SUPERSEDED)
    box.wipe(transaction, seq, users=options.users, events=options.events)
    return WipeDataResult(wipe_options=options)

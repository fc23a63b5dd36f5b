"""`wipe_data`: the galleries, the events, or both are erased."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import WipeData, WipeDataResult
from sophon.store import Transaction


def execute(command: WipeData, transaction: Transaction, box: Box, seq: int) -> WipeDataResult:
    """Wipe; what older enrolments still have to do is cancelled too."""
    options = command.wipe_options
    box.wipe(transaction, seq, users=options.users, events=options.events)
    return WipeDataResult(wipe_options=options)

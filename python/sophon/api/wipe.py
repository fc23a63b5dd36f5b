"""/SophonFogSys/api/WipeData: everybody, all events, or both are erased."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here
from sophon.contract.rest import Data, WipeRequest

router = APIRouter(prefix="/SophonFogSys/api", tags=["SophonFogSys"])


@router.post("/WipeData", response_model=Data[WipeRequest])
def wipe_data(here: Here, body: Annotated[WipeRequest, reads(WipeRequest)]) -> JsonResponse:
    """Erase people with galleries and permission groups, events, or both."""
    options = body.wipe_options
    with here.store.write() as transaction:
        here.box.wipe(transaction, transaction.inbox.next_seq(), users=options.users, events=options.events)
    here.store.scrub()
    return answer(body)

"""/api/v1/enrolments and jobs: many people at once, through the same inbox as the platform's commands."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Path, Query

from sophon.api.answers import JsonResponse, answer
from sophon.api.bodies import reads
from sophon.api.services import Here, Services
from sophon.commands.add_users_plus import list_people
from sophon.commands.jobs import Job, file_job, look_up_job
from sophon.contract import AddUsersPlus, parse_command
from sophon.contract.rest import Data
from sophon.contract.v1 import EnrolmentsCall, JobOut, JobOutcome
from sophon.errors import Code, SophonError
from sophon.store import State

MAX_PAGE = 1000
MAX_INTEGER = 2**62
_STATES: dict[State, Literal["waiting", "running", "done", "failed"]] = {
    State.NEW: "waiting",
    State.PLANNED: "running",
    State.RUNNING: "running",
    State.DONE: "done",
    State.DEAD: "failed",
}

router = APIRouter(prefix="/api/v1", tags=["v1"])


@router.post("/enrolments", response_model=Data[JobOut])
async def enrol_many(
    here: Here, body: Annotated[EnrolmentsCall, reads(EnrolmentsCall, forms=False)]
) -> JsonResponse:
    """Enrol or overwrite many people: a job, on disk when this answers, survives a restart of the box."""
    return await here.analyses.run(_file, here, body)


@router.get("/jobs/{job_id}", response_model=Data[JobOut])
def get_job(
    here: Here,
    job_id: Annotated[int, Path(ge=1, le=MAX_INTEGER)],
    after: Annotated[int, Query(ge=-1, le=MAX_INTEGER)] = -1,
    limit: Annotated[int, Query(ge=0, le=MAX_PAGE)] = 100,
) -> JsonResponse:
    """Return how far a job is and, page by page, how it went with each person. Kept for a week."""
    return answer(_job(here, job_id, limit=limit, after=after))


def _file(here: Services, body: EnrolmentsCall) -> JsonResponse:
    here.station.check_room()
    message = orjson.dumps({"method": "add_users_plus", "user_info_list": body.people})
    command = parse_command(message)
    assert isinstance(command, AddUsersPlus)
    with here.store.write() as transaction:
        seq = file_job(transaction, command.method, message)
        # Listed at once: the job knows its size, and a deletion that comes before its turn finds the people in it.
        list_people(command, transaction, seq)
    here.station.wake()
    return answer(_job(here, seq, limit=0, after=-1))


def _job(here: Services, seq: int, *, limit: int, after: int) -> JobOut:
    with here.store.read() as snapshot:
        job = look_up_job(snapshot, seq, limit=limit, after=after)
    if job is None:
        raise SophonError(Code.NOT_FOUND, f"job_id: there is no job {seq}")
    return _job_out(job)


def _job_out(job: Job) -> JobOut:
    return JobOut(
        id=job.row.seq,
        state=_STATES[job.row.state],
        total=job.progress.total,
        done=job.progress.settled,
        refused=job.progress.refused,
        reason=job.row.reason,
        received_at=job.row.received_at,
        finished_at=job.row.finished_at,
        outcomes=[
            JobOutcome(
                position=item.position,
                identity_id=item.identity_id,
                code=item.code,
                failed_items=list(item.failed_items),
                detail=item.detail,
            )
            for item in job.outcomes
        ],
    )

"""A typed client of the box's HTTP API, made for scripts."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from sophon.contract import ErrorResponse, FaceQualityRecord, FiqaLevel, Message, encode_photo
from sophon.contract.rest import PictureMatched, UserCreated
from sophon.contract.v1 import (
    Compared,
    EventOut,
    EventsPage,
    FoundFace,
    JobOut,
    JobOutcome,
    PeoplePage,
    PersonOut,
    RestoredOut,
)
from sophon.errors import Code, SophonError
from sophon.status import StatusReport

PAGE = 200
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
#: What was surely not carried out, and may be soon.
NOT_NOW = (Code.SERVICE_BUSY, Code.TOO_MANY_REQUESTS)
#: So much base64 text of photographs goes into one request of `enrol_many`, and so many people.
REQUEST_CHARACTERS = 24 * 2**20
REQUEST_PEOPLE = 1000
JOB_PAUSE_S = 0.5
#: The box copies its whole database before it answers.
BACKUP_TIMEOUT_S = 3600.0

M = TypeVar("M", bound=Message)
Photo = bytes | str | Path


@dataclass(frozen=True)
class NewPerson:
    """Someone to enrol; ``info`` holds what else is to be known, ``level`` the quality that the photograph must have."""

    identity_id: str
    photo: Photo = field(repr=False)
    name: str
    info: Mapping[str, Any] = field(default_factory=dict)
    level: FiqaLevel = "high"


class Client:
    """Calls one box; photographs are paths or bytes of a file.

    What is safe to repeat is repeated, with growing pauses or as long as the box asks for, when the box is busy or can't
    be reached: everything but `match` with a ``device_ip``, which makes an event. Everything raises SophonError, with the
    code that the box answered, or REMOTE_SERVER_FAILED if it did not.
    """

    def __init__(
        self, url: str, token: str, *, timeout_s: float = 30.0, tries: int = 4, ca_file: Path | None = None
    ) -> None:
        """Open a client; ``ca_file`` is the authority of an https box whose certificate the system does not trust."""
        verify: Any = True
        if ca_file is not None:
            verify = ssl.create_default_context(cafile=ca_file)
        self._tries = tries
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
            verify=verify,
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"Client({str(self._http.base_url)!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def status(self) -> StatusReport:
        """How the box is."""
        return StatusReport.model_validate(self._call("GET", "/api/v1/status"))

    def people(self, search: str = "", group: str | None = None) -> Iterator[PersonOut]:
        """Everybody, or those of a group, or whose id or name holds a text; fetched page by page."""
        skip = 0
        while True:
            params = {"search": search, "limit": PAGE, "skip": skip} | ({"group": group} if group else {})
            page = PeoplePage.model_validate(self._call("GET", "/api/v1/people", params=params))
            yield from page.people
            if len(page.people) < PAGE:
                return
            skip += PAGE

    def person(self, identity_id: str) -> PersonOut:
        """One person. Raises SophonError ID_NOT_FOUND."""
        return PersonOut.model_validate(self._call("GET", f"/api/v1/people/{quote(identity_id, safe='')}"))

    def enroll(
        self,
        identity_id: str,
        photo: Photo,
        name: str,
        *,
        groups: Sequence[str] = ("default_group",),
        info: Mapping[str, Any] | None = None,
        level: FiqaLevel = "high",
        overwrite: bool = False,
    ) -> UserCreated:
        """Enrol someone by a photograph; ``info`` holds what else is to be known.

        Raises SophonError: IDENTITY_EXISTS without ``overwrite``; NO_FACE, LOW_QUALITY and the like for the photograph.
        """
        body = {
            "identity_id": identity_id,
            "reg_photo": _text(photo),
            "group_name": ",".join(groups),
            "info": {**(info or {}), "name": name},
            "fiqa_level": level,
            "ignore_exist": overwrite,
        }
        # Without overwriting, a repetition of what was done already would be refused as another person's doing.
        return UserCreated.model_validate(self._call("POST", "/SophonFogSys/api/users", body, safe=overwrite))

    def enrol_many(self, people: Iterable[NewPerson]) -> Iterator[JobOut]:
        """Enrol or overwrite people, in jobs of as many as go into a request; each is on the box's disk when it is yielded.

        Look at how it went with `wait_for_job` and `outcomes`.
        """
        chunk: list[dict[str, Any]] = []
        size = 0
        for person in people:
            photo = _text(person.photo)
            if chunk and (size + len(photo) > REQUEST_CHARACTERS or len(chunk) >= REQUEST_PEOPLE):
                yield self._file(chunk)
                chunk, size = [], 0
            size += len(photo)
            chunk.append(
                {
                    "identity_id": person.identity_id,
                    "reg_photo": photo,
                    "fiqa_level": person.level,
                    "info": {**person.info, "name": person.name},
                }
            )
        if chunk:
            yield self._file(chunk)

    def job(self, job_id: int) -> JobOut:
        """How far a job is, without its outcomes. Raises SophonError NOT_FOUND."""
        return JobOut.model_validate(self._call("GET", f"/api/v1/jobs/{job_id}", params={"limit": 0}))

    def wait_for_job(self, job_id: int, timeout_s: float = 3600.0) -> JobOut:
        """The job once it is done or has failed. Raises SophonError SERVICE_BUSY if it takes longer than ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while (job := self.job(job_id)).state in ("waiting", "running"):
            if time.monotonic() > deadline:
                raise SophonError(Code.SERVICE_BUSY, f"job {job_id} is not done after {timeout_s:.0f} s")
            time.sleep(JOB_PAUSE_S)
        return job

    def outcomes(self, job_id: int) -> Iterator[JobOutcome]:
        """How it went with each person of a job so far; fetched page by page."""
        after = -1
        while True:
            params = {"after": after, "limit": PAGE}
            page = JobOut.model_validate(self._call("GET", f"/api/v1/jobs/{job_id}", params=params)).outcomes
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].position

    def backup(self, file: Path) -> int:
        """Write everything the box knows to a file, complete or not there; return its size. It holds faces and names."""
        partial = file.with_name(f".{file.name}.partial")
        try:
            with (
                self._http.stream("GET", "/api/v1/backup", timeout=BACKUP_TIMEOUT_S) as response,
                os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as opened,
            ):
                if response.status_code != 200:
                    response.read()
                    raise _problem(response)
                for chunk in response.iter_bytes():
                    opened.write(chunk)
            size = partial.stat().st_size
            partial.replace(file)
            return size
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        finally:
            partial.unlink(missing_ok=True)

    def restore(self, file: Path, *, with_deleted: bool = False) -> RestoredOut:
        """Put a backup in the place of what the box knows; whoever was deleted since stays out, or ``with_deleted``.

        Raises SophonError BAD_REQUEST for a file that is damaged or no backup; nothing is changed then.
        """
        headers = {"Content-Type": "application/octet-stream"}
        try:
            with file.open("rb") as opened:
                response = self._http.post(
                    "/api/v1/restore",
                    params={"with_deleted": with_deleted},
                    content=opened,
                    headers=headers,
                    timeout=BACKUP_TIMEOUT_S,
                )
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        if response.status_code != 200:
            raise _problem(response)
        return RestoredOut.model_validate(response.json()["data"])

    def delete(self, identity_id: str) -> bool:
        """Delete someone; False if there was nobody of that id."""
        try:
            self._call("DELETE", "/SophonFogSys/api/users", {"identity_id": identity_id})
        except SophonError as error:
            if error.code is Code.ID_NOT_FOUND:
                return False
            raise
        return True

    def match(
        self, photo: Photo, *, group: str = "default_group", device_ip: str | None = None
    ) -> PictureMatched:
        """Compare the largest face with a gallery; from a configured sub-device's ``device_ip`` it is an event, too."""
        body = {"rgb_image_base64": _text(photo), "group_name": group}
        if device_ip is not None:
            body["device_ip"] = device_ip
        value = self._call("POST", "/SophonMatch/api/PictureMatch", body, safe=device_ip is None)
        return PictureMatched.model_validate(value)

    def search(self, photo: Photo, k: int = 5) -> list[FoundFace]:
        """Find every face and who it may be, largest face first."""
        value = self._call("POST", "/api/v1/search", {"image_base64": _text(photo), "k": k})
        return [FoundFace.model_validate(one) for one in value]

    def compare(self, photo_a: Photo, photo_b: Photo) -> Compared:
        """Compare the largest faces of two photographs."""
        body = {"image_a_base64": _text(photo_a), "image_b_base64": _text(photo_b)}
        return Compared.model_validate(self._call("POST", "/api/v1/compare", body))

    def assess(self, photo: Photo, level: FiqaLevel = "high") -> list[FaceQualityRecord]:
        """Judge every face, largest first."""
        body = {"image_base64_str": _text(photo), "fiqa_level": level}
        value = self._call("POST", "/SophonFace/api/FIQA", body)
        return [FaceQualityRecord.model_validate(one) for one in value]

    def events(
        self, after: int = 0, *, since: int | None = None, until: int | None = None
    ) -> Iterator[EventOut]:
        """The events after an id, oldest first; of a time only, in ms since the epoch; fetched page by page."""
        times = {name: at for name, at in (("since", since), ("until", until)) if at is not None}
        while True:
            params = {"after": after, "limit": PAGE, **times}
            page = EventsPage.model_validate(self._call("GET", "/api/v1/events", params=params))
            yield from page.events
            if len(page.events) < PAGE:
                return
            after = page.last_id

    def _file(self, people: Sequence[Mapping[str, Any]]) -> JobOut:
        # Safe to repeat: enrolling somebody again from the same photograph changes nothing.
        return JobOut.model_validate(self._call("POST", "/api/v1/enrolments", {"people": people}))

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        safe: bool = True,
    ) -> Any:
        """The ``data`` of an answer. A call that is not ``safe`` is repeated only where it surely was not carried out."""
        pause = FIRST_PAUSE_S
        for tries_left in reversed(range(self._tries)):
            wait = pause
            try:
                response = self._http.request(method, path, json=body, params=params)
            except httpx.ConnectError as error:
                if not tries_left:
                    raise _unreachable(error) from None
            except httpx.HTTPError as error:
                if not tries_left or not safe:
                    raise _unreachable(error) from None
            else:
                if response.status_code == 200:
                    return response.json()["data"]
                problem = _problem(response)
                wait = max(wait, float(response.headers.get("Retry-After", 0)))
                if not tries_left or problem.code not in NOT_NOW or wait > LONGEST_PAUSE_S:
                    raise problem
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")


def _text(photo: Photo) -> str:
    return encode_photo(photo if isinstance(photo, bytes) else Path(photo).read_bytes())


def _unreachable(error: httpx.HTTPError) -> SophonError:
    return SophonError(Code.REMOTE_SERVER_FAILED, f"the box can't be reached: {type(error).__name__}")


def _problem(response: httpx.Response) -> SophonError:
    try:
        error = ErrorResponse.model_validate_json(response.content).error
        return SophonError(Code(error.code), error.message)
    except (ValidationError, ValueError):
        return SophonError(Code.REMOTE_DATA_FAILED, f"this is no box: HTTP {response.status_code}")

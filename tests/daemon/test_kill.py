"""SIGKILL during an enrolment: no accepted command is lost, nothing done is done again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from sophon.contract import AddUsersPlus, ExtendParams, PeopleResult, Result
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from sophon.store import Store
from tests.daemon.box_process import BoxProcess

PEOPLE = 100


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(180)
def test_an_enrolment_of_a_hundred_survives_sigkill(
    tmp_path: Path, broker: BrokerNode, platform: ReferencePlatform, portraits: Path
) -> None:
    # Given a command to enrol a hundred people (three faces under a hundred ids), and another behind it
    lines = broker.add_box("BOXKILL")
    platform.add_box("BOXKILL", lines)
    photos = [
        portraits / "people" / "barack_obama" / "obama.jpg",
        portraits / "people" / "barack_obama" / "obama3.jpg",
        portraits / "people" / "joe_biden" / "biden.jpg",
    ]
    ids = [f"P{number:03}" for number in range(PEOPLE)]
    for number, identity_id in enumerate(ids):
        platform.add_person(identity_id, f"person {number}", photos[number % len(photos)])
    box = BoxProcess(tmp_path / "data", platform.login_url, "BOXKILL")
    with PlatformDesk(lines) as desk:
        fetched = ExtendParams(path="/getSendPerson")
        desk.send(AddUsersPlus(message_id="batch", userid_list=ids, extend_params=fetched))
        desk.send(AddUsersPlus(message_id="after", userid_list=["P000"], extend_params=fetched))

        # When the box is killed four times while it enrols
        chance = random.Random(5)
        for _ in range(4):
            box.start()
            time.sleep(chance.uniform(0.2, 1.5))
            box.kill()
        box.start()
        batch = desk.wait_for("batch", 60)
        after = desk.wait_for("after", 60)

    # Then both are answered, everybody is enrolled, and hardly a photograph was fetched twice
    assert isinstance(batch, Result)
    assert isinstance(batch.result, PeopleResult)
    assert [one.userid for one in batch.result.success_users] == ids
    assert batch.result.failed_users == []
    assert after.code == 0
    assert box.terminate() == 0
    with Store(tmp_path / "data") as store, store.read() as snapshot:
        assert snapshot.people.all_ids() == set(ids)
        assert snapshot.inbox.counts() == {"done": 2}
        assert snapshot.outbox.counts() == {}
        assert store.check() == []
    fetched_photos = sum(len(platform.received(f"/photos/{one}.jpg")) for one in ids)
    assert fetched_photos <= PEOPLE + 1 + 5 * 60  # a group that was not committed is fetched again

"""A process that makes events and reports them, to be killed: `python -m tests.reports.event_box DATA HISTORY LIVE NUMBER`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from sophon.platform import Pauses, PlatformClient
from sophon.recognition import Capture, Decision, EventLog, PersonType, Sighting
from sophon.reports.event_message import EventForm
from sophon.reports.history import HistoryUpload
from sophon.reports.real_time import RealTimePush
from sophon.reports.receivers import HistoryReceiver, RealTimeReceivers
from sophon.store import DeviceRow, EventFilter, EventsLimit, Store
from tests.reports.conftest import PICTURES, event

PAD = DeviceRow("192.168.1.243", "0", "gate")
EVENTS_PER_SECOND = 100


def main(data_dir: Path, history: str, live: str, number: int) -> None:
    form = EventForm("BOXA0001")
    with Store(data_dir) as store, PlatformClient("http://127.0.0.1:9/login", "BOXA0001") as client:
        with store.write() as transaction:
            transaction.event_receivers.set_active([history])
        upload = HistoryUpload(
            store,
            HistoryReceiver(history, 0.2),
            lambda address, body: client.post_report(address, body.content, 2.0, login_again=False),
            lambda: form,
            pauses=Pauses(0.02, 0.2),
        )
        push = RealTimePush(
            store,
            lambda address, body, seconds: client.post_report(
                address, body.content, seconds, login_again=False
            ),
            lambda: form,
        )
        push.set_receivers(RealTimeReceivers((live,)))
        log = EventLog(store, EventsLimit())
        with upload, push:
            make_events(store, log, push, number)
            while store_cursor(store, history) < number:
                time.sleep(0.05)


def make_events(store: Store, log: EventLog, push: RealTimePush, number: int) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    with store.read() as snapshot:
        made = next((row.id for row in snapshot.events.newest_first(EventFilter(), 1)), 0)
    for one in range(made, number):
        row = event(one, at=time.time_ns() // 1_000_000)
        decision = Decision(PersonType.EMPLOYEE, row.identity_id, "x", {}, 0.9, 0.5)
        push.offer(Sighting(Capture(image, PAD, row.at, time.monotonic()), decision, row, PICTURES))
        assert log.add(row, PICTURES) == one + 1
        time.sleep(1 / EVENTS_PER_SECOND)


def store_cursor(store: Store, history: str) -> int:
    with store.read() as snapshot:
        return snapshot.event_receivers.delivered_to(history)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))

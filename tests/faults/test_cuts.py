"""The link to the broker is cut at a certain message or acknowledgement: what is sent again changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sophon.commands import Incoming, Lanes
from sophon.contract import RabbitMq, encode_photo
from sophon.engine import FaceEngine
from sophon.models import ModelPack
from sophon.mq import BrokerLines, LineOptions
from sophon.platform import PlatformClient
from sophon.sim import BrokerNode
from sophon.store import State
from tests.commands.rig import Rig
from tests.faults.amqp_proxy import AmqpProxy, Cut
from tests.faults.bench import Json, Ledger, Platformlike, wait_until

AT_ONCE = 8
ONE_BY_ONE, MANY_AHEAD = 1, 100

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Case:
    """Which of three commands have an id, and where the link is cut while the box takes so many ahead."""

    with_id: tuple[bool, ...]
    prefetch: int
    cut: Cut
    number: int

    def __str__(self) -> str:
        ids = "".join("i" if one else "-" for one in self.with_id)
        return f"ids {ids}, prefetch {self.prefetch}, cut {self.cut.value} {self.number}"


def cases() -> Iterator[Case]:
    for with_id in itertools.product([False, True], repeat=3):
        for cut, number in itertools.product(Cut, (1, 2, 3)):
            yield Case(with_id, ONE_BY_ONE, cut, number)
        # Messages that came together are acknowledged together.
        for cut, number in ((Cut.AFTER_DELIVERY, 2), (Cut.BEFORE_ACK, 1), (Cut.AFTER_ACK, 1)):
            yield Case(with_id, MANY_AHEAD, cut, number)


def test_19_delete_add_delete_leaves_nobody_wherever_the_link_is_cut(
    tmp_path: Path,
    node: BrokerNode,
    portraits: Path,
    model_pack: ModelPack,
    report: Callable[[str, str, str], None],
) -> None:
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    lines = node.add_box("CUTS")
    every = list(cases())
    with FaceEngine(model_pack) as engine, ThreadPoolExecutor(AT_ONCE) as pool:

        def run(number: int, case: Case) -> tuple[Case, set[str]]:
            own = lines.model_copy(
                update={"queue": f"cuts {number}", "fiqa_down_queue": None, "fiqa_upload_queue": None}
            )
            return case, people_left(tmp_path / str(number), engine, own, photo, case)

        left = list(pool.map(run, range(len(every)), every))
    assert [str(case) for case, people in left if people] == []
    report(
        "19",
        "delete A, add A, delete A, each with and without id, the link cut at each delivery and acknowledgement",
        f"A absent in {len(every)} of {len(every)} cases",
    )


def people_left(folder: Path, engine: FaceEngine, lines: RabbitMq, photo: str, case: Case) -> set[str]:
    """Send a box the three commands through a proxy that cuts; who is enrolled once all is done."""
    desk = Platformlike(lines, Ledger())
    desk.declare()
    desk.send([*delete_add_delete(photo, case.with_id), last("first end")])
    proxy = AmqpProxy(lines.host, int(lines.port), case.cut, case.number)
    with proxy, rig_without_platform(folder, engine) as rig:
        with broker_lines(rig, lines.model_copy(update={"port": proxy.port}), case.prefetch) as broker:
            wait_until(proxy.has_cut.is_set, f"cut: {case}")
            wait_until(lambda: broker.states["commands"].connections >= 2, f"back: {case}")
            # Whatever the broker sends again, it sends before what comes only now.
            desk.send([last("second end")])
            wait_until(lambda: is_done(rig, "second end"), f"done: {case}")
        return rig.people()


def delete_add_delete(photo: str, with_id: tuple[bool, ...]) -> list[Json]:
    delete: Json = {"method": "delete_users", "userid_list": ["A"]}
    person = {"identity_id": "A", "reg_photo": photo, "info": {"name": "n"}}
    add: Json = {"method": "add_users_plus", "user_info_list": [person]}
    return [
        command | ({"messageId": f"m{place}"} if named else {"mark": "none"})
        for place, (command, named) in enumerate(zip([delete, add, delete], with_id, strict=True))
    ]


def last(message_id: str) -> Json:
    return {"method": "delete_users", "userid_list": [], "messageId": message_id}


def is_done(rig: Rig, message_id: str) -> bool:
    with rig.store.read() as snapshot:
        done = {row.message_id for row in snapshot.inbox.newest_first([State.DONE], 100)}
        return f'"{message_id}"' in done and snapshot.inbox.oldest_open_seq() is None


@contextmanager
def rig_without_platform(folder: Path, engine: FaceEngine) -> Iterator[Rig]:
    with PlatformClient("http://127.0.0.1:9/login", "CUTS") as nowhere:
        rig = Rig(folder, engine, nowhere)
        yield rig
        rig.close()


@contextmanager
def broker_lines(rig: Rig, lines: RabbitMq, prefetch: int) -> Iterator[BrokerLines]:
    """A rig's own lines, and the threads that carry out what comes by them."""
    broker = BrokerLines(
        lines,
        LineOptions(client_name="cuts", prefetch=prefetch),
        rig.store,
        read=Incoming.read,
        take_in=lambda messages, first: rig.executor.take_in_all(messages, first_of_link=first),
        has_room=lambda: True,
        delivered=rig.executor.delivered,
        on_trouble=lambda _reason: None,
    )
    with Lanes(rig.executor, fiqa_workers=1, answered=broker.wake), broker:
        yield broker

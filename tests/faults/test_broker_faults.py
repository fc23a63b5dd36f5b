"""The broker and the way to it fail; the numbers are those of the list of faults in the documentation."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psutil
import pytest
from pydantic import SecretStr

from sophon.contract import Fiqa, FiqaRequest, encode_photo
from sophon.sim import BrokerNode, PlatformDesk
from sophon.status import LinkReport, StatusReport, read_status
from tests.daemon.box_process import BoxProcess
from tests.faults.bench import FaultBench

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(240)]

_PATIENCE = {"consumer_timeout": 2000, "channel_tick_interval": 500}
_NO_LINK = LinkReport(phase="none", since=0.0)
Report = Callable[[str, str, str], None]


def consuming(report: StatusReport) -> bool:
    return report.phase == "consuming" and all(link.phase == "up" for link in report.links.values())


def test_1_broker_application_stops_and_starts(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(40))
    bench.node.ctl("stop_app")
    bench.wait_status(lambda status: not consuming(status), 15)
    bench.node.ctl("start_app")
    back = bench.wait_status(consuming, 15)
    bench.desk.send(bench.commands(40))
    bench.all_answered(60)
    bench.check_end()
    assert back < 10
    report("1", "broker application stopped and started in mid-batch", f"back in {back:.1f} s")


def test_2_broker_is_killed_three_times(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    for _ in range(3):
        bench.desk.send(bench.commands(60))
        bench.node.kill()
        bench.node.start()
    bench.desk.send(bench.commands(20))
    seconds = bench.all_answered(90)
    bench.check_end()
    copies = sum(len(one) for one in bench.ledger.results.values()) - len(bench.ledger.results)
    report(
        "2",
        "broker SIGKILLed three times in mid-stream",
        f"200 of 200, {copies} results twice, drained in {seconds:.1f} s",
    )


def test_3_broker_freezes(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(20))
    with bench.node.frozen():
        noticed = bench.wait_status(
            lambda status: any(one.phase == "down" for one in status.links.values()), 40
        )
        time.sleep(12)  # connecting to a frozen broker fails too, in its own way
    bench.desk.send(bench.commands(20))
    back = bench.all_answered(60)
    bench.check_end()
    report(
        "3",
        "broker frozen while connected and while connecting",
        f"noticed in {noticed:.0f} s, answered {back:.1f} s after",
    )


@pytest.mark.parametrize("directions", ["both", "from the broker"])
def test_4_6_connection_goes_half_open(bench: FaultBench, report: Report, directions: str) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(20))
    bench.proxy.silence(to_target=directions == "both")
    noticed = bench.wait_status(lambda status: any(one.phase == "down" for one in status.links.values()), 45)
    bench.proxy.heal()
    bench.proxy.cut()
    bench.desk.send(bench.commands(20))
    back = bench.all_answered(60)
    bench.check_end()
    report("4, 6", f"packets lost, {directions}", f"noticed in {noticed:.0f} s, answered {back:.1f} s after")


def test_5_connections_are_reset_again_and_again(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    for _ in range(15):
        bench.desk.send(bench.commands(8))
        bench.proxy.cut()
        time.sleep(0.3)
    bench.node.ctl("close_all_connections", "-p", bench.lines.v_host, "test")
    seconds = bench.all_answered(60)
    bench.check_end()
    report(
        "5",
        "connections reset 15 times, then closed by the broker",
        f"120 of 120, drained in {seconds:.1f} s",
    )


def test_7_memory_alarm(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(8))
    bench.all_answered(30)
    bench.node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        sender = threading.Thread(target=bench.desk.send, args=(bench.commands(8),), daemon=True)
        sender.start()  # blocked as well
        time.sleep(40)
    finally:
        bench.node.ctl("set_vm_memory_high_watermark", "0.4")
    sender.join(60)
    seconds = bench.all_answered(60)
    bench.check_end()
    report("7", "memory alarm for 40 s", f"drained {seconds:.1f} s after")


def test_8_queue_is_deleted_while_consumed(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.node.ctl("delete_queue", "-p", bench.lines.v_host, bench.lines.queue)
    back = bench.wait_status(
        lambda status: status.links["commands"].connections >= 2 and consuming(status), 20
    )
    bench.desk.send(bench.commands(12))
    bench.all_answered(30)
    bench.check_end()
    report("8", "command queue deleted under the consumer", f"declared again and consumed in {back:.1f} s")


def test_9_queue_exists_with_other_arguments(bench: FaultBench, report: Report) -> None:
    bench.node.ctl("delete_queue", "-p", bench.lines.v_host, bench.lines.queue)
    bench.node.define(
        {
            "queues": [
                {
                    "name": bench.lines.queue,
                    "vhost": bench.lines.v_host,
                    "durable": True,
                    "auto_delete": False,
                    "arguments": {"x-max-length": 100_000},
                }
            ]
        }
    )
    bench.box.start()
    bench.desk.send(bench.commands(12))
    bench.all_answered(30)
    bench.check_end()
    report("9", "queue exists with other arguments", "taken as it is")


def test_10_user_may_not_configure(bench: FaultBench, report: Report) -> None:
    for host in (bench.lines.v_host, bench.lines.upload_v_host):
        bench.node.ctl("set_permissions", "-p", host, bench.lines.login, "^$", ".*", ".*")
    bench.box.start()
    bench.desk.send(bench.commands(12))
    bench.all_answered(30)
    bench.check_end()
    report("10", "user without the configure permission", "works")


def test_11_upload_queue_is_missing_and_appears(bench: FaultBench, report: Report) -> None:
    lines = bench.lines
    bench.node.ctl("delete_queue", "-p", lines.upload_v_host, str(lines.upload_queue))
    bench.node.ctl("set_permissions", "-p", lines.upload_v_host, lines.login, "^$", ".*", ".*")
    bench.box.start()
    bench.desk.send(bench.commands(20))
    bench.wait_status(lambda status: status.outbox.get("result") == 20, 30)
    bench.wait_status(lambda status: status.links["results"].reason != "", 30)
    bench.node.define(
        {"queues": [{"name": lines.upload_queue, "vhost": lines.upload_v_host, "durable": True, "auto_delete": False, "arguments": {}}]}
    )  # fmt: skip
    seconds = bench.all_answered(60)
    order = [bodies[0][1] for bodies in bench.ledger.results.values()]
    assert [orjson.loads(body)["messageId"] for body in order] == list(bench.ledger.sent)
    bench.check_end()
    report(
        "11",
        "upload queue missing, then made",
        f"kept, reason in the status, drained in order in {seconds:.1f} s",
    )


def test_12_upload_queue_refuses_messages(bench: FaultBench, report: Report) -> None:
    lines = bench.lines
    policy = orjson.dumps({"max-length": 0, "overflow": "reject-publish"}).decode()
    bench.node.ctl(
        "set_policy",
        "-p",
        lines.upload_v_host,
        "full",
        f"^{lines.upload_queue}$",
        policy,
        "--apply-to",
        "queues",
    )
    bench.box.start()
    bench.desk.send(bench.commands(12))
    bench.wait_status(lambda status: "full" in status.links["results"].reason, 30)
    bench.node.ctl("clear_policy", "-p", lines.upload_v_host, "full")
    seconds = bench.all_answered(60)
    bench.check_end()
    report("12", "upload queue refuses (reject-publish)", f"kept, drained in {seconds:.1f} s")


def test_13_14_password_changes_and_the_platform_names_the_new_one(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    bench.desk.send(bench.commands(12))
    bench.all_answered(30)
    bench.node.ctl("change_password", bench.lines.login, "another-s3cret")
    bench.lines = bench.lines.model_copy(update={"password": SecretStr("another-s3cret")})
    bench.name_broker()  # another port too: straight to the broker
    bench.proxy.cut()
    bench.desk = type(bench.desk)(bench.lines, bench.ledger)
    back = bench.wait_status(consuming, 90)
    commands = [{**one, "messageId": f"new {number}"} for number, one in enumerate(bench.commands(12))]
    bench.desk.send(commands)
    bench.all_answered(60)
    bench.check_end()
    logins = len(bench.platform.received("/login"))
    assert logins <= 3
    report(
        "13, 14",
        "password and port changed, the platform names the new ones",
        f"back in {back:.1f} s with {logins} logins",
    )


@pytest.fixture
def impatient_node(node: BrokerNode) -> Iterator[None]:
    """A broker that waits two seconds for an acknowledgement, on channels that are opened from now on."""
    usual = {
        name: node.ctl("eval", f"{{ok, V}} = application:get_env(rabbit, {name}), V.").strip()
        for name in _PATIENCE
    }
    for name, milliseconds in _PATIENCE.items():
        node.ctl("eval", f"application:set_env(rabbit, {name}, {milliseconds}).")
    yield
    for name, value in usual.items():
        node.ctl("eval", f"application:set_env(rabbit, {name}, {value}).")


@pytest.mark.usefixtures("impatient_node")
def test_15_an_enrolment_takes_longer_than_the_broker_waits_for_acknowledgements(
    bench: FaultBench, portraits: Path, report: Report
) -> None:
    bench.platform.add_person("P", "P", portraits / "people" / "joe_biden" / "biden.jpg")
    bench.platform.misbehave("/getSendPerson", delay=8)
    bench.box.start()
    command = {"method": "add_users_plus", "userid_list": ["P"], "extend_params": {"path": "/getSendPerson"}}
    bench.desk.send([command])
    seconds = bench.all_answered(60)
    report_now = read_status(bench.box.data_dir)
    assert report_now is not None
    assert report_now.links["commands"].connections == 1
    assert seconds > 4
    assert bench.box.terminate() == 0
    report(
        "15", "broker waits 2 s for an acknowledgement", f"an enrolment of {seconds:.0f} s does not notice"
    )


@pytest.mark.usefixtures("impatient_node")
def test_15_fiqa_answers_are_owed_for_longer_than_the_broker_waits(
    bench: FaultBench, portraits: Path, report: Report
) -> None:
    # Given a queue that takes no answers, so that the box can't acknowledge the shared queue's commands
    lines = bench.lines
    refusing = orjson.dumps({"max-length": 0, "overflow": "reject-publish"}).decode()
    policy = ("full", f"^{lines.fiqa_upload_queue}$", refusing, "--apply-to", "queues")
    bench.node.ctl("set_policy", "-p", lines.upload_v_host, *policy)
    photo = encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())
    bench.box.start()
    with PlatformDesk(lines.model_copy(update={"upload_queue": None, "fiqa_upload_queue": None})) as desk:
        for number in range(6):
            desk.send(Fiqa(message_id=f"f{number}", info=FiqaRequest(image_base64_str=photo)))
    # When the broker loses patience and takes the commands back
    bench.wait_status(lambda status: status.links["fiqa commands"].connections >= 3, 60)
    bench.node.ctl("clear_policy", "-p", lines.upload_v_host, "full")
    # Then, once answers are taken, every command has its own
    answers: dict[object, set[bytes]] = defaultdict(set)
    with PlatformDesk(lines) as desk:
        for result in desk.results(5.0):
            answers[result.message_id].add(result.encode())
    assert {key: len(copies) for key, copies in answers.items()} == {f"f{number}": 1 for number in range(6)}
    assert bench.box.is_running
    assert "Traceback" not in bench.box.log.read_text()
    report(
        "15", "fiqa answers refused for longer than the broker waits", "commands taken again, all answered"
    )


def test_16_two_boxes_share_a_queue(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    other = BoxProcess(bench.box.data_dir.parent / "other", bench.platform.login_url, bench.dev_sno)
    with other:
        bench.desk.send([one for one in bench.commands(40) if one["method"] == "sync_permissions"])
        bench.all_answered(30)
        assert other.terminate() == 0
    copies = sum(len(one) for one in bench.ledger.results.values())
    assert copies == len(bench.ledger.sent)
    report("16", "two boxes on one queue", "each command answered once")


def test_17_broker_s_name_can_t_be_resolved_and_then_it_can(bench: FaultBench, report: Report) -> None:
    bench.name_broker(host="no-such-broker.invalid")
    bench.box.start(wait=False)
    bench.wait_status(lambda status: "gaierror" in status.links.get("commands", _NO_LINK).reason, 30)
    bench.name_broker(host="localhost")
    bench.box.wait_ready(120)
    bench.desk.send(bench.commands(8))
    bench.all_answered(30)
    bench.check_end()
    report("17", "broker's name unknown until the platform names another", "logged in again, consuming")


def test_20_a_flood_of_large_messages_stays_bounded(bench: FaultBench, report: Report) -> None:
    bench.box.start()
    process = psutil.Process(bench.box.pid)
    before = process.memory_info().rss
    padding = "x" * (1 << 20)
    commands = [
        {"method": "delete_users", "userid_list": [f"X{number}"], "memo": padding} for number in range(400)
    ]
    peak = before
    sender = threading.Thread(target=bench.desk.send, args=(commands,))
    sender.start()
    while sender.is_alive():
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.05)
    bench.all_answered(120)
    peak = max(peak, process.memory_info().rss)
    bench.check_end()
    grown = (peak - before) >> 20
    assert grown < 300
    report("20", "400 messages of 1 MiB at once", f"all answered, {grown} MiB above the start at most")

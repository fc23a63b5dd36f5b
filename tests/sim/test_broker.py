"""The private RabbitMQ node: its boxes' queues, its faults, and what it leaves behind."""

from __future__ import annotations

import socket
import uuid

import pika
import pytest
from pydantic import SecretStr

from sophon.contract import DeleteUsers, PeopleResult, RabbitMq, succeeded
from sophon.errors import SophonError
from sophon.sim import BrokerNode, PlatformDesk
from tests.sim.processes import processes_that_name


def connect(lines: RabbitMq, virtual_host: str) -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(lines.login, lines.password.get_secret_value())
    return pika.BlockingConnection(
        pika.ConnectionParameters(lines.host, lines.port, virtual_host, credentials, stack_timeout=5)
    )


def new_box(broker: BrokerNode) -> RabbitMq:
    return broker.add_box(f"BOX{uuid.uuid4().hex[:8]}")


def test_a_box_finds_its_queues_in_both_virtual_hosts(broker: BrokerNode) -> None:
    lines = new_box(broker)

    for host, queues in (
        (lines.v_host, [lines.queue]),
        (lines.upload_v_host, [lines.upload_queue, lines.fiqa_down_queue, lines.fiqa_upload_queue]),
    ):
        connection = connect(lines, host)
        for queue in queues:
            assert connection.channel().queue_declare(queue, passive=True).method.message_count == 0
        connection.close()


def test_a_wrong_password_is_refused(broker: BrokerNode) -> None:
    lines = new_box(broker)
    broker.ctl("change_password", lines.login, "another")

    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        connect(lines, lines.v_host)


def test_a_failing_ctl_command_says_why(broker: BrokerNode) -> None:
    with pytest.raises(SophonError, match="delete_vhost failed"):
        broker.ctl("delete_vhost", "nowhere")


def test_a_desk_hears_the_result_of_its_command(broker: BrokerNode) -> None:
    lines = new_box(broker)
    command = DeleteUsers(userid_list=["E1"], message_id="d-1")
    answer = succeeded(command, "BOX", PeopleResult.of([]))

    with PlatformDesk(lines) as desk:
        desk.send(command)
        box = connect(lines, lines.v_host).channel()
        _, _, taken = box.basic_get(lines.queue, auto_ack=True)
        upload = connect(lines, lines.upload_v_host).channel()
        upload.basic_publish(
            "", lines.upload_queue or "", answer.encode(), pika.BasicProperties(message_id="m-1")
        )
        result = desk.wait_for("d-1", 10)
        messages = list(desk.messages)

    assert taken == command.encode()
    assert result == answer
    assert [(m.sent, m.amqp_message_id) for m in messages] == [(True, None), (False, "m-1")]
    with PlatformDesk(lines) as desk:
        assert list(desk.results(silence=0.3)) == []


def test_a_result_that_never_comes_is_an_error(broker: BrokerNode) -> None:
    with PlatformDesk(new_box(broker)) as desk, pytest.raises(SophonError, match="no result for 'x'"):
        desk.wait_for("x", 0.2)


def test_a_desk_says_that_the_broker_is_away_or_refuses(broker: BrokerNode) -> None:
    lines = new_box(broker)

    for update in ({"port": 9}, {"password": SecretStr("wrong")}, {"upload_queue": "nowhere"}):
        with pytest.raises(SophonError, match="can't be reached or refused"):
            PlatformDesk(lines.model_copy(update=update)).__enter__()
    with PlatformDesk(lines.model_copy(update={"queue": "nowhere"})) as desk, pytest.raises(SophonError):
        desk.send(DeleteUsers(userid_list=[]))


@pytest.mark.slow
@pytest.mark.fault
def test_a_killed_node_comes_back_with_its_messages_and_leaves_nothing_behind() -> None:
    with BrokerNode() as node:
        lines = node.add_box("BOXA0001")
        with PlatformDesk(lines) as desk:
            desk.send(DeleteUsers(userid_list=["E1"]))
        node.kill()
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            connect(lines, lines.v_host)
        node.start()
        connection = connect(lines, lines.v_host)
        count = connection.channel().queue_declare(lines.queue, passive=True).method.message_count
        connection.close()
        with node.frozen(), socket.create_connection((node.host, node.port), timeout=1) as client:
            client.sendall(b"AMQP\x00\x00\x09\x01")
            with pytest.raises(TimeoutError):
                client.recv(1)
        node.stop()
        folder = node.folder

    assert count == 1
    assert not folder.exists()
    assert not processes_that_name(folder)


def test_a_missing_broker_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophon.sim.broker._SCRIPT_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(SophonError, match="apt-get install rabbitmq-server"):
        BrokerNode()

"""What the box makes of the queues, exchanges and virtual hosts that a login names."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from sophon.contract import DeleteUsers, Fiqa, FiqaRequest, RabbitMq, encode_photo
from sophon.sim import BrokerNode, PlatformDesk, ReferencePlatform
from tests.daemon.box_process import BoxProcess
from tests.faults.tcp_proxy import TcpProxy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[BrokerNode]:
    """A node of this module's own: its queues are moved about."""
    with BrokerNode() as node:
        yield node


@pytest.fixture
def photo(portraits: Path) -> str:
    return encode_photo((portraits / "people" / "joe_biden" / "biden.jpg").read_bytes())


def start(tmp_path: Path, platform: ReferencePlatform, lines: RabbitMq, **settings: Any) -> BoxProcess:
    platform.add_box("BOX", lines)
    return BoxProcess(tmp_path / "data", platform.login_url, "BOX", **settings)


def queues(node: BrokerNode, virtual_host: str) -> dict[str, str]:
    rows = node.ctl("list_queues", "-p", virtual_host, "name", "durable").splitlines()
    return dict(row.split("\t") for row in rows if "\t" in row and not row.startswith("name"))


def test_missing_queues_are_made_durable_and_the_fiqa_queues_in_the_upload_host(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform, photo: str
) -> None:
    lines = node.add_box("MISSING").model_copy(
        update={"queue": "q1", "upload_queue": "q2", "fiqa_down_queue": "q3", "fiqa_upload_queue": "q4"}
    )
    with start(tmp_path, platform, lines), PlatformDesk(lines) as desk:
        assert desk.call(DeleteUsers(userid_list=[])).code == 0
        assert desk.call(Fiqa(info=FiqaRequest(image_base64_str=photo))).code == 0
    assert queues(node, lines.v_host)["q1"] == "true"
    upload = queues(node, lines.upload_v_host)
    assert (upload["q2"], upload["q3"], upload["q4"]) == ("true", "true", "true")


def test_fiqa_queues_that_live_in_the_box_s_own_host_are_found_there(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform, photo: str
) -> None:
    lines = node.add_box("OWNFIQA").model_copy(
        update={"fiqa_down_queue": "own.down", "fiqa_upload_queue": "own.up"}
    )
    node.define(
        {
            "queues": [
                {"name": name, "vhost": lines.v_host, "durable": True, "auto_delete": False, "arguments": {}}
                for name in ("own.down", "own.up")
            ]
        }
    )
    in_own_host = lines.model_copy(update={"upload_v_host": lines.v_host})
    with (
        start(tmp_path, platform, lines),
        PlatformDesk(in_own_host.model_copy(update={"upload_queue": None})) as desk,
    ):
        assert desk.call(Fiqa(info=FiqaRequest(image_base64_str=photo))).code == 0
    assert "own.down" not in queues(node, lines.upload_v_host)


def test_a_fiqa_command_is_taken_from_the_command_queue_too_and_answered_on_its_own(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform, photo: str
) -> None:
    lines = node.add_box("BYCMD")
    with start(tmp_path, platform, lines), PlatformDesk(lines) as desk:
        desk.send(Fiqa(message_id="f", info=FiqaRequest(image_base64_str=photo)), fiqa_queue=False)
        assert desk.wait_for("f", 30).code == 0
        assert desk.messages[-1].queue == "topic.fiqa.upload"


def test_without_fiqa_queues_the_answer_goes_to_the_upload_queue(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform, photo: str
) -> None:
    lines = node.add_box("NOFIQA").model_copy(update={"fiqa_down_queue": None, "fiqa_upload_queue": None})
    with start(tmp_path, platform, lines), PlatformDesk(lines) as desk:
        desk.send(Fiqa(message_id="f", info=FiqaRequest(image_base64_str=photo)))
        assert desk.wait_for("f", 30).code == 0
        assert desk.messages[-1].queue == lines.upload_queue


def test_the_exchange_is_made_and_the_queue_bound_to_it_with_the_routing_key(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform
) -> None:
    lines = node.add_box("BIND", bind=True)
    assert lines.exchange is not None
    with start(tmp_path, platform, lines), PlatformDesk(lines) as desk:
        assert desk._commands is not None
        body = DeleteUsers(message_id="by exchange", userid_list=[]).encode()
        desk._commands.basic_publish(lines.exchange.name, lines.routing_key, body, mandatory=True)
        assert desk.wait_for("by exchange", 30).code == 0
    exchanges = node.ctl("list_exchanges", "-p", lines.v_host, "name", "type", "durable")
    assert f"{lines.exchange.name}\ttopic\ttrue" in exchanges


def test_without_binding_neither_exchange_nor_binding_is_made(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform
) -> None:
    lines = node.add_box("NOBIND")
    assert lines.exchange is not None
    with start(tmp_path, platform, lines):
        pass
    assert lines.exchange.name not in node.ctl("list_exchanges", "-p", lines.v_host, "name")


def test_a_passive_exchange_that_is_missing_is_waited_for(
    tmp_path: Path, node: BrokerNode, platform: ReferencePlatform
) -> None:
    lines = node.add_box("PASSIVE", bind=True)
    assert lines.exchange is not None
    passive = lines.model_copy(update={"exchange": lines.exchange.model_copy(update={"passive": True})})
    box = start(tmp_path, platform, passive)
    with contextlib.closing(_Killed(box)):
        box.start(wait=False)
        ready = threading.Thread(target=box.wait_ready)
        ready.start()
        ready.join(4)
        assert ready.is_alive()
        assert "does not exist, and the login says passive" in box.log_tail()
        exchange = {"name": lines.exchange.name, "vhost": lines.v_host, "type": "topic", "durable": True,
                    "auto_delete": False, "internal": False, "arguments": {}}  # fmt: skip
        node.define({"exchanges": [exchange]})
        ready.join(30)
        assert not ready.is_alive()


def test_the_first_version_s_login_is_enough(tmp_path: Path, node: BrokerNode) -> None:
    lines = node.add_box("V2R1", bind=True)
    old = RabbitMq.model_validate(
        {
            "host": lines.host,
            "port": str(lines.port),
            "login": lines.login,
            "password": lines.password.get_secret_value(),
            "queue": lines.queue,
            "vHost": lines.v_host,
            "exchange": {"name": "exchangename1", "type": "topic"},
        }
    )
    with ReferencePlatform(protocol_version="V2R1C01") as platform, PlatformDesk(lines) as desk:
        platform.add_box("BOX", old)
        with BoxProcess(tmp_path / "data", platform.login_url, "BOX", protocol_version="V2R1C01"):
            desk.send(DeleteUsers(userid_list=["E1"], extend_params={"notify_path": "/getResult"}))  # type: ignore[arg-type]
            (call,) = platform.wait_for("/getResult", 1)
    assert call.body["result"]["failed_users"][0]["userid"] == "E1"


@pytest.mark.parametrize(
    ("certificate", "trusted", "reason"),
    [
        ("127.0.0.1", True, None),
        ("other.example", True, "CERTIFICATE_VERIFY_FAILED"),
        ("127.0.0.1", False, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_tls_is_used_and_checked_where_it_is_asked_for(
    tmp_path: Path,
    node: BrokerNode,
    platform: ReferencePlatform,
    certificate: str,
    trusted: bool,
    reason: str | None,
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certificate).configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    (authority if trusted else stranger).cert_pem.write_to_path(str(ca_file))
    lines = node.add_box(f"TLS{certificate}{trusted}".replace(".", "-"))
    with TcpProxy(node.host, node.port, context) as proxy:
        box = start(
            tmp_path,
            platform,
            lines.model_copy(update={"port": proxy.port}),
            amqps="true",
            amqps_ca_file=ca_file,
        )
        with contextlib.closing(_Killed(box)):
            if reason is None:
                box.start()
                with PlatformDesk(lines) as desk:
                    assert desk.call(DeleteUsers(userid_list=[])).code == 0
            else:
                box.start(wait=False)
                with pytest.raises(AssertionError, match="not ready"):
                    box.wait_ready(6)
                assert reason in box.log_tail()


class _Killed:
    """Ends a box that was not started by a `with` block."""

    def __init__(self, box: BoxProcess) -> None:
        self._box = box

    def close(self) -> None:
        self._box.kill()

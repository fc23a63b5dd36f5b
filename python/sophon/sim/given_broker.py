"""A broker that is there already: a box's login parameters from its URL."""

from __future__ import annotations

import contextlib
from urllib.parse import unquote, urlsplit

import pika
from pydantic import SecretStr

from sophon.contract import RabbitMq
from sophon.errors import Code, SophonError
from sophon.sim.desk import BROKER_ERRORS


def lines_at(amqp_url: str, dev_sno: str) -> RabbitMq:
    """The parameters of a box at ``amqp://user:password@host:port/virtual_host``, everything in that virtual host.

    Queues that are missing are declared, durable.

    Raises:
        SophonError: if the URL can't be read or the broker does not let us in.
    """
    parts = urlsplit(amqp_url)
    if parts.scheme != "amqp" or not parts.hostname:
        raise SophonError(
            Code.BAD_REQUEST, "the broker's URL must be amqp://user:password@host:port/virtual_host"
        )
    host = unquote(parts.path[1:]) or "/"
    lines = RabbitMq(
        host=parts.hostname,
        port=parts.port or 5672,
        login=unquote(parts.username or "guest"),
        password=SecretStr(unquote(parts.password or "guest")),
        queue=f"queue-dev-{dev_sno}",
        v_host=host,
        upload_v_host=host,
        upload_queue=f"upload-queue-{dev_sno}",
        fiqa_down_queue="topic.fiqa.download",
        fiqa_upload_queue="topic.fiqa.upload",
        un_need_bind_exchange=True,
    )
    try:
        _declare_missing(lines)
    except BROKER_ERRORS as error:
        raise SophonError(
            Code.REMOTE_SERVER_FAILED, f"the broker at {lines.host}:{lines.port} is of no use: {error!r}"
        ) from None
    return lines


def _declare_missing(lines: RabbitMq) -> None:
    credentials = pika.PlainCredentials(lines.login, lines.password.get_secret_value())
    parameters = pika.ConnectionParameters(
        lines.host, lines.port, lines.v_host, credentials, socket_timeout=5, stack_timeout=10
    )
    with contextlib.closing(pika.BlockingConnection(parameters)) as connection:
        for queue in (lines.queue, lines.upload_queue, lines.fiqa_down_queue, lines.fiqa_upload_queue):
            if not _exists(connection, queue):
                connection.channel().queue_declare(queue, durable=True)


def _exists(connection: pika.BlockingConnection, queue: str | None) -> bool:
    try:
        connection.channel().queue_declare(queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    return True

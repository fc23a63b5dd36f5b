"""The platform's side of the message queue: publishes commands to a box and hears its results."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from sophon.contract import AnyResult, Command, Fiqa, RabbitMq, parse_result
from sophon.errors import Code, SophonError

MESSAGES_KEPT = 10_000

#: What pika raises while it connects and later; not all of it is an AMQPError.
BROKER_ERRORS = (AMQPError, AMQPConnectorException, OSError)


@dataclass(frozen=True)
class QueueMessage:
    """One message as it went over the wire; ``sent`` from the platform to the box."""

    sent: bool
    queue: str
    body: bytes
    amqp_message_id: str | None = None


class PlatformDesk:
    """Two connections, one per virtual host; used by one thread.

    All methods raise SophonError (REMOTE_SERVER_FAILED) when the broker can't be reached or goes away; a new desk is
    needed then.

    Attributes:
        messages: the newest messages in both directions, in order.
    """

    def __init__(self, lines: RabbitMq) -> None:
        self._lines = lines
        self._commands: BlockingChannel | None = None
        self._uploads: BlockingChannel | None = None
        self._arrived: deque[AnyResult] = deque()
        self.messages: deque[QueueMessage] = deque(maxlen=MESSAGES_KEPT)

    def __enter__(self) -> PlatformDesk:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Connect, and begin to hear results."""
        with self._speaking():
            self._commands = self._connect(self._lines.v_host)
            self._uploads = self._connect(self._lines.upload_v_host)
            for queue in dict.fromkeys((self._lines.upload_queue, self._lines.fiqa_upload_queue)):
                if queue:
                    self._uploads.basic_consume(queue, self._on_result)

    def close(self) -> None:
        """Close both connections; a result that nobody asked for goes back to its queue."""
        for channel in (self._commands, self._uploads):
            if channel is not None and channel.connection.is_open:
                with contextlib.suppress(*BROKER_ERRORS):
                    channel.connection.close()
        self._commands = self._uploads = None

    def send(self, command: Command | bytes, *, fiqa_queue: bool | None = None) -> None:
        """Publish a command, or any bytes, persistent and confirmed.

        Args:
            command: what to send.
            fiqa_queue: whether to use ``fiqaDownQueue``; by default only for a fiqa command, where there is that queue.
        """
        assert self._commands is not None, "start the desk first"
        assert self._uploads is not None
        lines = self._lines
        use_fiqa_queue = isinstance(command, Fiqa) if fiqa_queue is None else fiqa_queue
        if use_fiqa_queue and lines.fiqa_down_queue:
            channel, queue = self._uploads, lines.fiqa_down_queue
        else:
            channel, queue = self._commands, lines.queue
        body = command if isinstance(command, bytes) else command.encode()
        properties = pika.BasicProperties(delivery_mode=2, content_type="application/json")
        with self._speaking():
            channel.basic_publish("", queue, body, properties, mandatory=True)
        self.messages.append(QueueMessage(sent=True, queue=queue, body=body))

    def results(self, silence: float) -> Iterator[AnyResult]:
        """Results as they arrive, until none came for ``silence`` seconds."""
        while (result := self._next_result(silence)) is not None:
            yield result

    def call(self, command: Command, seconds: float = 60.0) -> AnyResult:
        """Send a command and wait for its result, recognised by ``messageId`` (made up if the command has none).

        Raises:
            SophonError: if no result came in time.
        """
        if command.message_id is None:
            command = command.model_copy(update={"message_id": str(uuid.uuid4())})
        self.send(command)
        return self.wait_for(command.message_id, seconds)

    def wait_for(self, message_id: Any, seconds: float = 60.0) -> AnyResult:
        """The result that carries this ``messageId``; results of other commands are dropped meanwhile.

        Raises:
            SophonError: if it did not come in time.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            result = self._next_result(left)
            if result is not None and result.message_id == message_id:
                return result
        raise SophonError(Code.REMOTE_SERVER_FAILED, f"no result for {message_id!r} within {seconds:.0f} s")

    def _next_result(self, seconds: float) -> AnyResult | None:
        assert self._uploads is not None, "start the desk first"
        deadline = time.monotonic() + seconds
        while not self._arrived and (left := deadline - time.monotonic()) > 0:
            with self._speaking():
                self._uploads.connection.process_data_events(time_limit=min(left, 0.5))
        return self._arrived.popleft() if self._arrived else None

    def _on_result(self, channel: BlockingChannel, method: Any, properties: Any, body: bytes) -> None:
        message = QueueMessage(False, method.routing_key, body, properties.message_id)
        self.messages.append(message)
        self._arrived.append(parse_result(body))
        channel.basic_ack(method.delivery_tag)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except BROKER_ERRORS as error:
            raise SophonError(
                Code.REMOTE_SERVER_FAILED,
                f"the broker at {self._lines.host}:{self._lines.port} can't be reached or refused: {error!r}",
            ) from error

    def _connect(self, virtual_host: str) -> BlockingChannel:
        credentials = pika.PlainCredentials(self._lines.login, self._lines.password.get_secret_value())
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                self._lines.host,
                self._lines.port,
                virtual_host,
                credentials,
                heartbeat=0,  # nobody drives the connection between two calls
                socket_timeout=5,
                stack_timeout=10,
                blocked_connection_timeout=30,
            )
        )
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

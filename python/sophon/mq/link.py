"""A line to the broker: one thread that owns one connection. The only file that imports pika.

pika's blocking connection belongs to the thread that made it; the one call another thread may make is
``add_callback_threadsafe``, which `Link.wake` uses.
"""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import structlog
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pydantic import SecretStr

from sophon.errors import Code, SophonError

HEARTBEAT_S = 10
BLOCKED_TIMEOUT_S = 30
SOCKET_TIMEOUT_S = 5
STACK_TIMEOUT_S = 10
TCP_USER_TIMEOUT_MS = 20_000
CLOSE_TIMEOUT_S = 5.0

REFUSALS_BEFORE_ALARM = 3
TROUBLE_BEFORE_ALARM_S = 60.0
HEALTHY_AFTER_S = 60.0
LINGER_S = 0.001
WAIT_S = 0.5
# The broker is given so long to confirm what is on its way when the box ends: what it does not is sent again after the next start.
LAST_WORD_S = 2.0
BATCH_BYTES = 8 << 20
RECEIVE_BYTES = 64 << 10
SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
REFUSED_PAUSE_S = 30.0

# While connecting, pika also raises what is no AMQPError: a time-out of the whole stack, name resolution, TLS.
_CONNECTION_ERRORS = (pika.exceptions.AMQPError, AMQPConnectorException, OSError)
_REFUSALS = (
    pika.exceptions.AuthenticationError,
    pika.exceptions.ProbableAuthenticationError,
    pika.exceptions.ProbableAccessDeniedError,
)
_ACCESS_REFUSED = 403
_NOT_FOUND = 404

_log = structlog.get_logger(__name__)


class BrokerError(SophonError):
    """The broker can't do what is asked of it."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.REMOTE_SERVER_FAILED, message)


class UndeliverableError(BrokerError):
    """The broker took no responsibility for a message: no such queue, or the queue is full."""


@dataclass(frozen=True)
class Tls:
    """How to check the broker's certificate; None means the system's authorities, and the broker's host."""

    ca_file: Path | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class BrokerAddress:
    """Where and as whom to connect."""

    host: str
    port: int
    user: str
    password: SecretStr
    virtual_host: str
    tls: Tls | None = None


@dataclass(frozen=True)
class Delivery:
    """One message, as what it was read as, to be acknowledged on the session it came by; ``size`` in bytes."""

    message: Any
    size: int
    tag: int
    consumer: int


@dataclass(frozen=True)
class QueueState:
    """What the broker says of a queue."""

    messages: int
    consumers: int


class Phase(str, Enum):
    """How a link is."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    STOPPED = "stopped"


@dataclass(frozen=True)
class LinkState:
    """A link's phase, why, since when (s since the epoch), and how often it connected."""

    phase: Phase
    reason: str
    since: float
    connections: int


class Session:
    """What may be done while connected, by the link's own thread only."""

    def __init__(self, connection: pika.BlockingConnection, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self._consuming: Any = None
        self._publishing: _Publishing | None = None
        self._consumers = 0
        self._arrived: list[Delivery] = []
        self._arrived_bytes = 0
        self.last_active = time.monotonic()

    @property
    def stopping(self) -> bool:
        """Whether the link is about to close."""
        return self._stopping.is_set()

    def queue(self, name: str) -> QueueState | None:
        """What there is of a queue, without touching it; None if it is missing."""
        ok = self._ask(lambda channel: channel.queue_declare(name, passive=True))
        return QueueState(ok.method.message_count, ok.method.consumer_count) if ok else None

    def declare_queue(self, name: str) -> None:
        """Make a durable queue."""
        with self._throwaway_channel() as channel:
            channel.queue_declare(name, durable=True)

    def has_exchange(self, name: str) -> bool:
        """Whether an exchange exists."""
        return self._ask(lambda channel: channel.exchange_declare(name, passive=True)) is not None

    def declare_exchange(
        self, name: str, kind: str, *, durable: bool, auto_delete: bool, arguments: dict[str, Any] | None
    ) -> None:
        """Make an exchange."""
        with self._throwaway_channel() as channel:
            channel.exchange_declare(
                name, exchange_type=kind, durable=durable, auto_delete=auto_delete, arguments=arguments
            )

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Bind a queue to an exchange; binding it again changes nothing."""
        with self._throwaway_channel() as channel:
            channel.queue_bind(queue, exchange, routing_key)

    def consume(self, queue: str, prefetch: int, read: Callable[[bytes, bool], Any]) -> None:
        """Let the broker send messages, ``prefetch`` ahead of their acknowledgement.

        Each is read as it comes, from its bytes and whether it was redelivered, while others are put on disk.
        """
        self._consumers += 1
        consumer = self._consumers
        channel = self._connection.channel()
        channel.basic_qos(prefetch_count=prefetch)

        def arrived(_channel: object, method: Any, _properties: object, body: bytes) -> None:
            message = read(body, bool(method.redelivered))
            self._arrived.append(Delivery(message, len(body), method.delivery_tag, consumer))
            self._arrived_bytes += len(body)

        channel.basic_consume(queue, arrived)
        self._consuming = channel

    def deliveries(self, wait_s: float, at_most: int) -> list[Delivery]:
        """Messages in the queue's order; waits for the first one.

        Raises BrokerError if the broker has ended the consumer, as it does when the queue is deleted: pika says nothing.
        """
        self.idle(0 if self._arrived else wait_s)
        # Messages come in singly, but are put on disk together: wait for those that are on their way.
        while 0 < (arrived := len(self._arrived)) < at_most and not self.has_batch:
            self.idle(LINGER_S)
            if len(self._arrived) == arrived:
                break
        if not self._consuming.consumer_tags:
            raise BrokerError("the broker has ended the consumer; was the queue deleted?")
        batch, self._arrived = self._arrived[:at_most], self._arrived[at_most:]
        self._arrived_bytes = sum(one.size for one in self._arrived)
        return batch

    @property
    def has_batch(self) -> bool:
        """Whether as much has come in as should lie in memory."""
        return self._arrived_bytes >= BATCH_BYTES

    def acknowledge_through(self, delivery: Delivery) -> None:
        """Tell the broker that this message and all before it are safe."""
        if delivery.consumer == self._consumers and self._consuming is not None:
            self._consuming.basic_ack(delivery.tag, multiple=True)

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that this message is done with."""
        if delivery.consumer == self._consumers and self._consuming is not None:
            self._consuming.basic_ack(delivery.tag)

    def stop_consuming(self) -> None:
        """End the consumer; what was not acknowledged goes back to its place in the queue."""
        if self._consuming is not None and self._consuming.is_open:
            self._consuming.close()
        self._consuming = None
        self._arrived.clear()
        self._arrived_bytes = 0

    def publish(self, queue: str, messages: Sequence[tuple[bytes, str]]) -> Iterator[int]:
        """Send persistent messages, each with its id, to a queue; yield the place of each that the broker has.

        All are on their way at once, so that they wait for the broker's disk together. Once the link is about to close, a
        broker that says nothing is not waited for. Raises UndeliverableError, once the broker has spoken on all, if it
        returned or refused any.
        """
        if self._publishing is None:
            self._publishing = _Publishing(self._connection)
        publishing = self._publishing
        self.last_active = time.monotonic()
        publishing.send(queue, messages)
        while publishing.on_their_way:
            if self.stopping and time.monotonic() - self.last_active > LAST_WORD_S:
                return
            self._connection.process_data_events(WAIT_S)
            if confirmed := publishing.take_confirmed():
                self.last_active = time.monotonic()
                yield from confirmed
        if publishing.trouble:
            raise UndeliverableError(publishing.trouble)

    def idle(self, seconds: float) -> None:
        """Let the connection live (heartbeats, deliveries) until something happens or the time is over."""
        self.last_active = time.monotonic()
        self._connection.process_data_events(time_limit=seconds)
        self.last_active = time.monotonic()

    def wake(self) -> None:
        """End an `idle`; the one thing that another thread may do."""
        # The connection may be closing at this moment; then there is nothing to wake.
        with contextlib.suppress(pika.exceptions.ConnectionWrongStateError):
            self._connection.add_callback_threadsafe(lambda: None)

    def wait(self, seconds: float) -> None:
        """Let the connection live for the whole time, or until the link closes."""
        end = time.monotonic() + seconds
        while not self.stopping and (left := end - time.monotonic()) > 0:
            self.idle(min(left, 0.5))

    @contextlib.contextmanager
    def _throwaway_channel(self) -> Iterator[Any]:
        """A channel of its own: a refused declaration closes the channel it was made on."""
        channel = self._connection.channel()
        try:
            yield channel
        finally:
            if channel.is_open:
                channel.close()

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        try:
            with self._throwaway_channel() as channel:
                return question(channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                return None
            raise


class _Publishing:
    """A channel on which many messages wait for the broker's confirmation at once.

    pika's blocking channel sends one message at a time and waits for it, which costs a turn to the broker's disk each. Its
    own asynchronous channel, which it keeps in ``_impl``, does not.
    """

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._queue = ""
        self._sent = 0
        self._places: dict[int, int] = {}
        self._ids: list[str] = []
        self._confirmed: list[int] = []
        self._returned: set[str] = set()
        self._closed: Exception | None = None
        self.trouble = ""
        channel = self._channel._impl
        channel.add_on_close_callback(self._note_close)
        channel.add_on_return_callback(self._note_return)
        channel.confirm_delivery(self._note_verdict)

    @property
    def on_their_way(self) -> bool:
        """Whether the broker has still to speak on a message. Raises pika's reason if it closed the channel."""
        if self._closed is not None:
            raise self._closed
        return bool(self._places)

    def send(self, queue: str, messages: Sequence[tuple[bytes, str]]) -> None:
        """Send messages; what was said of earlier ones is forgotten."""
        self._queue = queue
        self._ids = [message_id for _, message_id in messages]
        self._confirmed.clear()
        self._returned.clear()
        self.trouble = ""
        for place, (body, message_id) in enumerate(messages):
            properties = pika.BasicProperties(
                message_id=message_id,
                content_type="application/json",
                delivery_mode=pika.DeliveryMode.Persistent.value,
                timestamp=int(time.time()),
            )
            self._sent += 1
            self._places[self._sent] = place
            # Without `mandatory` a message to a missing queue is confirmed and dropped.
            self._channel.basic_publish("", queue, body, properties, mandatory=True)

    def take_confirmed(self) -> list[int]:
        """The places of messages that the broker has, since the last call."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def _note_close(self, _channel: object, reason: Exception) -> None:
        self._closed = reason

    def _note_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        # It comes before the confirmation of the same message.
        self._returned.add(properties.message_id)
        self.trouble = f"queue {self._queue!r} does not exist"

    def _note_verdict(self, frame: Any) -> None:
        verdict = frame.method
        through = verdict.delivery_tag
        tags = [tag for tag in self._places if tag <= through] if verdict.multiple else [through]
        places = [self._places.pop(tag) for tag in tags]
        if isinstance(verdict, pika.spec.Basic.Nack):
            self.trouble = f"queue {self._queue!r} refuses messages; is it full?"
        else:
            self._confirmed += [place for place in places if self._ids[place] not in self._returned]
        # pika's wait does not end by itself for this. While the connection closes, nobody waits.
        with contextlib.suppress(pika.exceptions.ConnectionWrongStateError):
            self._connection.add_callback_threadsafe(lambda: None)


@dataclass
class _Pauses:
    """Growing pauses with full jitter, so that many boxes don't come back at once."""

    _next: float = SHORTEST_PAUSE_S

    def take(self, longest: float) -> float:
        pause = random.uniform(self._next / 2, self._next)
        self._next = min(self._next * 2, longest)
        return pause

    def reset(self) -> None:
        self._next = SHORTEST_PAUSE_S


class Link:
    """A thread that connects, serves, and connects again, until it is closed.

    ``addresses`` are tried in order; where ``queue`` is given, the first whose virtual host has it is served, else the
    first. ``serve`` runs in the thread while connected and returns when the session should end. ``on_trouble`` is
    called, from the thread, when the broker goes on refusing or can't be reached: other parameters may help.
    """

    def __init__(
        self,
        name: str,
        addresses: Sequence[BrokerAddress],
        serve: Callable[[Session], None],
        *,
        queue: str = "",
        client_name: str = "sophon",
        on_trouble: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.name = name
        self._addresses = tuple(addresses)
        self._serve = serve
        self._queue = queue
        self._client_name = client_name
        self._on_trouble = on_trouble
        self._stopping = threading.Event()
        self._session: Session | None = None
        self._state = LinkState(Phase.CONNECTING, "", time.time(), 0)
        self._thread = threading.Thread(target=self._run, name=f"mq {name}", daemon=True)

    @property
    def state(self) -> LinkState:
        """How the link is now."""
        return self._state

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def silent_for(self) -> float:
        """Seconds since the connected thread last did anything; 0 while it is not connected."""
        session = self._session
        return 0.0 if session is None else time.monotonic() - session.last_active

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def wake(self) -> None:
        """End a wait of the serving thread; any thread may call this."""
        session = self._session
        if session is not None:
            session.wake()

    def ask_to_stop(self) -> None:
        """Tell the thread to end, without waiting for it."""
        self._stopping.set()
        self.wake()

    def close(self) -> None:
        """Stop serving and disconnect; a broker that does not answer is left after a few seconds."""
        self.ask_to_stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        pauses = _Pauses()
        refusals = 0
        trouble_since = time.monotonic()
        while not self._stopping.is_set():
            connected_at = None
            try:
                with self._connected() as session:
                    connected_at = time.monotonic()
                    self._set(Phase.UP, "")
                    self._serve(session)
                reason, refused = "", False
            except SophonError as error:
                reason, refused = str(error), False
            except _CONNECTION_ERRORS as error:
                reason, refused = _describe(error), _is_refusal(error)
            except Exception as error:  # noqa: BLE001 - a thread's edge: a defect must not end the line
                _log.exception("the link failed inside", link=self.name)
                reason, refused = f"failed inside: {type(error).__name__}", False
            if not reason or self._stopping.is_set():
                continue
            self._set(Phase.DOWN, reason)
            now = time.monotonic()
            if connected_at is not None and now - connected_at > HEALTHY_AFTER_S:
                pauses.reset()
                refusals, trouble_since = 0, now
            refusals = refusals + 1 if refused else 0
            if refusals >= REFUSALS_BEFORE_ALARM or now - trouble_since > TROUBLE_BEFORE_ALARM_S:
                self._on_trouble(reason)
                refusals, trouble_since = 0, now
            self._stopping.wait(pauses.take(REFUSED_PAUSE_S if refused else LONGEST_PAUSE_S))
        self._set(Phase.STOPPED, "")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Session]:
        connection = self._connect()
        self._session = Session(connection, self._stopping)
        try:
            yield self._session
        finally:
            self._session = None
            _close(connection)

    def _connect(self) -> pika.BlockingConnection:
        """Connect to the virtual host that has the queue, else to the first."""
        if len(self._addresses) > 1:
            for address in self._addresses:
                try:
                    connection = self._open(address)
                except pika.exceptions.ProbableAccessDeniedError:
                    continue
                try:
                    if Session(connection, self._stopping).queue(self._queue) is not None:
                        return connection
                except pika.exceptions.ChannelClosedByBroker as error:
                    if error.reply_code != _ACCESS_REFUSED:
                        _close(connection)
                        raise
                _close(connection)
        return self._open(self._addresses[0])

    def _open(self, address: BrokerAddress) -> pika.BlockingConnection:
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                host=address.host,
                port=address.port,
                virtual_host=address.virtual_host,
                credentials=pika.PlainCredentials(address.user, address.password.get_secret_value()),
                ssl_options=_ssl_options(address),
                heartbeat=HEARTBEAT_S,
                blocked_connection_timeout=BLOCKED_TIMEOUT_S,
                socket_timeout=SOCKET_TIMEOUT_S,
                stack_timeout=STACK_TIMEOUT_S,
                tcp_options={"TCP_USER_TIMEOUT": TCP_USER_TIMEOUT_MS, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5},
                client_properties={"connection_name": f"{self._client_name} {self.name}"},
            )
        )
        # pika reads 4 KiB at a time, which takes twice the time where messages hold photographs.
        transport = connection._impl._transport
        if transport is not None:  # else the connection is lost already, as its first use will say
            transport._MAX_RECV_BYTES = RECEIVE_BYTES
        return connection

    def _set(self, phase: Phase, reason: str) -> None:
        old = self._state
        if (phase, reason) == (old.phase, old.reason):
            return
        self._state = LinkState(phase, reason, time.time(), old.connections + (phase is Phase.UP))
        if phase is Phase.DOWN:
            _log.warning("broker link down", link=self.name, reason=reason)
        else:
            _log.info(f"broker link {phase.value}", link=self.name)


def _ssl_options(address: BrokerAddress) -> pika.SSLOptions | None:
    if address.tls is None:
        return None
    context = ssl.create_default_context(cafile=str(address.tls.ca_file) if address.tls.ca_file else None)
    return pika.SSLOptions(context, address.tls.server_name or address.host)


def _close(connection: pika.BlockingConnection) -> None:
    if connection.is_open:
        with contextlib.suppress(*_CONNECTION_ERRORS):
            connection.close()


def _is_refusal(error: Exception) -> bool:
    closed = isinstance(
        error, (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker)
    )
    return isinstance(error, _REFUSALS) or (closed and error.reply_code == _ACCESS_REFUSED)  # type: ignore[attr-defined]


def _describe(error: BaseException) -> str:
    """One line that says what happened; pika leaves the text of a refused connection empty."""
    if isinstance(error, (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker)):
        return f"the broker closed: {error.reply_code} {error.reply_text}"
    if isinstance(error, pika.exceptions.AMQPHeartbeatTimeout):
        return "the broker sends no heartbeats"
    if isinstance(error, AMQPConnectorException) and not str(error):
        return "connecting timed out"
    if isinstance(error, pika.exceptions.AMQPConnectionError) and not str(error):
        return "the broker can't be reached"
    text = str(error) or repr(error)
    return f"{type(error).__name__}: {text}"[:300]

"""All lines to the broker that one login names: commands and FIQA commands in, results and FIQA results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import structlog

from sophon.contract import RabbitMq
from sophon.mq.consumer import Consumer
from sophon.mq.link import BrokerAddress, Link, LinkState, Session, Tls
from sophon.mq.publisher import Publisher
from sophon.mq.topology import ensure_binding, ensure_queue
from sophon.store import Kind, Store

SILENCE_S = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LineOptions:
    """What the box's own settings say about its lines; ``tls`` None means plain AMQP."""

    client_name: str
    prefetch: int = 200
    fiqa_prefetch: int = 4
    tls: Tls | None = None
    only_fiqa: bool = False


class BrokerLines:
    """Owns the links of one login.

    ``read`` makes of a message's bytes, and of whether it was redelivered, what ``take_in`` puts on disk and numbers;
    ``has_room`` says whether more may come, ``delivered`` which numbers are answered; ``on_trouble`` hears when other
    parameters may help.
    """

    def __init__(
        self,
        parameters: RabbitMq,
        options: LineOptions,
        store: Store,
        *,
        read: Callable[[bytes, bool], Any],
        take_in: Callable[[Sequence[Any], bool], Sequence[int]],
        has_room: Callable[[], bool],
        delivered: Callable[[Sequence[int]], set[int]],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._parameters = parameters
        self._options = options
        self._store = store
        self._read = read
        self._take_in = take_in
        self._has_room = has_room
        self._delivered = delivered
        self._on_trouble = on_trouble
        self._consumers: dict[str, Consumer] = {}
        self._makers: list[Callable[[], Link]] = []
        self._publishing: list[Kind] = []
        self._add_publishers()
        self._add_consumers()
        self._links = [make() for make in self._makers]

    @property
    def kinds_without_queue(self) -> list[Kind]:
        """Which results have to go by HTTP."""
        return [kind for kind in Kind if kind not in self._publishing]

    @property
    def are_consuming(self) -> bool:
        """Whether every queue of commands is being read."""
        return all(consumer.is_consuming for consumer in self._consumers.values())

    @property
    def states(self) -> dict[str, LinkState]:
        """How each link is."""
        return {link.name: link.state for link in self._links}

    def start(self) -> None:
        """Connect."""
        for link in self._links:
            link.start()

    def wake(self) -> None:
        """There may be new results."""
        for link in self._links:
            link.wake()

    def watch(self) -> None:
        """Replace a link whose thread has ended or does nothing any more."""
        for place, link in enumerate(self._links):
            if link.is_alive and link.silent_for < SILENCE_S:
                continue
            _log.error(
                "a broker link stands still and is replaced", link=link.name, silent_s=round(link.silent_for)
            )
            link.ask_to_stop()
            self._links[place] = self._makers[place]()
            self._links[place].start()

    def close(self) -> None:
        """Disconnect."""
        for link in self._links:
            link.ask_to_stop()
        for link in self._links:
            link.close()

    def __enter__(self) -> BrokerLines:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_consumers(self) -> None:
        parameters = self._parameters
        if not self._options.only_fiqa:
            self._add_consumer("commands", parameters.queue, [parameters.v_host], self._prepare_commands)
        if parameters.fiqa_down_queue:
            queue = parameters.fiqa_down_queue
            prepare = partial(ensure_queue, queue=queue)
            self._add_consumer("fiqa commands", queue, self._fiqa_hosts, prepare, shared=True)

    def _add_publishers(self) -> None:
        parameters = self._parameters
        if parameters.upload_queue:
            kinds = [Kind.RESULT] if parameters.fiqa_upload_queue else [Kind.RESULT, Kind.FIQA]
            self._add_publisher("results", parameters.upload_queue, [parameters.upload_v_host], kinds)
        if parameters.fiqa_upload_queue:
            self._add_publisher("fiqa results", parameters.fiqa_upload_queue, self._fiqa_hosts, [Kind.FIQA])

    @property
    def _fiqa_hosts(self) -> list[str]:
        """The contract does not say which virtual host the FIQA queues live in: the first that has them."""
        return list(dict.fromkeys([self._parameters.upload_v_host, self._parameters.v_host]))

    def _prepare_commands(self, session: Session) -> None:
        parameters = self._parameters
        ensure_queue(session, parameters.queue)
        if not parameters.un_need_bind_exchange and parameters.exchange is not None:
            ensure_binding(session, parameters.queue, parameters.exchange, parameters.routing_key)

    def _add_consumer(
        self,
        name: str,
        queue: str,
        hosts: list[str],
        prepare: Callable[[Session], None],
        *,
        shared: bool = False,
    ) -> None:
        # Answers by HTTP may wait for a day; the broker would not wait so long for an acknowledgement.
        hold = shared and Kind.FIQA in self._publishing

        def make() -> Link:
            # A link that replaces another shares nothing with it: the other's thread may go on one day.
            self._consumers[name] = consumer = Consumer(
                queue,
                prepare=prepare,
                read=self._read,
                take_in=self._take_in,
                has_room=self._has_room,
                prefetch=self._options.fiqa_prefetch if hold else self._options.prefetch,
                delivered=self._delivered if hold else None,
            )
            return self._link(name, queue, hosts, consumer.serve)

        self._makers.append(make)

    def _add_publisher(self, name: str, queue: str, hosts: list[str], kinds: list[Kind]) -> None:
        publisher = Publisher(
            queue, kinds, self._store, prepare=partial(ensure_queue, queue=queue), delivered=self.wake
        )
        self._publishing.extend(kinds)
        self._makers.append(partial(self._link, name, queue, hosts, publisher.serve))

    def _link(self, name: str, queue: str, hosts: list[str], serve: Callable[[Session], None]) -> Link:
        parameters = self._parameters
        addresses = [
            BrokerAddress(
                host=parameters.host,
                port=int(parameters.port),
                user=parameters.login,
                password=parameters.password,
                virtual_host=host,
                tls=self._options.tls,
            )
            for host in hosts
        ]
        return Link(
            name,
            addresses,
            serve,
            queue=queue,
            client_name=self._options.client_name,
            on_trouble=self._on_trouble,
        )

"""What must exist at the broker before it is used: looked for first, made only if it is missing, never changed."""

from __future__ import annotations

from sophon.contract import Exchange
from sophon.mq.link import BrokerError, Session


def ensure_queue(session: Session, queue: str) -> None:
    """The queue exists; a missing one is made, durable."""
    if session.queue(queue) is None:
        session.declare_queue(queue)


def ensure_binding(session: Session, queue: str, exchange: Exchange, routing_key: str) -> None:
    """The exchange exists and the queue is bound to it.

    Raises BrokerError if the exchange is missing and the platform says that the box must not make it.
    """
    if not session.has_exchange(exchange.name):
        if exchange.passive:
            raise BrokerError(f"exchange {exchange.name!r} does not exist, and the login says passive")
        session.declare_exchange(
            exchange.name,
            exchange.type,
            durable=exchange.durable,
            auto_delete=exchange.auto_delete,
            arguments=exchange.arguments,
        )
    session.bind(queue, exchange.name, routing_key)

"""The line to the message broker. Only ``link`` knows pika."""

from sophon.mq.lines import BrokerLines, LineOptions
from sophon.mq.link import (
    BrokerAddress,
    BrokerError,
    Link,
    LinkState,
    Phase,
    Session,
    Tls,
    UndeliverableError,
)

__all__ = [
    "BrokerAddress",
    "BrokerError",
    "BrokerLines",
    "LineOptions",
    "Link",
    "LinkState",
    "Phase",
    "Session",
    "Tls",
    "UndeliverableError",
]

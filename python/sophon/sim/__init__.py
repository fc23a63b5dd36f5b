"""A reference management platform: the other side of the contract, for the demo, the tests and integrators."""

from sophon.sim.broker import BrokerNode, find_broker
from sophon.sim.desk import PlatformDesk, QueueMessage
from sophon.sim.given_broker import lines_at
from sophon.sim.photo_folder import PhotographedPerson, people_in
from sophon.sim.reference_platform import ReceivedCall, ReferencePlatform

__all__ = [
    "BrokerNode",
    "PhotographedPerson",
    "PlatformDesk",
    "QueueMessage",
    "ReceivedCall",
    "ReferencePlatform",
    "find_broker",
    "lines_at",
    "people_in",
]

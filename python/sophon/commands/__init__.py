"""From a message to its result: one file per method, and the executor that takes them from the inbox."""

from sophon.commands.add_users_plus import Enroller, Platform
from sophon.commands.executor import Executor
from sophon.commands.forgetting import forget_names
from sophon.commands.intake import Incoming, Intake
from sophon.commands.lanes import Lanes
from sophon.commands.room import Room
from sophon.commands.trial import Trial

__all__ = ["Enroller", "Executor", "Incoming", "Intake", "Lanes", "Platform", "Room", "Trial", "forget_names"]

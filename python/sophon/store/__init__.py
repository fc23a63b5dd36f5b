"""What the box remembers, in one SQLite file. The only room with SQL."""

from sophon.store.backup_file import BackupError, BackupReader, BackupWriter, Manifest
from sophon.store.batches import OpenItem, Progress, SettledItem
from sophon.store.database import Snapshot, Store, StoreUnavailableError, Transaction
from sophon.store.devices import DeviceRow
from sophon.store.erasures import WIPED_AT
from sophon.store.event_receivers import RefusedEvent
from sophon.store.events import EventFilter, EventPictures, EventRow, EventsLimit
from sophon.store.groups import DEFAULT_GROUP, Group
from sophon.store.inbox import JOB_KEY, Backlog, InboxRow, Lane, State
from sophon.store.outbox import Kind, OutboxRow
from sophon.store.people import EnrolledFrom, FaceRow, GalleryRow, PersonRow
from sophon.store.permissions import PermissionGroup
from sophon.store.photo_keeping import PhotoKeeping, PhotoMode, UnreadablePhotoError
from sophon.store.restoring import Restored
from sophon.store.salvage import Salvage, open_or_salvage

__all__ = [
    "DEFAULT_GROUP",
    "JOB_KEY",
    "WIPED_AT",
    "Backlog",
    "BackupError",
    "BackupReader",
    "BackupWriter",
    "DeviceRow",
    "EnrolledFrom",
    "EventFilter",
    "EventPictures",
    "EventRow",
    "EventsLimit",
    "FaceRow",
    "GalleryRow",
    "Group",
    "InboxRow",
    "Kind",
    "Lane",
    "Manifest",
    "OpenItem",
    "OutboxRow",
    "PermissionGroup",
    "PersonRow",
    "PhotoKeeping",
    "PhotoMode",
    "Progress",
    "RefusedEvent",
    "Restored",
    "Salvage",
    "SettledItem",
    "Snapshot",
    "State",
    "Store",
    "StoreUnavailableError",
    "Transaction",
    "UnreadablePhotoError",
    "open_or_salvage",
]

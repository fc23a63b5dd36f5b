"""`sync_permissions`: permission groups get their names."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import (
    Permission,
    PermissionOutcome,
    RefusedPermission,
    SyncPermissions,
    SyncPermissionsResult,
)
from sophon.store import Transaction


def execute(command: SyncPermissions, transaction: Transaction, box: Box, seq: int) -> SyncPermissionsResult:
    """Name the groups; unknown ones are made, those not listed stay."""
    entries = command.entries()
    box.name_permissions(
        transaction, seq, {entry.id: entry.info.name for entry in entries if isinstance(entry, Permission)}
    )
    return SyncPermissionsResult.of([_outcome(entry) for entry in entries])


def _outcome(entry: Permission | RefusedPermission) -> PermissionOutcome:
    if isinstance(entry, RefusedPermission):
        return PermissionOutcome.refused(entry)
    return PermissionOutcome.synced(entry)

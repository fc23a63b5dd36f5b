"""`control_config`: the matching's settings change."""

from __future__ import annotations

from sophon.box import Box
from sophon.contract import ControlConfig, ControlConfigResult
from sophon.store import Transaction


def execute(command: ControlConfig, transaction: Transaction, box: Box, seq: int) -> ControlConfigResult:
    """Take over what is usable; the rest is given back as failed."""
    settings, unusable = command.settings()
    box.configure(
        transaction,
        threshold=settings.threshold,
        threshold_range=settings.threshold_range,
        support_stranger_group=settings.support_stranger_group,
    )
    return ControlConfigResult(success_field=settings.to_wire(), failed_field=unusable)

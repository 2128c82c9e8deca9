"""The modes by which TensorFlow's distribution strategies keep copies of a variable: kept here, without effect.

Source: tf.VariableSynchronization, tf.VariableAggregation of TensorFlow 1.15.
"""

from __future__ import annotations

import enum

__all__ = ["VariableAggregation", "VariableSynchronization", "checked_modes"]


class VariableSynchronization(enum.Enum):
    """When the copies of a variable are made equal."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How the updates of several copies become one."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = ONLY_FIRST_REPLICA  # the older name


def checked_modes(
    synchronization: VariableSynchronization | None,
    aggregation: VariableAggregation | None,
    trainable: bool | None,
    name: str | None,
) -> tuple[VariableSynchronization, VariableAggregation, bool]:
    """The modes and whether a variable is trainable, None replaced by the default.  ValueError for other modes."""
    synchronization = VariableSynchronization.AUTO if synchronization is None else synchronization
    aggregation = VariableAggregation.NONE if aggregation is None else aggregation
    if not isinstance(aggregation, VariableAggregation):
        raise ValueError(f"Invalid variable aggregation mode: {aggregation} for variable: {name}")
    if not isinstance(synchronization, VariableSynchronization):
        raise ValueError(f"Invalid variable synchronization mode: {synchronization} for variable: {name}")
    on_read = synchronization is VariableSynchronization.ON_READ
    return synchronization, aggregation, not on_read if trainable is None else bool(trainable)

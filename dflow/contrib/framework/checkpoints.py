"""Variables from checkpoints: `df.contrib.framework`.  Source: tf.contrib.framework of TensorFlow 1.15."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from dflow.ops.array.constants import placeholder
from dflow.ops.control import group
from dflow.train.checkpoint_utils import (
    NewCheckpointReader,
    init_from_checkpoint,
    list_variables,
    load_checkpoint,
    load_variable,
)
from dflow.train.saver import Saver

__all__ = [
    "assign_from_checkpoint",
    "assign_from_checkpoint_fn",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]

logger = logging.getLogger("dflow.train")


def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """An operation that assigns the values of a checkpoint to variables, and what to feed to it.

    var_list: variables, or a dict from names in the checkpoint to variables or lists of them.
    ignore_missing_vars: leave out those that the checkpoint does not have; otherwise these are a ValueError.
    """
    if isinstance(var_list, (list, tuple)):
        named: dict[str, list[Any]] = {}
        for variable in var_list:
            info = getattr(variable, "_save_slice_info", None)
            named.setdefault(variable.op.name if info is None else info.full_name, []).append(variable)
    else:
        named = {name: list(it) if isinstance(it, (list, tuple)) else [it] for name, it in var_list.items()}
    reader, feeds, assigned = NewCheckpointReader(model_path), {}, []
    for name, variables in named.items():
        if not reader.has_tensor(name):
            if not ignore_missing_vars:
                raise ValueError(f"Checkpoint is missing variable [{name}]")
            logger.warning("Checkpoint is missing variable [%s]", name)
            continue
        value = reader.get_tensor(name)
        for variable in variables:
            fed = placeholder(variable.dtype, variable.shape)
            assigned.append(variable.assign(fed))
            feeds[fed] = _part_for(variable, name, value)
    return group(*assigned), feeds


def _part_for(variable: Any, name: str, value: Any) -> Any:
    info = getattr(variable, "_save_slice_info", None)
    if info is not None:
        ranges = zip(info.var_offset, info.var_shape, strict=True)
        return value[tuple(slice(start, start + size) for start, size in ranges)]
    if not variable.shape.is_compatible_with(value.shape):
        raise ValueError(
            f"Total size of new array must be unchanged for {name} lh_shape: [{value.shape}], "
            f"rh_shape: [{variable.shape}]"
        )
    return value


def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False, reshape_variables: bool = False
) -> Callable[[Any], None] | None:
    """A function of a session that restores variables from a checkpoint; None if there is none to restore.

    reshape_variables: as `reshape` of `Saver`; the other arguments are those of `assign_from_checkpoint`.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty")
    if ignore_missing_vars:
        reader = NewCheckpointReader(model_path)
        named = var_list if isinstance(var_list, dict) else {variable.op.name: variable for variable in var_list}
        for name in named:
            if not reader.has_tensor(name):
                logger.warning("Variable %s missing in checkpoint %s", name, model_path)
        var_list = {name: variable for name, variable in named.items() if reader.has_tensor(name)}
    if not var_list:
        logger.warning("No Variables to restore")
        return None
    saver = Saver(var_list, reshape=reshape_variables)
    return lambda session: saver.restore(session, model_path)

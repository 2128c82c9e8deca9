"""Look into checkpoints, wait for them, and begin variables with values of one.

Source: checkpoint_utils of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dflow.checkpoints import files, ops
from dflow.checkpoints.reader import CheckpointReader
from dflow.graph import get_default_graph
from dflow.ops.array.constants import constant
from dflow.ops.state.variable_store import variable_store
from dflow.ops.state.variables import Variable
from dflow.train.checkpoint_state import latest_checkpoint
from dflow.train.saveables import VariableSaveable

__all__ = [
    "NewCheckpointReader",
    "checkpoints_iterator",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]

logger = logging.getLogger("dflow.train")


def NewCheckpointReader(filepattern: str) -> CheckpointReader:
    """The tensors of the checkpoint of this prefix; NotFoundError if there is none, DataLossError for a damaged one."""
    return CheckpointReader(filepattern)


def load_checkpoint(ckpt_dir_or_file: str) -> CheckpointReader:
    """The tensors of a checkpoint, by its prefix, or of the newest one of a folder; ValueError for a folder without."""
    return CheckpointReader(_prefix_of(ckpt_dir_or_file))


def load_variable(ckpt_dir_or_file: str, name: str) -> np.ndarray[Any, Any]:
    """The value of a tensor of a checkpoint."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def list_variables(ckpt_dir_or_file: str) -> list[tuple[str, list[int]]]:
    """The names and the shapes of the tensors of a checkpoint, sorted."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def _prefix_of(ckpt_dir_or_file: str) -> str:
    if not files.is_directory(ckpt_dir_or_file):
        return ckpt_dir_or_file
    prefix = latest_checkpoint(ckpt_dir_or_file)
    if prefix is None:
        raise ValueError(f"Couldn't find 'checkpoint' file or checkpoints in given directory {ckpt_dir_or_file}")
    return prefix


# -- new checkpoints


def wait_for_new_checkpoint(
    checkpoint_dir: str, last_checkpoint: str | None = None, seconds_to_sleep: float = 1, timeout: float | None = None
) -> str | None:
    """Wait until a folder has another newest checkpoint; gives its prefix, or None after `timeout` seconds."""
    stop = None if timeout is None else time.time() + timeout
    while True:
        found = latest_checkpoint(checkpoint_dir)
        if found is not None and found != last_checkpoint:
            return found
        if stop is not None and time.time() + seconds_to_sleep > stop:
            return None
        time.sleep(seconds_to_sleep)


def checkpoints_iterator(
    checkpoint_dir: str,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """The prefixes of the newest checkpoints of a folder, as they appear; blocks in between.

    min_interval_secs: seconds between two of them, at least.
    timeout: seconds to wait for one; it ends then, unless timeout_fn is there and gives False.
    """
    last = None
    while True:
        found = wait_for_new_checkpoint(checkpoint_dir, last, timeout=timeout)
        if found is None:
            if not timeout_fn or timeout_fn():
                return
            continue
        began = time.time()
        last = found
        yield found
        rest = began + min_interval_secs - time.time()
        if rest > 0:
            time.sleep(rest)


# -- initial values


def init_from_checkpoint(ckpt_dir_or_file: str, assignment_map: Mapping[str, Any]) -> None:
    """Let the initializers of variables take values of a checkpoint.

    assignment_map: names in the checkpoint -> a variable, the list of its parts, or the name of a variable of
    `get_variable`; or a scope in the checkpoint, `scope/`, -> a scope of the program, both with a slash at the end.
    ValueError for tensors that the checkpoint does not have, and those of another shape.
    Source: tf.train.init_from_checkpoint.
    """
    prefix = _prefix_of(ckpt_dir_or_file)
    shapes = CheckpointReader(prefix).get_variable_to_shape_map()
    store = variable_store(get_default_graph())._vars
    for name, target in sorted(assignment_map.items()):
        variables = _variables(target, store)
        if variables:
            _check(name, variables, shapes, ckpt_dir_or_file)
            _begin_with(variables, prefix, name)
            continue
        scope = target.rpartition("/")[0]
        if not name.endswith("/"):
            raise ValueError(
                f"Assignment map with scope only name {scope} should map to scope only {name}. "
                "Should be 'scope/': 'other_scope/'."
            )
        for inner in sorted(_names_under(scope, store)):
            full = _name_in_checkpoint(inner, scope, target, name)
            if full not in shapes:
                raise ValueError(
                    f"Tensor {full} ({inner[len(scope) + 1 :]} in {name}) is not found in {ckpt_dir_or_file} checkpoint"
                )
            _begin_with(_variables(inner, store), prefix, full)


def _variables(target: Any, store: Mapping[str, Variable]) -> list[Variable]:
    """The variable that a target is or names, or its parts; none for a scope."""
    if isinstance(target, Variable):
        return [target]
    if not isinstance(target, str):
        return list(target)
    found = store.get(target)
    if found is not None:
        return [found]
    parts: list[Variable] = []
    while (part := store.get(f"{target}/part_{len(parts)}")) is not None:
        parts.append(part)
    return parts


def _check(name: str, variables: list[Variable], shapes: Mapping[str, list[int]], where: str) -> None:
    if name not in shapes:
        raise ValueError(f"Tensor {name} is not found in {where} checkpoint {dict(shapes)}")
    if len(variables) == 1 and not getattr(variables[0], "_save_slice_info", None):
        (variable,) = variables
        if not variable.shape.is_compatible_with(shapes[name]):
            raise ValueError(
                f"Shape of variable {variable.name} ({variable.shape}) doesn't match with shape of tensor {name} "
                f"({shapes[name]}) from checkpoint reader."
            )


def _names_under(scope: str, store: Mapping[str, Variable]) -> set[str]:
    return {name.partition("/part_")[0] for name in store if not scope or name.startswith(f"{scope}/")}


def _name_in_checkpoint(name: str, scope: str, target: str, source: str) -> str:
    """The name in the scope `source` of the checkpoint for a name in the scope `target` of the program."""
    inner = name[len(scope) :] if target == "/" else name[len(scope) :].removeprefix("/")
    return (inner if source == "/" else source + inner).removesuffix("/")


def _begin_with(variables: list[Variable], prefix: str, name: str) -> None:
    for variable in variables:
        info = getattr(variable, "_save_slice_info", None)
        part = "" if info is None else info.spec
        graph = variable.graph
        with graph.as_default(), graph.device(variable.device), graph.device("/cpu:0"):
            path = constant(prefix, name="checkpoint_initializer/prefix")
            (value,) = ops.restore(path, [name], [part], [variable.dtype], name="checkpoint_initializer")
            variable.initializer = VariableSaveable(variable, part, name).restore([value], None)
            value.set_shape(variable.shape)
            variable.initial_value = value
        logger.debug("Initialize variable %s from checkpoint %s with %s", variable.name, prefix, name)

"""The global step: the variable that counts the applied updates.

Source: tf.train.get_global_step, create_global_step, get_or_create_global_step, global_step of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int64
from dflow.graph import Graph, GraphKeys, Tensor, get_default_graph
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.variables import Variable


def get_global_step(graph: Graph | None = None) -> Variable | None:
    """The global step of a graph: the item of the collection GLOBAL_STEP, or a variable named "global_step".

    None if there is none.  TypeError if it is no integer scalar; ValueError if the collection holds several.
    """
    graph = graph or get_default_graph()
    candidates = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(candidates) > 1:
        raise ValueError(f"Multiple tensors in global_step collection: {[item.name for item in candidates]}")
    if not candidates:
        variables = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
        candidates = [variable for variable in variables if variable.name == "global_step:0"]
    if not candidates:
        return None
    step: Variable = candidates[0]
    assert_global_step(step)
    return step


def assert_global_step(global_step_tensor: Any) -> None:
    """TypeError unless it is an integer scalar variable (or tensor)."""
    if not global_step_tensor.dtype.is_integer:
        raise TypeError(f'Existing "global_step" does not have integer type: {global_step_tensor.dtype.name}')
    if not global_step_tensor.shape.is_compatible_with(()):
        raise TypeError(f'Existing "global_step" is not scalar: {global_step_tensor.shape}')


def create_global_step(graph: Graph | None = None) -> Variable:
    """A new global step: an int64 scalar variable "global_step", 0 at first, not trainable.

    ValueError if the graph has one already.
    """
    graph = graph or get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    with graph.as_default(), graph.name_scope(None):
        step: Variable = get_variable(
            "global_step",
            shape=[],
            dtype=int64,
            initializer=zeros_initializer(),
            trainable=False,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )
        return step


def get_or_create_global_step(graph: Graph | None = None) -> Variable:
    """The global step of a graph; a new one if it has none."""
    graph = graph or get_default_graph()
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in a session.  Blocks as `sess.run` does."""
    return int(np.asarray(sess.run(global_step_tensor)).item())


_READ_CACHE = "global_step_read_op_cache"  # the collection with the tensor that hooks read


def get_global_step_read(graph: Graph | None = None) -> Tensor | None:
    """The tensor that hooks read the global step by; None if there is none yet.  RuntimeError for several."""
    graph = graph or get_default_graph()
    found = graph.get_collection(_READ_CACHE)
    if len(found) > 1:
        raise RuntimeError(f"There are multiple items in collection {_READ_CACHE}. There should be only one.")
    return found[0] if found else None


def get_or_create_global_step_read(graph: Graph | None = None) -> Tensor | None:
    """The tensor that hooks read the global step by, made once for a graph; None if it has no global step.

    Before the initialization it has the initial value, so that a hook can be run then.
    """
    graph = graph or get_default_graph()
    read = get_global_step_read(graph)
    if read is not None:
        return read
    step = get_global_step(graph)
    if step is None:
        return None
    with graph.as_default(), graph.name_scope(None), graph.name_scope(f"{step.op.name}/"):
        value: Any = step.initialized_value() if isinstance(step, Variable) else step
        made: Tensor = value + 0  # its value at one time, also if the run updates the variable
        graph.add_to_collection(_READ_CACHE, made)
    return made


def increment_global_step(increment: int, graph: Graph | None = None) -> Any:
    """An operation that adds to the global step, after it has been read.  ValueError if there is none."""
    graph = graph or get_default_graph()
    step = get_global_step(graph)
    if step is None:
        raise ValueError("Global step tensor should be created by tf.train.get_or_create_global_step before calling "
                         "increment.")  # fmt: skip
    read = get_or_create_global_step_read(graph)
    scope = f"{step.op.name}/"
    with graph.as_default(), graph.name_scope(None), graph.name_scope(scope), graph.control_dependencies([read]):
        return step.assign_add(increment)

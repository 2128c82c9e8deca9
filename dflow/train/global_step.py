"""The global step: the variable that counts the applied updates.

Source: tf.train.get_global_step, create_global_step, get_or_create_global_step, global_step of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int64
from dflow.graph import Graph, GraphKeys, get_default_graph
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
    return int(sess.run(global_step_tensor))

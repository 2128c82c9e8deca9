"""The operation that a saved model runs when it is loaded.  Source: tf.saved_model.main_op of TensorFlow 1.15."""

from __future__ import annotations

from dflow.graph import Operation
from dflow.graph import get_default_graph as _graph
from dflow.ops.control import group
from dflow.ops.state.variable_lists import global_variables_initializer, local_variables_initializer

__all__ = ["main_op", "main_op_with_restore"]


def main_op() -> Operation:
    """An operation that initializes all variables."""
    return group(global_variables_initializer(), local_variables_initializer())


def main_op_with_restore(restore_op_name: str) -> Operation:
    """An operation that initializes all variables, and then restores them."""
    initialized = main_op()
    with _graph().control_dependencies([initialized]):
        return group(_graph().get_operation_by_name(restore_op_name))

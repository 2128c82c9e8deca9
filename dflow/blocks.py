"""The `with` blocks and the collections of the default graph.

Source: tf.device, tf.name_scope, tf.control_dependencies, tf.container, tf.colocate_with of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from dflow.graph import get_default_graph, scopes
from dflow.ops.rules.static import graph_of


def device(device_name_or_function: Any) -> AbstractContextManager[None]:
    """Operations built inside run on this device.

    A name may be partial ("/job:ps", "/gpu:1"); an inner block overrides the parts that it sets.  A function gets each
    operation and gives its device.  None: forget the outer blocks.  RuntimeError for blocks left in a wrong order.
    """
    return get_default_graph().device(device_name_or_function)


def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> AbstractContextManager[str]:
    """Operations built inside are called `name/...`; the second block of one name is `name_1/...`.

    default_name: the name if `name` is None; values: the tensors that the block works on, whose graph is made the
    default.  TypeError for names that are no strings; ValueError for values without a name.
    """
    for argument, given in (("name", name), ("default_name", default_name)):
        if given is not None and not isinstance(given, str):
            raise TypeError(
                f"`{argument}` type ({type(given)}) is not a string type. You likely meant to pass this into the "
                "`values` kwarg."
            )
    if values is None:
        return get_default_graph().name_scope(name if name is not None else default_name)
    if name is None and default_name is None:
        raise ValueError(f"At least one of name ({name}) and default_name ({default_name}) must be provided.")
    return _scope_beside(list(values), name if name is not None else default_name)


@contextmanager
def _scope_beside(values: list[Any], name: str | None) -> Iterator[str]:
    """A name scope in the graph of the first tensor among the values."""
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name) as scope:
        yield scope


def control_dependencies(control_inputs: Iterable[Any] | None) -> AbstractContextManager[None]:
    """Operations built inside run after `control_inputs` (operations, tensors, variables).

    None: forget the outer blocks.  Only operations built inside wait: a tensor made before does not; use `identity`.
    """
    return get_default_graph().control_dependencies(control_inputs)


def add_to_collection(name: Any, value: Any) -> None:
    """Add a value to a collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Add a value to several collections of the default graph, to each once; a single string is one name."""
    get_default_graph().add_to_collections(names, value)


def get_collection_ref(key: Any) -> list[Any]:
    """The list of a collection of the default graph itself: what is added to it is in the collection."""
    return get_default_graph().get_collection_ref(key)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """The items of a collection of the default graph; with `scope`, those whose name starts with it."""
    return get_default_graph().get_collection(key, scope)


def container(container_name: str) -> AbstractContextManager[str]:
    """State built inside, variables, queues and readers, lives in this container of its device."""
    return get_default_graph().container(container_name)


def colocate_with(op: Any, ignore_existing: bool = False) -> AbstractContextManager[None]:
    """Operations built inside run on the device of `op`, regardless of the device blocks."""
    return get_default_graph().colocate_with(op, ignore_existing)


@contextmanager
def init_scope() -> Iterator[None]:
    """Operations built inside wait for nothing, and are in no branch and no loop, whatever the outer blocks are.

    For the initial values of variables.  The name scope stays.
    """
    with control_dependencies(None):
        yield


@contextmanager
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> Iterator[str]:
    """`name_scope` under its older name, with the values first; it logs a warning."""
    logging.getLogger("tensorflow").warning(
        "tf.op_scope(values, name, default_name) is deprecated, use tf.name_scope(name, default_name, values)"
    )
    with name_scope(name, default_name, values) as scope:
        yield scope

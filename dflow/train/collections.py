"""Collections of a graph as messages: CollectionDef.

The items of some collections, variables for example, become messages of their own; others are names of operations and
tensors, text, numbers or messages of any kind.
Source: ops.register_proto_function and meta_graph.add_collection_def of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from dflow.graph import Graph, GraphKeys, get_default_graph
from dflow.graph_proto import CollectionDef
from dflow.ops.state.variable_proto import VariableDef
from dflow.ops.state.variables import Variable

logger = logging.getLogger("dflow.train")

UNBOUND = "unbound_inputs"  # the collection with the names of the inputs of a scope that are outside of it

_REGISTERED: dict[Any, tuple[Any, Any, Any]] = {}  # collection -> message, to_proto, from_proto


def register_proto_function(
    collection_name: Any,
    proto_type: Any = None,
    to_proto: Callable[..., Any] | None = None,
    from_proto: Callable[..., Any] | None = None,
) -> None:
    """Say how the items of a collection become messages of a type, and come back from them.

    to_proto(item, export_scope=...) gives a message or None; from_proto(message, import_scope=...) an item.
    TypeError for what cannot be called.
    """
    for name, function in (("to_proto", to_proto), ("from_proto", from_proto)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable.")
    _REGISTERED[collection_name] = (proto_type, to_proto, from_proto)


# -- to messages


def is_in_scope(item: Any, scope: str | None, left_out: Iterable[str]) -> bool:
    """Whether an operation, a tensor, or a name is in a scope, and in none of those that are left out."""
    name = item if isinstance(item, str) else getattr(item, "name", None)
    if not isinstance(name, str):
        return True
    if any(name.startswith(f"{other}/") for other in left_out):
        return False
    return not scope or name.startswith((f"{scope}/", "$unbound_inputs_", "^$unbound_inputs_"))


def add_collection_def(
    meta_graph_def: Any,
    key: Any,
    graph: Graph | None = None,
    export_scope: str | None = None,
    left_out: Iterable[str] = (),
    items: Sequence[Any] | None = None,
) -> None:
    """Add a collection of a graph to a MetaGraphDef; for items that cannot be written, warn and do nothing.

    left_out: scopes whose items are left out.  items: None: those of the graph.
    """
    if not isinstance(key, (str, bytes)):
        logger.warning("Only collections with string type keys will be serialized. This key has %s", type(key))
        return
    if items is None:
        items = (graph or get_default_graph()).get_collection(key)
    items = [item for item in items if is_in_scope(item, export_scope, left_out)]
    if not items:
        return
    try:
        made = _collection(key, items, export_scope)
    except Exception as error:  # of functions that others have registered, too
        logger.warning("Issue encountered when serializing %s. Type is unsupported: %s", key, error)
        return
    meta_graph_def.collection_def[key].CopyFrom(made)


def _collection(key: Any, items: Sequence[Any], scope: str | None) -> Any:
    made = CollectionDef()
    _, to_proto, _ = _REGISTERED.get(key, (None, None, None))
    if to_proto is not None:
        messages = [to_proto(item, export_scope=scope) for item in items]
        made.bytes_list.value.extend(it.SerializeToString() for it in messages if it is not None)
        return made
    kind = _kind(items[0])
    values = getattr(made, kind).value
    if kind == "node_list":
        prefix = f"{scope}/" if scope else ""
        values.extend(item.name.removeprefix(prefix) for item in items)
    elif kind == "bytes_list":
        values.extend(item.encode() if isinstance(item, str) else item for item in items)
    elif kind == "any_list":
        for item in items:
            values.add().MergeFromString(item.SerializeToString())
    else:
        values.extend(items)
    return made


def as_any(message: Any) -> Any:
    """A message as one of any kind, which a collection can hold."""
    name = message.DESCRIPTOR.name
    return AnyMessage(type_url=f"type.googleapis.com/tensorflow.{name}", value=message.SerializeToString())


def _kind(item: Any) -> str:
    """The list of a CollectionDef that holds such items."""
    if isinstance(item, (str, bytes)):
        return "bytes_list"
    if isinstance(item, int):
        return "int64_list"
    if isinstance(item, float):
        return "float_list"
    is_any = isinstance(item, Message) and item.DESCRIPTOR.full_name == AnyMessage.DESCRIPTOR.full_name
    return "any_list" if is_any else "node_list"


# -- from messages


def add_items(graph: Graph, key: str, collection: Any, scope: str) -> None:
    """Add the items of a CollectionDef to the collection of a graph; scope: that of the operations that they name."""
    kind = collection.WhichOneof("kind")
    if kind is None:
        logger.error("Cannot identify data type for collection %s. Skipping.", key)
        return
    values = getattr(collection, kind).value
    proto_type, _, from_proto = _REGISTERED.get(key, (None, None, None))
    if from_proto is not None and kind == "bytes_list":
        for value in values:
            graph.add_to_collection(key, _item(graph, value, proto_type, from_proto, scope))
    elif kind == "node_list":
        for name in values:
            graph.add_to_collection(key, graph.as_graph_element(f"{scope}/{name}" if scope else name))
    elif kind == "any_list":
        for value in values:
            graph.add_to_collection(key, AnyMessage.FromString(value.SerializeToString()))
    else:
        for value in values:
            graph.add_to_collection(key, value)


_VARIABLES = (  # collections of variables, of which several may have the same one
    GraphKeys.GLOBAL_VARIABLES,
    GraphKeys.LOCAL_VARIABLES,
    GraphKeys.TRAINABLE_VARIABLES,
    GraphKeys.GLOBAL_STEP,
    "metric_variables",
    "model_variables",
    "moving_average_variables",
    "concatenated_variables",
    "trainable_resource_variables",
)


def _item(graph: Graph, value: bytes, proto_type: Any, from_proto: Callable[..., Any], scope: str) -> Any:
    """The item that a message describes; a variable that is in the graph already is this one."""
    made = from_proto(proto_type.FromString(value), import_scope=scope or None)
    for key in _VARIABLES:
        for there in graph.get_collection(key):
            if type(there) is type(made) and getattr(there, "op", there) is getattr(made, "op", made):
                return there
    return made


for _key in _VARIABLES:
    register_proto_function(_key, VariableDef, Variable.to_proto, Variable.from_proto)

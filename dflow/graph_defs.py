"""A graph as TensorFlow's message GraphDef.

Some kinds of operations have attributes that TensorFlow's nodes do not have.  A graph that dflow writes has them as
text, in an attribute that begins with an underscore, which TensorFlow ignores.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from dflow import attr_text
from dflow.graph_proto import GraphDef
from dflow.node_attrs import OWN, RULES, STATE
from dflow.node_proto import shape_proto
from dflow.node_rules import FromAttr, FromSeeds, Node
from dflow.nodes import node_def
from dflow.registry import OpDef

_HANDLES = ("VariableSpec", "QueueSpec", "ReaderSpec", "TableSpec")


def graph_def(ops: Iterable[Any], versions: Any, add_shapes: bool = False) -> Any:
    """The GraphDef of operations.  add_shapes: with the static shapes of all outputs, as `_output_shapes`."""
    graph = GraphDef(node=[_node(op, add_shapes) for op in ops])
    graph.versions.CopyFrom(versions)
    return graph


def _node(op: Any, add_shapes: bool) -> Any:
    node = node_def(op)
    if op.definition.kind == "VariableV2" and op.attrs["variable"].local:
        node.attr["_local"].b = True
    text = _own_attrs(op)
    if text:
        node.attr[OWN].s = text.encode()
    if add_shapes and op.outputs:
        shapes = node.attr["_output_shapes"].list.shape
        shapes.extend(shape_proto(output.shape) for output in op.outputs)
    return node


def _own_attrs(op: Node) -> str:
    """The attributes that the node does not have, as text; "" for none, and if one of them has no such form."""
    kind = op.definition.kind
    if kind in STATE or kind == "Const":
        return ""
    there = {rule.name for rule in RULES.get(kind, {}).values() if isinstance(rule, FromAttr)}
    if any(isinstance(rule, FromSeeds) for rule in RULES.get(kind, {}).values()):
        there.add("seeds")
    there |= {*handle_names(op.definition), "queue_device"}
    left = {name: value for name, value in op.attrs.items() if name not in there or _is_rounded(value)}
    try:
        return attr_text.to_text(left) if left else ""
    except TypeError:
        return ""


def _is_rounded(value: Any) -> bool:
    """A number of which a node has fewer digits: its floating numbers are float32."""
    return isinstance(value, float) and float(np.float32(value)) != value


@lru_cache(maxsize=1024)
def handle_names(definition: OpDef) -> tuple[str, ...]:
    """The attributes of a kind that name the state it works on; in a node, its first inputs are their handles."""
    if definition.handles:
        return definition.handles
    parameters = [*inspect.signature(definition.spec).parameters.values()]
    parameters += inspect.signature(definition.kernel).parameters.values()
    return tuple(dict.fromkeys(it.name for it in parameters if str(it.annotation) in _HANDLES))

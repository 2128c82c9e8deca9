"""Functions on GraphDefs: parts of a graph, a graph with its variables as constants.

Source: tf.graph_util of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from dflow.dtypes import as_dtype, int32, string
from dflow.graph import Operation
from dflow.graph_import import import_graph_def
from dflow.graph_proto import GraphDef, NodeDef
from dflow.node_proto import AttrValue
from dflow.tensor_proto import DATA_TYPES, make_tensor_proto

__all__ = [
    "convert_variables_to_constants",
    "extract_sub_graph",
    "import_graph_def",
    "must_run_on_cpu",
    "remove_training_nodes",
    "tensor_shape_from_node_def_name",
]

logger = logging.getLogger("dflow")

_VARIABLES = ("Variable", "VariableV2")
_HANDLES = ("VarHandleOp",)


def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Whether an operation, or its NodeDef, runs on CPUs only: it needs text, or is a variable that is kept there."""
    if not isinstance(node, (NodeDef, Operation)) and not hasattr(node, "attr"):
        raise AssertionError(f"an operation or a NodeDef is needed, got {node!r}")
    message = node.node_def if isinstance(node, Operation) else node
    if pin_variables_on_cpu and message.op in _VARIABLES:
        return True
    text = DATA_TYPES[string]
    if message.op == "Const":
        return bool(message.attr["dtype"].type == text)
    if message.op in ("DynamicStitch", "ParallelDynamicStitch"):
        return bool(message.attr["T"].type == DATA_TYPES[int32])
    if message.op == "Cast":
        return any(message.attr[key].type == text for key in ("SrcT", "DstT"))
    return False


def tensor_shape_from_node_def_name(graph: Any, input_name: str) -> Any:
    """The static shape of a tensor, by the name that it has as an input of a node."""
    name = input_name if ":" in input_name else f"{input_name}:0"
    return graph.get_tensor_by_name(name).shape


def extract_sub_graph(graph_def: Any, dest_nodes: Iterable[str]) -> Any:
    """The part of a graph that some nodes need, themselves included.

    TypeError for what is no GraphDef, and for a single name; AssertionError for a name that is not in the graph.
    """
    if not hasattr(graph_def, "node"):
        raise TypeError("graph_def must be a graph_pb2.GraphDef proto.")
    if isinstance(dest_nodes, str):
        raise TypeError("dest_nodes must be an iterable of strings.")
    nodes = {node.name: node for node in graph_def.node}
    needed, waiting = set[str](), list(dest_nodes)
    for name in waiting:
        if name not in nodes:
            raise AssertionError(f"{name} is not in graph")
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(_node_of(text) for text in nodes[name].input)
    found = type(graph_def)()
    found.node.extend(node for node in graph_def.node if node.name in needed)
    found.library.CopyFrom(graph_def.library)
    found.versions.CopyFrom(graph_def.versions)
    return found


def _node_of(text: str) -> str:
    return text.removeprefix("^").partition(":")[0]


# -- constants in the place of variables


def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Sequence[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> Any:
    """A graph with constants in the place of the variables, with their values in a session.

    output_node_names: the nodes that the result has to compute; it has only what these need.
    variable_names_whitelist, variable_names_blacklist: the variables to convert, and those not to; by default all.
    Source: tf.graph_util.convert_variables_to_constants.
    """
    graph_def = extract_sub_graph(input_graph_def, output_node_names)
    values = _values_of_variables(sess, graph_def, variable_names_whitelist, variable_names_blacklist)
    result = GraphDef()
    for node in graph_def.node:
        made = result.node.add()
        if node.name in values:
            _fill_constant(made, node, values[node.name])
        elif node.op in ("ReadVariableOp", "ReadVariable") and _node_of(node.input[0]) in values:
            _fill_identity(made, node, values[_node_of(node.input[0])].dtype)
        else:
            made.CopyFrom(node)
    result.library.CopyFrom(graph_def.library)
    result.versions.CopyFrom(graph_def.versions)
    logger.info("Converted %d variables to const ops.", len(values))
    return result


def _values_of_variables(sess: Any, graph_def: Any, only: Any, without: Any) -> dict[str, Any]:
    kept, left_out = None if only is None else set(only), set(without or ())
    names = [
        node.name
        for node in graph_def.node
        if node.op in (*_VARIABLES, *_HANDLES) and (kept is None or node.name in kept) and node.name not in left_out
    ]
    fetched = sess.run([f"{name}:0" for name in names]) if names else []
    return dict(zip(names, fetched, strict=True))


def _fill_constant(made: Any, node: Any, value: Any) -> None:
    made.op, made.name = "Const", node.name
    made.attr["dtype"].CopyFrom(node.attr["dtype"])
    made.attr["value"].CopyFrom(AttrValue(tensor=make_tensor_proto(value)))


def _fill_identity(made: Any, node: Any, dtype: Any) -> None:
    made.op, made.name = "Identity", node.name
    made.input.append(node.input[0])
    made.attr["T"].type = DATA_TYPES[as_dtype(dtype)]
    if "_class" in node.attr:
        made.attr["_class"].CopyFrom(node.attr["_class"])


# -- what only training needs


def remove_training_nodes(input_graph: Any, protected_nodes: Sequence[str] | None = None) -> Any:
    """A graph without the nodes that only training needs: CheckNumerics, and Identity where it changes nothing.

    protected_nodes: the names of nodes to keep.  An Identity that others wait for, or that waits itself, stays.
    """
    protected = set(protected_nodes or ())
    checked = _without(input_graph, {node.name for node in input_graph.node if node.op == "CheckNumerics"} - protected)
    groups = {
        text.decode().removeprefix("loc:@")
        for node in checked.node
        if "_class" in node.attr
        for text in node.attr["_class"].list.s
    }
    waited_for = {text[1:] for node in checked.node for text in node.input if text.startswith("^")}
    idle = {
        node.name
        for node in checked.node
        if node.op == "Identity" and not any(text.startswith("^") for text in node.input)
    }
    return _without(checked, idle - groups - waited_for - protected)


def _without(graph_def: Any, removed: set[str]) -> Any:
    """The graph without some nodes: what took one of them takes its input, and nobody waits for it any more."""
    source = {node.name: node.input[0] for node in graph_def.node if node.name in removed and node.input}
    result = GraphDef()
    for node in graph_def.node:
        if node.name in removed:
            continue
        made = result.node.add()
        made.CopyFrom(node)
        del made.input[:]
        for text in node.input:
            if text.startswith("^") and text[1:] in removed:
                continue
            while _node_of(text) in source and not text.startswith("^"):
                text = source[_node_of(text)]
            made.input.append(text)
    result.library.CopyFrom(graph_def.library)
    result.versions.CopyFrom(graph_def.versions)
    return result

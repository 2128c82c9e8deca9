"""Graphs as the bytes of GraphDef and MetaGraphDef, for event files."""

from __future__ import annotations

from typing import Any

from dflow.graph import Graph
from dflow.node_proto import shape_proto
from dflow.protos import messages
from dflow.version import VERSION

_Nodes, _MetaInfo, _MetaGraph = messages(
    "event_graph.proto",
    {  # the fields of GraphDef and MetaGraphDef that are written
        "EventGraph": [("node", 1, "repeated NodeDef")],
        "EventMetaInfo": [("tensorflow_version", 5, "string")],
        "EventMetaGraph": [("meta_info_def", 1, "EventMetaInfo"), ("graph_def", 2, "bytes")],
    },
    __name__,
    uses=["node_def.proto"],
)


def is_graph_def(value: Any) -> bool:
    """Whether it is a GraphDef, of whatever class."""
    return hasattr(value, "node") and hasattr(value, "SerializeToString")


def graph_bytes(graph: Any) -> bytes:
    """A graph, or a GraphDef, as the bytes of a GraphDef, with the static shapes of outputs as `_output_shapes`."""
    if not isinstance(graph, Graph):
        data: bytes = graph.SerializeToString()
        return data
    nodes = _Nodes(node=[_node(op) for op in graph.get_operations()])
    data = nodes.SerializeToString()
    return data


def _node(op: Any) -> Any:
    node = op.node_def
    node.attr["_output_shapes"].list.shape.extend([shape_proto(tensor.spec.shape) for tensor in op.outputs])
    return node


def meta_graph_bytes(graph: Any) -> bytes:
    """A graph, or a GraphDef, as the bytes of a MetaGraphDef."""
    meta = _MetaGraph(meta_info_def=_MetaInfo(tensorflow_version=VERSION), graph_def=graph_bytes(graph))
    data: bytes = meta.SerializeToString()
    return data

"""Graphs as the bytes of GraphDef and MetaGraphDef, for event files."""

from __future__ import annotations

from typing import Any

from dflow.graph import Graph
from dflow.graph_proto import MetaGraphDef
from dflow.version import GIT_VERSION, VERSION


def is_graph_def(value: Any) -> bool:
    """Whether it is a GraphDef, of whatever class."""
    return hasattr(value, "node") and hasattr(value, "SerializeToString")


def graph_bytes(graph: Any) -> bytes:
    """A graph, with the static shapes of its tensors, or a GraphDef, as the bytes of a GraphDef."""
    graph_def = graph.as_graph_def(add_shapes=True) if isinstance(graph, Graph) else graph
    data: bytes = graph_def.SerializeToString()
    return data


def meta_graph_bytes(graph: Any) -> bytes:
    """A graph, or a GraphDef, as the bytes of a MetaGraphDef."""
    meta = MetaGraphDef()
    meta.meta_info_def.tensorflow_version = VERSION
    meta.meta_info_def.tensorflow_git_version = GIT_VERSION
    meta.graph_def.ParseFromString(graph_bytes(graph))
    data: bytes = meta.SerializeToString()
    return data

"""Graphs: operations and tensors, the blocks that they are built under, and the functions that add them.

Nothing here knows kernels, devices of a cluster, or sessions.
"""

from dflow.graph.build import add_op, convert_to_tensor, create_op, get_default_graph, reset_default_graph
from dflow.graph.conversion import conversions_of, register_tensor_conversion_function
from dflow.graph.core import DeviceOf, Graph, Operation, Tensor
from dflow.graph.keys import GraphKeys
from dflow.graph.origin import user_line

__all__ = [
    "DeviceOf",
    "Graph",
    "GraphKeys",
    "Operation",
    "Tensor",
    "add_op",
    "conversions_of",
    "convert_to_tensor",
    "create_op",
    "get_default_graph",
    "register_tensor_conversion_function",
    "reset_default_graph",
    "user_line",
]

"""Tensors as TensorInfos, and back.  Source: tf.saved_model.utils of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

from dflow.graph import Graph, Tensor, get_default_graph
from dflow.graph_proto import TensorInfo
from dflow.node_proto import shape_proto
from dflow.tensor_proto import DATA_TYPES

__all__ = ["build_tensor_info", "get_tensor_from_tensor_info"]


def build_tensor_info(tensor: Any) -> Any:
    """The name, the dtype and the static shape of a tensor, a variable, or a sparse tensor."""
    info = TensorInfo(dtype=DATA_TYPES[tensor.dtype.base_dtype])
    info.tensor_shape.CopyFrom(shape_proto(tensor.get_shape()))
    if hasattr(tensor, "dense_shape") and hasattr(tensor, "indices"):
        info.coo_sparse.values_tensor_name = tensor.values.name
        info.coo_sparse.indices_tensor_name = tensor.indices.name
        info.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
    else:
        info.name = tensor.name
    return info


def get_tensor_from_tensor_info(
    tensor_info: Any, graph: Graph | None = None, import_scope: str | None = None
) -> Tensor:
    """The tensor of a graph that a TensorInfo names, under a scope.

    KeyError if it is not there; ValueError for a TensorInfo without a name, such as that of a sparse tensor.
    """
    if tensor_info.WhichOneof("encoding") != "name":
        raise ValueError(f"a TensorInfo with the name of a tensor is needed, got {tensor_info}")
    name = f"{import_scope}/{tensor_info.name}" if import_scope else tensor_info.name
    return (graph or get_default_graph()).get_tensor_by_name(name)

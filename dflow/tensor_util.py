"""Values of tensors that are known while the graph is built, and tensors as messages.

Source: tensor_util of TensorFlow 1.15, tf.contrib.util.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Tensor
from dflow.ops.rules.static import known_shape, known_value
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.tensor_proto import TensorProto, make_ndarray, make_tensor_proto

__all__ = [
    "MakeNdarray",
    "ShapeEquals",
    "constant_value",
    "constant_value_as_shape",
    "is_tensor",
    "make_ndarray",
    "make_tensor_proto",
]

MakeNdarray = make_ndarray


def constant_value(tensor: Any, partial: bool = False) -> Any:
    """The value of a tensor as a NumPy array, if it is known while the graph is built; else None.

    Constants are known, the shapes of tensors, and small arithmetic on these.  A run cannot feed a tensor whose value
    was given.  partial: of a stack of scalars some of which are known, an array of objects, with None for the others.
    Anything else than a tensor is given back.
    """
    if not isinstance(tensor, Tensor):
        convert = getattr(tensor, "_as_tensor", None)
        return tensor if convert is None else None
    value = _value(tensor)
    if value is None and partial and tensor.op.type == "Pack" and tensor.op.operands:
        value = _in_part(tensor)
    if value is not None:
        tensor.graph.prevent_feeding(tensor)
    return value


_EVALUATED = frozenset(["Cast", "ConcatV2", "Equal", "Fill", "NotEqual", "Pack", "Range"])


def _value(tensor: Tensor) -> Any:
    """As `known_value`, also where it is large."""
    value = known_value(tensor)
    if value is not None or tensor.op.type not in _EVALUATED:
        return value
    inputs = [_value(item) for item in tensor.op.operands]
    if any(item is None for item in inputs):
        return None
    return np.asarray(tensor.op.definition.kernel(*inputs, **tensor.op.attrs))


def _in_part(tensor: Tensor) -> Any:
    parts = [constant_value(item, partial=True) for item in tensor.op.operands]
    if any(item.shape.ndims != 0 for item in tensor.op.operands):
        return None
    return np.array([None if part is None else part.item() for part in parts], dtype=object)


def constant_value_as_shape(tensor: Tensor) -> TensorShape:
    """The static shape that a vector of sizes means, with the sizes that are known; -1 is an unknown one.

    A scalar of -1 is an unknown shape; ValueError for another scalar.
    """
    if tensor.shape.ndims == 0:
        value = known_value(tensor)
        if value is None:
            raise ValueError("Received a scalar with unknown value as shape; require a statically known scalar with "
                             "value '-1' to describe an unknown shape.")  # fmt: skip
        if int(value) != -1:
            raise ValueError(f"Received a scalar value '{int(value)}' as shape; require a statically known scalar with "
                             "value '-1' to describe an unknown shape.")  # fmt: skip
        return UNKNOWN_SHAPE
    tensor.shape.with_rank(1)
    return known_shape(tensor)


def ShapeEquals(tensor_proto: Any, shape: Any) -> bool:
    """Whether a TensorProto has a shape: sizes, or a TensorShapeProto.  TypeError for another message."""
    if not isinstance(tensor_proto, TensorProto):
        raise TypeError("tensor_proto is not a tensor_pb2.TensorProto object")
    sizes = [dim.size for dim in shape.dim] if hasattr(shape, "dim") else [int(size) for size in shape]
    return [dim.size for dim in tensor_proto.tensor_shape.dim] == sizes


def is_tensor(x: Any) -> bool:
    """Whether it is a tensor, a sparse tensor or a variable."""
    return isinstance(x, (Tensor, SparseTensor)) or hasattr(x, "_as_tensor")

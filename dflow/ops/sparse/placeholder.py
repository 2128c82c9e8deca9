"""Placeholders of sparse tensors.

Source: tf.sparse_placeholder of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.constants import placeholder, placeholder_with_default
from dflow.ops.rules.static import known_sizes
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor

__all__ = ["sparse_placeholder"]


def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that each run feeds: a SparseTensorValue, or a tuple of indices, values and dense shape.

    shape: the dense shape, numbers or a tensor; then it need not be fed.  None: each run feeds it.
    """
    rank = None
    if shape is None:
        sizes = placeholder(int64, [None], _named(name, "shape"))
    else:
        static = known_sizes(shape) if isinstance(shape, Tensor) else _sizes(shape)
        rank = static.ndims
        if isinstance(shape, Tensor):
            sizes = convert_to_tensor(shape)
        else:
            given = [-1 if size is None else size for size in static.known]
            sizes = placeholder_with_default(convert_to_tensor(given, int64), [rank], _named(name, "shape"))
    values = placeholder(dtype, [None], _named(name, "values"))
    indices = placeholder(int64, [None, rank], _named(name, "indices"))
    result = SparseTensor(indices, values, sizes)
    if shape is not None:
        result.set_shape(static)
    return result


def _sizes(shape: Any) -> TensorShape:
    """A shape of numbers, of which -1 and None are unknown."""
    sizes = shape.known if isinstance(shape, TensorShape) else shape
    return TensorShape(None if size is None or size < 0 else size for size in sizes)


def _named(name: str | None, part: str) -> str | None:
    return None if name is None else f"{name}/{part}"

"""The bytes of a tensor as values of another dtype.

Source: array_ops.bitcast of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.ranks import bracketed, require
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["bitcast"]


def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The same bytes as values of another dtype, which may be larger or smaller.

    input: [...], numbers; type: a dtype of numbers.  Values that are split get one more axis; values that are put
    together lose their last axis, whose size is the number of values in one.  ShapeError, or InvalidArgumentError at
    run time, for another size.
    """
    result: Tensor = add_op("Bitcast", input, name=name, type=as_dtype(type))
    return result


def _spec(x: TensorSpec, type: DType) -> TensorSpec:
    for dtype in (x.dtype, type):
        only(TensorSpec(UNKNOWN_SHAPE, dtype), dtype.is_numeric or dtype.is_bool, "numbers")
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, type)
    if x.dtype.size == type.size:
        return TensorSpec(x.shape, type)
    if x.dtype.size > type.size:
        return TensorSpec(x.shape.concatenate([x.dtype.size // type.size]), type)
    ratio = type.size // x.dtype.size
    if x.shape.ndims == 0 or x.shape.known[-1] not in (None, ratio):
        raise ShapeError(
            f"Cannot bitcast from {x.dtype.name} to {type.name} due to shape. {x.shape} does not end with {ratio}"
        )
    return TensorSpec(TensorShape(x.shape.known[:-1]), type)


def _kernel(x: Any, type: DType) -> Any:
    before, after = x.dtype.itemsize, type.size
    if before < after:
        require(
            x.ndim > 0 and x.shape[-1] == after // before,
            f"Cannot bitcast from {x.dtype} to {type.name}: shape {bracketed(x.shape)}",
        )
    sizes = x.shape if before == after else (*x.shape, before // after) if before > after else x.shape[:-1]
    return np.ascontiguousarray(x).reshape(-1).view(type.numpy_dtype).reshape(sizes)


define("Bitcast", spec=_spec, kernel=_kernel, gradient=no_gradient("bits have no derivative"), host_only=True)

"""The sum of the slices that have the same index.  Source: the optimizers of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.static import only
from dflow.ops.rules.sum_by_index import sum_by_index
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["deduplicate_indexed_slices"]


def deduplicate_indexed_slices(values: Any, indices: Any) -> tuple[Tensor, Tensor]:
    """The sum of the slices at each distinct index, and these indices, in the order of their first appearance.

    values: numbers [n, ...], indices: integers [n] -> [m, ...] and [m].
    """
    summed, distinct = add_op("SumOfEqualIndices", values, indices)
    return summed, distinct


def _spec(values: TensorSpec, indices: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    only(values, values.dtype.is_numeric, "numbers")
    only(indices, indices.dtype.is_integer, "integers as indices")
    n = indices.shape.with_rank(1)
    if values.shape.ndims is None:
        return TensorSpec(TensorShape(None), values.dtype), TensorSpec(TensorShape([None]), indices.dtype)
    TensorShape(values.shape.known[:1]).merge_with(n)
    rest = values.shape.known[1:]
    return TensorSpec(TensorShape([None, *rest]), values.dtype), TensorSpec(TensorShape([None]), indices.dtype)


def _kernel(values: Any, indices: Any) -> tuple[Any, Any]:
    if indices.ndim != 1 or tuple(values.shape[:1]) != tuple(indices.shape):
        raise InvalidArgumentError(
            None,
            None,
            f"slices of shape {list(values.shape)} do not fit indices of shape {list(indices.shape)}",
        )
    distinct, sums = sum_by_index(indices, values)
    return sums, distinct


define("SumOfEqualIndices", spec=_spec, kernel=_kernel, gradient=no_gradient("it is for updates of variables"))

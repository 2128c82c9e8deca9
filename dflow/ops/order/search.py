"""The places of values in sorted sequences.

Source: array_ops.searchsorted of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import DType, as_dtype, int32
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.shape import reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.rules.arrays import dtype_in, namespace
from dflow.ops.rules.ranks import bracketed, exactly, merged_size, require
from dflow.ops.rules.static import graph_of, is_symbolic, only, same_dtype
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["lower_bound", "searchsorted", "upper_bound"]


def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = int32, name: str | None = None
) -> Tensor:
    """For each value, the place in the sorted sequence of its row where it can be inserted.

    sorted_sequence: [..., n], sorted along the last axis; values: [..., m], the same dtype and axes before the last;
    side: "left": before equal values, "right": behind them -> [..., m], of `out_type`, int32 or int64.
    """
    graph = graph_of((sorted_sequence, values))
    with scopes.building_in(graph), graph.name_scope(name or "searchsorted"):
        rows = convert_to_tensor(sorted_sequence)
        found = convert_to_tensor(values, None if is_symbolic(values) or hasattr(values, "dtype") else rows.dtype)
        flat_rows, flat_values = (reshape(x, [-1, _last(x)]) for x in (rows, found))
        if side == "right":
            places = upper_bound(flat_rows, flat_values, out_type)
        elif side == "left":
            places = lower_bound(flat_rows, flat_values, out_type)
        else:
            raise ValueError(f"side must be either 'right' or 'left'.  Saw: {side}.")
        return reshape(places, shape(found))


def _last(x: Tensor) -> Any:
    """The size of the last axis."""
    known = x.shape.known[-1] if x.shape.ndims else None
    return get_item(shape(x), -1) if known is None else known


def lower_bound(sorted_inputs: Any, values: Any, out_type: Any = int32, name: str | None = None) -> Tensor:
    """As `searchsorted` of matrices, on the left side."""
    result: Tensor = add_op("LowerBound", sorted_inputs, values, name=name, out_type=as_dtype(out_type))
    return result


def upper_bound(sorted_inputs: Any, values: Any, out_type: Any = int32, name: str | None = None) -> Tensor:
    """As `searchsorted` of matrices, on the right side."""
    result: Tensor = add_op("UpperBound", sorted_inputs, values, name=name, out_type=as_dtype(out_type))
    return result


def _spec(rows: TensorSpec, values: TensorSpec, out_type: DType) -> TensorSpec:
    same_dtype(rows, values)
    only(rows, not rows.dtype.is_complex, "values that can be ordered")
    only(TensorSpec(TensorShape(None), out_type), out_type.name in ("int32", "int64"), "int32 and int64 as out_type")
    count = merged_size(exactly(rows, 2)[0], exactly(values, 2)[0])
    return TensorSpec(TensorShape([count, values.shape.with_rank(2)[1]]), out_type)


def _kernel(side: str) -> Callable[..., Any]:
    def kernel(rows: Any, values: Any, out_type: DType) -> Any:
        for array in (rows, values):
            require(array.ndim == 2, f"sorted inputs and values must be matrices, got {bracketed(array.shape)}")
        require(rows.shape[0] == values.shape[0], "Leading dim_size of both tensors must match.")
        xp = namespace(rows, values)
        found = [xp.searchsorted(rows[i, ...], values[i, ...], side=side) for i in range(rows.shape[0])]
        places = xp.stack(found) if found else xp.zeros(values.shape, dtype=xp.int64)
        return namespace(places).astype(places, dtype_in(namespace(places), out_type))

    return kernel


_OF_PLACES = no_gradient("a place is an integer")

define("LowerBound", spec=_spec, kernel=_kernel("left"), gradient=_OF_PLACES)
define("UpperBound", spec=_spec, kernel=_kernel("right"), gradient=_OF_PLACES)

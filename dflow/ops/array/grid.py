"""Grids and positions: meshgrid, lin_space, eye, unravel_index.

Source: array_ops, math_ops and linalg_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.dtypes import as_dtype
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import broadcast_to, ones
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, size
from dflow.ops.array.stack import stack
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.compare import equal
from dflow.ops.rules.arrays import ints, namespace, sizes_of
from dflow.ops.rules.ranks import bracketed, exactly, require
from dflow.ops.rules.static import graph_of, is_symbolic, known_value, only, same_dtype
from dflow.registry import define, no_gradient, not_differentiable
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["eye", "lin_space", "linspace", "meshgrid", "unravel_index"]


def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """The coordinates of all points of a grid, a tensor for each axis: its values repeated along the other axes.

    args: the values of each axis, vectors or what `reshape` makes one of.  indexing: "xy" (the first two axes are
    exchanged, as in a picture) or "ij".  name: the name scope.
    """
    indexing = kwargs.pop("indexing", "xy")
    name = kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function")
    if indexing not in ("xy", "ij"):
        raise ValueError("indexing parameter must be either 'xy' or 'ij'")
    graph = graph_of(args)
    with scopes.building_in(graph), graph.name_scope(name):
        rank = len(args)
        columns = [
            reshape(stack(x) if isinstance(x, (list, tuple)) else x, (*(1,) * i, -1, *(1,) * (rank - i - 1)))
            for i, x in enumerate(args)
        ]
        counts = [size(x) for x in args]
        if not columns:
            return []
        if indexing == "xy" and rank > 1:
            columns[0] = reshape(columns[0], (1, -1, *(1,) * (rank - 2)))
            columns[1] = reshape(columns[1], (-1, 1, *(1,) * (rank - 2)))
            counts[0], counts[1] = counts[1], counts[0]
        every = ones(stack(counts), columns[0].dtype)
        return [multiply(column, every) for column in columns]


def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = "float32",
    name: str | None = None,
) -> Tensor:
    """The matrix with ones on its diagonal and zeros beside it; with a batch shape, such matrices.

    num_rows, num_columns: numbers or scalar tensors, as many columns as rows if they are not given; batch_shape: sizes,
    as numbers or as a tensor -> [*batch_shape, num_rows, num_columns].
    """
    graph = graph_of((num_rows, num_columns, batch_shape))
    with scopes.building_in(graph), graph.name_scope(name or "eye"):
        columns = num_rows if num_columns is None else num_columns
        matrix = cast(equal(expand_dims(range_(num_rows), 1), range_(columns)), as_dtype(dtype))
        if batch_shape is None:
            return matrix
        if is_symbolic([batch_shape, num_rows, columns]):
            outer = convert_to_tensor(batch_shape, None if is_symbolic(batch_shape) else "int32")
            rows = [cast(count, outer.dtype) for count in (convert_to_tensor(num_rows), convert_to_tensor(columns))]
            return broadcast_to(matrix, concat([outer, stack(rows)], 0))
        return broadcast_to(matrix, [*TensorShape(batch_shape), int(num_rows), int(columns)])


# -- lin_space


def lin_space(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """`num` numbers from `start` to `stop`, both of them included, at equal distances.

    start, stop: floating scalars; num: a number or a scalar tensor, at least 1 -> [num].
    """
    with scopes.building_in(graph_of((start, stop, num))):
        first = convert_to_tensor(start, name="start")
        last = convert_to_tensor(stop, None if is_symbolic(stop) else first.dtype, name="stop")
        result: Tensor = add_op("LinSpace", first, last, convert_to_tensor(num, name="num"), name=name)
    count = known_value(result.op.inputs[2])
    if count is not None:
        if count.size == 1 and int(count) <= 0:
            raise ShapeError(f"Requires num > 0: {int(count)}")
        result.set_shape([int(count)])
    return result


linspace = lin_space


def _lin_space_spec(start: TensorSpec, stop: TensorSpec, num: TensorSpec) -> TensorSpec:
    same_dtype(start, stop)
    only(start, start.dtype.is_floating, "floating numbers")
    only(num, num.dtype.name in ("int32", "int64"), "an int32 or an int64 as num")
    for spec in (start, stop, num):
        exactly(spec, 0)
    return TensorSpec(TensorShape([None]), start.dtype)


def _lin_space_kernel(start: Any, stop: Any, num: Any) -> Any:
    for array, what in ((start, "start"), (stop, "stop"), (num, "num")):
        require(array.ndim == 0, f"{what} must be a scalar, not shape {bracketed(array.shape)}")
    count = ints(num)[0]
    require(count > 0, f"Requires num > 0: {count}")
    xp = namespace(start, stop)
    if count == 1:
        return xp.reshape(start, (1,))
    places = xp.astype(xp.arange(count - 1, device=device(start)), start.dtype)
    step = (stop - start) / xp.asarray(count - 1, dtype=start.dtype, device=device(start))
    return xp.concat([start + step * places, xp.reshape(stop, (1,))])


define("LinSpace", spec=_lin_space_spec, kernel=_lin_space_kernel, gradient=not_differentiable)


# -- unravel_index


def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """The coordinates of flat indices in an array of sizes `dims`, in row-major order.

    indices: a scalar or a vector [n], int32 or int64; dims: [rank], the same dtype -> [rank], or [rank, n].
    InvalidArgumentError at run time for an index that is outside.
    """
    result: Tensor = add_op("UnravelIndex", indices, dims, name=name)
    return result


def _unravel_spec(indices: TensorSpec, dims: TensorSpec) -> TensorSpec:
    same_dtype(indices, dims)
    only(indices, indices.dtype.name in ("int32", "int64"), "int32 and int64")
    rank = exactly(dims, 1)[0]
    if indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, indices.dtype)
    if indices.shape.ndims > 1:
        raise ShapeError(f"The indices can only be scalar or vector, got {indices.shape}")
    return TensorSpec(TensorShape([rank, *indices.shape]), indices.dtype)


def _unravel_kernel(indices: Any, dims: Any) -> Any:
    require(dims.ndim == 1, f"The indices can only be 1-D, got {bracketed(dims.shape)}")
    require(indices.ndim <= 1, f"The indices can only be scalar or vector, got {bracketed(indices.shape)}")
    sizes = sizes_of(dims)
    require(0 not in sizes, "Input dims cannot contain a dim of zero")
    total = 1
    for number in sizes:
        total *= number
    xp = namespace(indices)
    require(not bool(xp.any(xp.logical_or(indices < 0, indices >= total))), "index is out of bound as with dims")
    if not sizes:
        return xp.zeros((0, *indices.shape), dtype=indices.dtype, device=device(indices))
    rest, found = indices, []
    for number in reversed(sizes):
        found.append(rest % number)
        rest = rest // number
    return (
        xp.stack(found[::-1]) if found else xp.zeros((0, *indices.shape), dtype=indices.dtype, device=device(indices))
    )


define(
    "UnravelIndex",
    spec=_unravel_spec,
    kernel=_unravel_kernel,
    gradient=no_gradient("an index is an integer"),
)

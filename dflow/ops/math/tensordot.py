"""The product of two tensors, summed over chosen axes of both.

Source: math_ops.tensordot of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import int32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.array.gather import boolean_mask, gather
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, rank, reshape, shape
from dflow.ops.array.stack import stack
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.compare import greater_equal, not_equal, where
from dflow.ops.math.linalg import matmul
from dflow.ops.math.reduction import reduce_all, reduce_prod
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import is_symbolic, known_value, operands
from dflow.shapes import TensorShape

__all__ = ["tensordot"]

Axes = Sequence[int] | Tensor


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """The sum over axes of `a` and `b`; the other axes of both follow each other.  Numbers.

    axes: a number n (the last n axes of a and the first n of b), or two lists of axes (or two numbers), one for each
    operand, or a tensor of either.
    ValueError for axes that do not fit; InvalidArgumentError at run time for sizes that differ.
    """
    with scope_of((a, b, axes), name, "Tensordot") as scope:
        a, b = operands((a, b), ("a", "b"), "MatMul")
        axes_of_a, axes_of_b = _both_axes(a, axes)
        left, kept_of_a, static_a = _as_matrix(a, axes_of_a, last=True)
        right, kept_of_b, static_b = _as_matrix(b, axes_of_b, last=False)
        product = matmul(left, right)
        if isinstance(kept_of_a, list) and isinstance(kept_of_b, list):
            return reshape(product, kept_of_a + kept_of_b, name=scope)
        result = reshape(product, concat([_as_vector(kept_of_a), _as_vector(kept_of_b)], 0), name=scope)
        result.set_shape(static_a.concatenate(static_b))
        return result


def _as_vector(sizes: list[int] | Tensor) -> Tensor:
    return sizes if isinstance(sizes, Tensor) else constant(sizes, int32)


# -- the argument


def _both_axes(a: Tensor, axes: Any) -> tuple[Axes, Axes]:
    if is_symbolic(axes):
        tensor = convert_to_tensor(axes, name="axes")
        known = known_value(tensor)
        if known is None:
            return _axes_of_tensor(a, tensor)
        axes = known
    if hasattr(axes, "tolist"):
        axes = axes.tolist()
    if isinstance(axes, int):
        return _last_and_first(a, axes)
    if not isinstance(axes, (list, tuple)) or len(axes) != 2:
        raise ValueError(f"'axes' must be an integer or have length 2, got {axes!r}")
    of_a, of_b = (np.asarray(item, int).reshape(-1).tolist() for item in axes)
    if len(of_a) != len(of_b):
        raise ValueError(f"Different number of contraction axes 'a' and 'b', {len(of_a)} != {len(of_b)}.")
    return of_a, of_b


def _last_and_first(a: Tensor, count: int) -> tuple[Axes, Axes]:
    ndims = a.shape.ndims
    if count < 0:
        raise ValueError("'axes' must be at least 0.")
    if ndims is None:
        places = range_(rank(a))
        return gather(places, add(subtract(rank(a), count), range_(count))), list(range(count))
    if count > ndims:
        raise ValueError(f"'axes' must not be larger than the number of dimensions of tensor {a.name}, {ndims}")
    return list(range(ndims - count, ndims)), list(range(count))


def _axes_of_tensor(a: Tensor, axes: Tensor) -> tuple[Axes, Axes]:
    if axes.shape.ndims == 0:
        return range_(subtract(rank(a), axes), rank(a)), range_(axes)
    if axes.spec.shape.dims is not None and axes.spec.shape.dims[0] not in (2, None):
        raise ValueError(f"'axes' must be an integer or have length 2, its shape is {axes.shape}")
    return axes[0], axes[1]


# -- the operands


def _as_matrix(x: Tensor, axes: Axes, last: bool) -> tuple[Tensor, list[int] | Tensor, TensorShape]:
    """The tensor as a matrix whose last (or first) axis are the axes to sum over.

    Also the sizes of its other axes: as numbers if all are known, and as far as they are known.
    """
    if isinstance(axes, Tensor) or x.shape.ndims is None:
        return _as_matrix_at_run_time(x, axes, last)
    ndims = x.shape.ndims
    for axis in axes:
        if not -ndims <= axis < ndims:
            raise IndexError(f"axis {axis} is not among those of {x.name}, whose shape is {x.shape}")
    gone = [axis % ndims for axis in axes]
    if len(set(gone)) < len(gone):
        raise ShapeError(f"axes of {x.name} are repeated: {list(axes)}")
    kept = [axis for axis in range(ndims) if axis not in gone]
    order = [*kept, *gone] if last else [*gone, *kept]
    moved = x if order == list(range(ndims)) else transpose(x, order)
    static = TensorShape(x.spec.shape[axis] for axis in kept)
    if x.shape.is_fully_defined():
        sizes = [x.spec.shape[axis] for axis in kept]
        inner = math.prod(x.spec.shape[axis] for axis in gone)
        matrix = [math.prod(sizes), inner] if last else [inner, math.prod(sizes)]
        return (moved if moved.shape.as_list() == matrix else reshape(moved, matrix)), sizes, static
    found = shape(x)
    kept_sizes, inner_sizes = gather(found, constant(kept, int32)), gather(found, constant(gone, int32))
    return reshape(moved, _matrix_sizes(kept_sizes, inner_sizes, last)), kept_sizes, static


def _matrix_sizes(kept: Tensor, inner: Tensor, last: bool) -> Tensor:
    sizes = [reduce_prod(kept), reduce_prod(inner)]
    return stack(sizes if last else sizes[::-1])


def _as_matrix_at_run_time(x: Tensor, axes: Axes, last: bool) -> tuple[Tensor, Tensor, TensorShape]:
    count = rank(x)
    gone = reshape(axes, [-1]) if isinstance(axes, Tensor) else constant(list(axes), int32)
    gone = where(greater_equal(gone, 0), gone, add(gone, count))
    places = range_(count)
    is_kept = reduce_all(not_equal(expand_dims(places, 1), expand_dims(gone, 0)), 1)
    kept = boolean_mask(places, is_kept)
    found = shape(x)
    kept_sizes, inner_sizes = gather(found, kept), gather(found, gone)
    moved = transpose(x, concat([kept, gone] if last else [gone, kept], 0))
    return reshape(moved, _matrix_sizes(kept_sizes, inner_sizes, last)), kept_sizes, TensorShape(None)

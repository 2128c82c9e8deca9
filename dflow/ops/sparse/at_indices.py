"""The values of a dense tensor at the indices of a sparse one, and what is added up there.

Both are parts of gradients, and each is the gradient of the other.  The dense tensor may be smaller: it counts as
broadcast to the shape of the sparse one, and what is added up is summed over the axes along which it was repeated.
"""

from __future__ import annotations

from math import prod
from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace, scatter_add
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.sparse.rules import invalid
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["add_at", "flat_places", "values_at"]


def values_at(dense: Tensor, indices: Tensor) -> Tensor:
    """The values [n] of a dense tensor at indices [n, rank], in bounds."""
    result: Tensor = add_op("ValuesAt", dense, indices)
    return result


def add_at(values: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    """Zeros in the shape of `like`, plus each of the values [n] at its row of indices [n, rank]."""
    shape, inputs = shape_input(like)
    result: Tensor = add_op("AddAt", values, *inputs, indices, shape=shape)
    return result


def flat_places(indices: Any, sizes: tuple[int, ...]) -> Any:
    """The place of each row of indices in an array of these sizes, along whose axes of size 1 every index counts as 0.

    An array of lower rank than the rows lacks the first axes.
    """
    xp = namespace(indices)
    places = xp.zeros_like(indices[:, 0]) if indices.shape[1] else xp.sum(indices, axis=1)
    for axis, size in enumerate(sizes):
        if size != 1:
            places = places + indices[:, indices.shape[1] - len(sizes) + axis] * prod(sizes[axis + 1 :])
    return places


def _values_spec(dense: TensorSpec, indices: TensorSpec) -> TensorSpec:
    return TensorSpec(TensorShape([indices.shape.with_rank(2).known[0]]), dense.dtype)


def _values_kernel(dense: Any, indices: Any) -> Any:
    _check(indices, dense.ndim)
    xp = namespace(dense, indices)
    return xp.take(xp.reshape(dense, (-1,)), flat_places(indices, tuple(dense.shape)), axis=0)


def _check(indices: Any, rank: int) -> None:
    if indices.ndim != 2 or indices.shape[1] < rank:
        raise invalid(f"indices are a matrix of at least {rank} columns, got a shape of {list(indices.shape)}")


def _values_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, add_at(dy, op.inputs[1], op.inputs[0]))


def _add_kernel(values: Any, *arrays: Any, shape: Sizes | None) -> Any:
    sizes, (indices,) = take_shape(shape, arrays)
    _check(indices, len(sizes))
    xp = namespace(values, indices)
    return xp.reshape(scatter_add(prod(sizes), flat_places(indices, sizes), values), sizes)


def _add_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, values_at(dy, op.inputs[-1]))


define("ValuesAt", spec=_values_spec, kernel=_values_kernel, gradient=_values_gradient)
define("AddAt", spec=like_spec, kernel=_add_kernel, gradient=_add_gradient)

"""Axes in another order.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.math.arithmetic import conj
from dflow.ops.rules.arrays import ints, namespace, sizes_of
from dflow.ops.rules.batching import each
from dflow.ops.rules.like import only_first
from dflow.ops.rules.ranks import size_is
from dflow.ops.rules.static import Axes, known_value, number_or_tensor, only, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["invert_permutation", "transpose"]


def transpose(a: Any, perm: Any = None, name: str | None = None, conjugate: bool = False) -> Tensor:
    """The axes of a tensor in another order: axis i of the result is axis perm[i] of `a`.

    perm: numbers or a tensor; None reverses the axes.  conjugate: complex numbers are conjugated, too.
    """
    axes, inputs = (None, ()) if perm is None else number_or_tensor(perm)
    x = conj(a) if conjugate else a
    result: Tensor = add_op("Transpose", x, *inputs, name=name or "transpose", perm=axes)
    order = known_value(inputs[0]) if inputs else None
    if order is not None:
        result.set_shape(_transpose_spec(result.op.inputs[0].spec, perm=ints(order)).shape)
    return result


def _transpose_spec(x: TensorSpec, axes: TensorSpec | None = None, *, perm: Axes | None) -> TensorSpec:
    if axes is not None:
        count = axes.shape.with_rank(1)[0]
        rank = x.shape.ndims if count is None else count
        return spec_of(UNKNOWN_SHAPE if rank is None else [None] * rank, x.dtype)
    if x.shape.ndims is None:
        return spec_of(UNKNOWN_SHAPE if perm is None else [None] * len(perm), x.dtype)
    rank = x.shape.ndims
    if perm is None:
        return spec_of(x.shape.as_list()[::-1], x.dtype)
    size_is(len(perm), rank)
    for axis in perm:
        if not -rank <= axis < rank:
            raise ShapeError(f"perm dim {axis} is out of range of input rank {rank}")
    return spec_of([x.shape[axis] for axis in perm], x.dtype)


def _order(perm: Axes | None, rank: int) -> Axes | None:
    """perm, with axes in [0, rank); None if it does not name each axis once."""
    if perm is None:
        return tuple(reversed(range(rank)))
    order = tuple(axis + rank if axis < 0 else axis for axis in perm)
    return order if sorted(order) == list(range(rank)) else None


def _disorder(perm: Axes, rank: int) -> str:
    """Why the numbers are no order of the axes."""
    if len(perm) != rank:
        return f"transpose expects a vector of size {rank}. But input(1) is a vector of size {len(perm)}"
    absent = next(axis for axis in range(rank) if axis not in perm and axis - rank not in perm)
    return f"{absent} is missing from {{{','.join(map(str, perm))}}}."


def _transpose_kernel(x: Any, axes: Any = None, *, perm: Axes | None) -> Any:
    if axes is not None:
        perm = sizes_of(axes)
    order = _order(perm, x.ndim)
    if order is None:
        raise InvalidArgumentError(None, None, _disorder(perm or (), x.ndim))
    return namespace(x).permute_dims(x, order)


def _transpose_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if len(arrays) > 1 and batched[1]:
        return each(kernel, arrays, batched, attrs)
    perm = ints(arrays[1]) if len(arrays) > 1 else attrs["perm"]
    order = _order(perm, arrays[0].ndim - 1)
    if order is None:  # the kernel of a step raises the error
        return each(kernel, arrays, batched, attrs)
    return kernel(arrays[0], perm=(0, *(axis + 1 for axis in order)))


def _transpose_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    perm = op.attrs["perm"]
    if len(op.inputs) > 1:
        back: Any = invert_permutation(op.inputs[1])
    else:
        back = None if perm is None else tuple(int(place) for place in np.argsort(np.mod(perm, len(perm))))
    return only_first(op, transpose(dy, back))


define(
    "Transpose",
    spec=_transpose_spec,
    kernel=_transpose_kernel,
    gradient=_transpose_gradient,
    batch=_transpose_batch,
)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The place of each number: result[x[i]] = i.  x: a vector that holds 0 to n - 1, each once.

    InvalidArgumentError at run time for another vector.
    """
    result: Tensor = add_op("InvertPermutation", x, name=name)
    return result


def _invert_spec(perm: TensorSpec) -> TensorSpec:
    only(perm, perm.dtype.is_integer, "integers")
    return TensorSpec(perm.shape.with_rank(1), perm.dtype)


def _odd_place(perm: Axes) -> str:
    """Why the numbers are no permutation."""
    for place, axis in enumerate(perm):
        if not 0 <= axis < len(perm):
            return f"{axis} is not between 0 and {len(perm)}"
        if axis in perm[:place]:
            return f"{axis} is duplicated in the input."
    return ""


def _invert_kernel(perm: Any) -> Any:
    xp = namespace(perm)
    if perm.ndim != 1:
        raise InvalidArgumentError(None, None, f"invert_permutation expects a 1D vector, got {list(perm.shape)}")
    places = xp.astype(xp.argsort(perm), perm.dtype)
    if not bool(xp.all(xp.take(perm, places) == xp.arange(perm.shape[0], dtype=perm.dtype, device=device(perm)))):
        raise InvalidArgumentError(None, None, _odd_place(ints(perm)))
    return places


define(
    "InvertPermutation",
    spec=_invert_spec,
    kernel=_invert_kernel,
    gradient=no_gradient("a permutation is made of integers"),
    batch=each,
)

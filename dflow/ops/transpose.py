"""Axes in another order.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.arrays import ints, namespace
from dflow.ops.batching import each
from dflow.ops.like import only_first
from dflow.ops.static import Axes, number_or_tensor, of_rank, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["invert_permutation", "transpose"]


def transpose(a: Any, perm: Any = None, name: str | None = None, conjugate: bool = False) -> Tensor:
    """The axes of a tensor in another order: axis i of the result is axis perm[i] of `a`.

    perm: numbers or a tensor; None reverses the axes.
    """
    axes, inputs = (None, ()) if perm is None else number_or_tensor(perm)
    result: Tensor = add_op("Transpose", a, *inputs, name=name or "transpose", perm=axes)
    return result


def _transpose_spec(x: TensorSpec, axes: TensorSpec | None = None, *, perm: Axes | None) -> TensorSpec:
    if axes is not None:
        return of_rank(x)
    if x.shape.ndims is None:
        return spec_of(UNKNOWN_SHAPE if perm is None else [None] * len(perm), x.dtype)
    order = tuple(reversed(range(x.shape.ndims))) if perm is None else perm
    if sorted(order) != list(range(x.shape.ndims)):
        raise ShapeError(f"perm {list(order)} is no order of the axes of shape {x.shape}")
    return spec_of([x.shape[axis] for axis in order], x.dtype)


def _transpose_kernel(x: Any, axes: Any = None, *, perm: Axes | None) -> Any:
    if axes is not None:
        perm = ints(axes)
    order = tuple(reversed(range(x.ndim))) if perm is None else perm
    if sorted(order) != list(range(x.ndim)):
        raise InvalidArgumentError(None, None, f"perm {list(order)} is no order of the axes of shape {list(x.shape)}")
    return namespace(x).permute_dims(x, order)


def _transpose_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if len(arrays) > 1 and batched[1]:
        return each(kernel, arrays, batched, attrs)
    perm = ints(arrays[1]) if len(arrays) > 1 else attrs["perm"]
    if perm is None:
        perm = tuple(reversed(range(arrays[0].ndim - 1)))
    return kernel(arrays[0], perm=(0, *(axis + 1 for axis in perm)))


def _transpose_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    perm = op.attrs["perm"]
    if len(op.inputs) > 1:
        back: Any = invert_permutation(op.inputs[1])
    else:
        back = None if perm is None else tuple(int(place) for place in np.argsort(perm))
    return only_first(op, transpose(dy, back))


define(
    "Transpose",
    spec=_transpose_spec,
    kernel=_transpose_kernel,
    gradient=_transpose_gradient,
    batch=_transpose_batch,
)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """Where each number is: result[x[i]] = i.  x: a vector that holds 0 to n - 1, each once."""
    result: Tensor = add_op("InvertPermutation", x, name=name)
    return result


define(
    "InvertPermutation",
    spec=lambda perm: perm,
    kernel=lambda perm: namespace(perm).astype(namespace(perm).argsort(perm), perm.dtype),
    gradient=no_gradient("a permutation is made of integers"),
    batch=each,
)

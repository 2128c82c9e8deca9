"""Norms of vectors and matrices, and tensors scaled to a norm of 1.

Source: linalg_ops.norm, linalg_impl.normalize and nn_impl.l2_normalize of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.array.transpose import transpose
from dflow.ops.linalg.svd import svd
from dflow.ops.math.arithmetic import abs, conj, maximum, multiply
from dflow.ops.math.complex import real
from dflow.ops.math.division import truediv
from dflow.ops.math.powers import pow, rsqrt, sqrt, square
from dflow.ops.math.reduction import reduce_max, reduce_sum
from dflow.ops.rules.named import scope_of

__all__ = ["l2_normalize", "norm", "normalize"]

_OF_MATRICES = ("euclidean", "fro", 1, 2, math.inf)
_OF_VECTORS = ("euclidean", 1, 2, math.inf)


def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norm of all values, of vectors along one axis, or of matrices along two.  Floating or complex.

    ord: "euclidean", a positive number p for sum(abs(x)**p)**(1/p), or infinity; for matrices "euclidean" or "fro" (of
    all values), 1 or infinity (of the sums of columns or rows), or 2 (the largest singular value).
    axis: None, a number, or a tuple of two.  ValueError for another axis or ord.
    """
    keep = _one_of(keepdims, keep_dims)
    is_matrix = isinstance(axis, (list, tuple)) and len(axis) == 2
    _check(ord, axis, is_matrix)
    with scope_of((tensor,), name, "norm"):
        x = convert_to_tensor(tensor)
        if is_matrix and ord == 2 and ord != "euclidean":
            result = _largest_singular_value(x, tuple(axis))
        elif ord in ("fro", "euclidean", 2):
            result = sqrt(reduce_sum(multiply(x, conj(x)), axis, keepdims=True))
        elif is_matrix:
            of_sums, of_largest = axis if ord == 1 else axis[::-1]
            result = reduce_max(reduce_sum(abs(x), of_sums, keepdims=True), of_largest, keepdims=True)
        elif ord == math.inf:
            result = reduce_max(abs(x), axis, keepdims=True)
        elif ord == 1:
            result = reduce_sum(abs(x), axis, keepdims=True)
        else:
            result = pow(reduce_sum(pow(abs(x), ord), axis, keepdims=True), 1.0 / ord)
        return result if keep else squeeze(result, axis)


def _one_of(keepdims: bool | None, keep_dims: bool | None) -> bool:
    if keepdims is not None and keep_dims is not None:
        raise ValueError("Cannot specify both 'keepdims' and 'keep_dims': they are two names of one argument")
    return bool(keep_dims if keepdims is None else keepdims)


def _check(ord: Any, axis: Any, is_matrix: bool) -> None:
    numbers = axis if is_matrix else () if axis is None else (axis,)
    if not all(isinstance(item, int) for item in numbers) or (is_matrix and axis[0] == axis[1]):
        raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis!r}")
    if is_matrix and ord not in _OF_MATRICES:
        raise ValueError(f"'ord' must be a supported matrix norm in {list(_OF_MATRICES)}, got {ord!r}")
    if not is_matrix and ord not in _OF_VECTORS and not (isinstance(ord, (int, float)) and ord > 0):
        raise ValueError(f"'ord' must be a supported vector norm, got {ord!r}")


def _largest_singular_value(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    """With two axes of size 1 in the place of those of the matrix."""
    ndims = len(x.shape)
    gone = [item % ndims for item in axis]
    order = [*(place for place in range(ndims) if place not in gone), *gone]
    largest = reduce_max(abs(svd(transpose(x, order), compute_uv=False)), -1, keepdims=True)
    return transpose(expand_dims(largest, -1), [order.index(place) for place in range(ndims)])


def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The tensor divided by its norm, and the norm, whose axes are kept; the arguments are those of `norm`."""
    with scope_of((tensor,), name, "normalize"):
        x = convert_to_tensor(tensor)
        size = norm(x, ord, axis, keepdims=True)
        return truediv(x, size), size


def l2_normalize(x: Any, axis: Any = None, epsilon: Any = 1e-12, name: str | None = None, dim: Any = None) -> Tensor:
    """x / sqrt(max(sum(x**2), epsilon)), with the sum along axes, a number or several, or over all values.

    dim: an older name of axis.
    """
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim': they are two names of one argument")
    place = dim if axis is None else axis
    with scope_of((x,), name, "l2_normalize") as scope:
        x = convert_to_tensor(x, name="x")
        squares = square(x) if not x.dtype.is_complex else real(multiply(x, conj(x)))
        scale = rsqrt(maximum(reduce_sum(squares, place, keepdims=True), epsilon))
        if x.dtype.is_complex:
            scale = cast(scale, x.dtype)
        return multiply(x, scale, name=scope)

"""The largest values along the last axis, and the one that is the n-th smallest.

Source: nn_ops.top_k and nn_ops.nth_element of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dflow.dtypes import int32
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, create_op
from dflow.ops.array.cast import cast
from dflow.ops.array.gather_nd import scatter_nd
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.math.compare import equal
from dflow.ops.math.division import divide, floordiv
from dflow.ops.math.reduction import reduce_prod, reduce_sum
from dflow.ops.rules.arrays import is_integral, namespace
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.ranks import bracketed, require, up_from
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["TopKV2", "nth_element", "top_k"]


class TopKV2(NamedTuple):
    """The result of `top_k`."""

    values: Tensor
    indices: Tensor


def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> TopKV2:
    """The k largest values along the last axis, the largest first, and their places.

    input: [..., n], real numbers; k: a number or a scalar tensor, at most n -> values: [..., k], indices: int32
    [..., k].  Of equal values, the first one comes first.  sorted=False: in any order.
    ShapeError, or InvalidArgumentError at run time, if k is negative or larger than n.
    """
    count, inputs = late(k, "k")
    op = create_op("TopKV2", input, *inputs, name=name, k=count, sorted=bool(sorted))
    return TopKV2(*op.outputs)


def _top_k_spec(x: TensorSpec, k: int, sorted: bool) -> list[TensorSpec]:
    if k < 0:
        raise ShapeError(f"Need k >= 0, got {k}")
    return _top_k_specs(x, k)


def _top_k_specs(x: TensorSpec, k: int | None) -> list[TensorSpec]:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    target = UNKNOWN_SHAPE
    if up_from(x, 1).ndims is not None:
        last = x.shape.known[-1]
        if last is not None and k is not None and last < k:
            raise ShapeError(f"input must have last dimension >= k = {k} but is {last}")
        target = TensorShape([*x.shape.known[:-1], k])
    return [TensorSpec(target, x.dtype), TensorSpec(target, int32)]


def _top_k_kernel(x: Any, k: int, sorted: bool) -> tuple[Any, Any]:
    require(k >= 0, f"Need k >= 0, got {k}")
    require(x.ndim >= 1, f"input must be >= 1-D, got shape {bracketed(x.shape)}")
    require(x.shape[-1] >= k, f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")
    xp = namespace(x)
    key = _falling(x)
    few = k > 0 and 8 * k < x.shape[-1]
    places = _few_places(key, k) if few and isinstance(x, np.ndarray) else None
    if places is None:
        places = xp.argsort(key, axis=-1, stable=True)[..., :k]
    return xp.take_along_axis(x, places, axis=-1), xp.astype(places, xp.int32)


def _falling(x: Any) -> Any:
    """Numbers of the opposite order; the smallest integer has no negative, but its bits can be turned around."""
    xp = namespace(x)
    return xp.bitwise_invert(x) if is_integral(x) else -x


def _few_places(key: Any, k: int) -> Any | None:
    """The places of the k smallest keys, in order, without sorting all; None if a NaN is among them.

    What is equal to the k-th one counts from the left, until there are k.
    """
    last = np.partition(key, k - 1, axis=-1)[..., k - 1 : k]
    below, same = key < last, key == last
    kept = below | (same & (np.cumsum(same, axis=-1) <= k - below.sum(axis=-1, keepdims=True)))
    if not (kept.sum(axis=-1) == k).all():
        return None
    places = np.nonzero(kept)[-1].reshape(*key.shape[:-1], k)
    order = np.argsort(np.take_along_axis(key, places, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(places, order, axis=-1)


def _top_k_gradient(op: Operation, dy: Tensor, _: Tensor | None = None) -> tuple[Tensor | None, ...]:
    """Each value's gradient at its place."""
    x, places = op.inputs[0], op.outputs[1]
    sizes = shape(x)
    flat = reshape(places, [-1])
    per_row, columns = get_item(shape(places), -1), get_item(sizes, -1)
    rows = floordiv(range_(get_item(shape(flat), 0)), per_row)
    at = add(multiply(rows, columns), flat)
    total = scatter_nd(expand_dims(at, -1), reshape(dy, [-1]), reshape(reduce_prod(sizes), [1]))
    return reshape(total, sizes), *(None for _ in op.inputs[1:])


define(
    "TopKV2",
    **late_rules("k", spec=_top_k_spec, unknown=lambda x, sorted: _top_k_specs(x, None), kernel=_top_k_kernel),
    gradient=_top_k_gradient,
)


# -- nth_element


def nth_element(input: Any, n: Any, reverse: bool = False, name: str | None = None) -> Tensor:
    """The value along the last axis that has place n in their order, counted from 0; with reverse, the n-th largest.

    input: [..., size], real numbers; n: a number or a scalar tensor, less than size -> [...].
    ShapeError, or InvalidArgumentError at run time, if n is negative or too large.
    """
    place, inputs = late(n, "n")
    result: Tensor = add_op("NthElement", input, *inputs, name=name, n=place, reverse=bool(reverse))
    return result


def _nth_spec(x: TensorSpec, n: int, reverse: bool) -> TensorSpec:
    if n < 0:
        raise ShapeError(f"Dimension size, given by scalar input 1, must be non-negative but is {n}")
    return _nth_specs(x, n)


def _nth_specs(x: TensorSpec, n: int | None) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    if up_from(x, 1).ndims is None:
        return x
    last = x.shape.known[-1]
    if last is not None and n is not None and last <= n:
        raise ShapeError(f"Input must have last dimension > n = {n} but is {last}")
    return TensorSpec(TensorShape(x.shape.known[:-1]), x.dtype)


def _nth_kernel(x: Any, n: int, reverse: bool) -> Any:
    require(n >= 0, f"n must be non-negative but is {n}")
    require(x.ndim >= 1, f"Input must be >= 1-D, got shape {bracketed(x.shape)}")
    size = x.shape[-1]
    require(size > n, f"Input must have last dimension > n = {n}, got {size}")
    place = size - 1 - n if reverse else n
    if isinstance(x, np.ndarray):
        return np.asarray(np.partition(x, place, axis=-1)[..., place])
    return namespace(x).sort(x, axis=-1)[..., place]


def _nth_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Equal values share the gradient."""
    x = op.inputs[0]
    chosen = cast(equal(x, expand_dims(op.outputs[0], -1)), dy.dtype)
    share = divide(chosen, expand_dims(reduce_sum(chosen, -1), -1))
    return multiply(share, expand_dims(dy, -1)), *(None for _ in op.inputs[1:])


define(
    "NthElement",
    **late_rules("n", spec=_nth_spec, unknown=lambda x, reverse: _nth_specs(x, None), kernel=_nth_kernel),
    gradient=_nth_gradient,
)

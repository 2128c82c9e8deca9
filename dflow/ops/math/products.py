"""Gradients of products along axes, of any order, without a division: they hold for zeros too.

The product P of n numbers x is linear in each of them.  Its first derivative, for each number, is the product of the
others.  The next ones, along directions v, w, ..., are of one form: for each number k, the sum over distinct i, j, ...
other than k of v[i] * w[j] * ..., times the product of the remaining numbers.  That sum is symmetric in k, i, j, ...,
so the gradient of such an operation is one more such operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.math.arithmetic import chain, conj
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.reductions import Axis, reduced_axes, spread_back
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["prod_gradient"]


def prod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient of `Prod`."""
    x, *axes = op.inputs
    derivative = add_op("ProdOfOthers", x, *axes, axis=op.attrs["axis"], directions=0)
    return chain(spread_back(op, dy), derivative), *(None for _ in axes)


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    count = op.attrs["directions"]
    values, axes = [conj(value) for value in op.inputs[: 1 + count]], op.inputs[1 + count :]

    def of(directions: Sequence[Tensor]) -> Tensor:
        inputs = [values[0], *directions, *axes]
        result: Tensor = add_op("ProdOfOthers", *inputs, axis=op.attrs["axis"], directions=len(directions))
        return result

    by_direction = [of([*values[1:i], dy, *values[i + 1 :]]) for i in range(1, 1 + count)]
    return of([*values[1:], dy]), *by_direction, *(None for _ in axes)


def _spec(x: TensorSpec, *inputs: TensorSpec, axis: Axis, directions: int) -> TensorSpec:
    return x


def _kernel(x: Any, *inputs: Any, axis: Axis, directions: int) -> Any:
    xp = namespace(x)
    gone = reduced_axes(x, inputs[directions] if len(inputs) > directions else None, axis)
    order = (*(place for place in range(x.ndim) if place not in gone), *gone)
    moved = [xp.permute_dims(value, order) for value in (x, *inputs[:directions])]
    kept_sizes = moved[0].shape[: x.ndim - len(gone)]
    size = (*kept_sizes, x.size // max(1, math.prod(kept_sizes)))
    rows = [xp.reshape(value, size) for value in moved]
    products = _of_directions(rows) if directions else _products_before(rows[0]) * _products_after(rows[0])
    back = tuple(order.index(place) for place in range(x.ndim))
    return xp.permute_dims(xp.reshape(products, moved[0].shape), back)


def _products_before(rows: Any) -> Any:
    """For each number of a row the product of those before it."""
    xp = namespace(rows)
    shifted = xp.concat([xp.ones_like(rows[..., :1]), rows[..., :-1]], axis=-1) if rows.shape[-1] else rows
    return xp.cumulative_prod(shifted, axis=-1, dtype=rows.dtype)


def _products_after(rows: Any) -> Any:
    xp = namespace(rows)
    return xp.flip(_products_before(xp.flip(rows, axis=-1)), axis=-1)


Sums = list[Any]  # for each set of directions, as the bits of a number, [..., n]


def _of_directions(rows: Sequence[Any]) -> Any:
    """The derivative along all directions.  rows: the numbers, and the components of each direction; all [..., n]."""
    if not rows[0].shape[-1]:
        return rows[0]
    xp = namespace(*rows)
    before = _sums_before(rows)
    after = [xp.flip(part, axis=-1) for part in _sums_before([xp.flip(row, axis=-1) for row in rows])]
    return _multiplied(before, after)[-1]


def _sums_before(rows: Sequence[Any]) -> Sums:
    """For each place, by set of directions, the sum of the products of the numbers before it.

    A scan: after each step a product has twice as many numbers, so that n numbers take log2(n) steps.
    """
    xp, size = namespace(*rows), rows[0].shape[-1]
    nothing = xp.zeros_like(rows[0])
    parts = [nothing] * (1 << (len(rows) - 1))
    parts[0] = rows[0]
    for i, direction in enumerate(rows[1:]):
        parts[1 << i] = direction
    sums, length = _moved(parts, 1), 1
    while length < size:
        sums = _multiplied(_moved(sums, length), sums)
        length *= 2
    return sums


def _moved(sums: Sums, count: int) -> Sums:
    """The sums, shifted by `count` places; the first places get the empty product."""
    xp = namespace(*sums)
    first = [(xp.zeros_like if used else xp.ones_like)(part[..., :count]) for used, part in enumerate(sums)]
    return [xp.concat([one, part[..., :-count]], axis=-1) for one, part in zip(first, sums, strict=True)]


def _multiplied(one: Sums, other: Sums) -> Sums:
    """Products of sums: each direction of a set is used by one of the two factors."""
    products = []
    for used in range(len(one)):
        parts = [part for part in range(1, 1 + used) if part & used == part]
        products.append(sum((one[part] * other[used ^ part] for part in parts), one[0] * other[used]))
    return products


define("ProdOfOthers", spec=_spec, kernel=_kernel, gradient=_gradient)

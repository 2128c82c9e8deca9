"""Windows of pooling: arguments, shapes, and the reductions of their values.

The window of a pool has a size for each axis of the image.  A maximum and a sum are taken along one axis after the
other, which reads fewer values than whole windows have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.errors import UnimplementedError
from dflow.ops.rules.arrays import is_integral, namespace, zeros
from dflow.ops.rules.static import only, spec_of
from dflow.ops.rules.windows import (
    Axis,
    at_run_time,
    axes_of,
    batches,
    channel_place,
    data_format_of,
    for_each_axis,
    out_size,
    padding_name,
    taps,
    whole_sizes,
)
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Attrs = dict[str, Any]
Axes = Sequence[Axis]


def attributes(ksize: Any, strides: Any, padding: Any, data_format: Any, rank: int, kind: str = "") -> Attrs:
    """The attributes of a pool.  kind: of one whose arguments have a number for each axis of the image."""
    layout = data_format_of(data_format, rank)
    sizes = [
        whole_sizes(value, rank, name, kind) if kind else for_each_axis(value, rank - 2, layout, name)
        for value, name in ((ksize, "ksize"), (strides, "strides"))
    ]
    if 0 in sizes[0]:
        raise ValueError("ksize cannot be zero.")
    return {"ksize": sizes[0], "strides": sizes[1], "padding": padding_name(padding), "data_format": layout}


# -- shapes


def pool_shape(x: TensorShape, attrs: Attrs) -> list[int | None]:
    """The sizes of the result, as far as they are known; ShapeError for sizes that do not fit."""
    ksize, strides = attrs["ksize"], attrs["strides"]
    rank = len(ksize)
    sizes = x.with_rank(rank)
    _check_windows(attrs, rank)
    return [
        out_size(size, window, stride, 1, attrs["padding"])
        for size, window, stride in zip(sizes, ksize, strides, strict=True)
    ]


def _check_windows(attrs: Attrs, rank: int) -> None:
    ksize, strides = attrs["ksize"], attrs["strides"]
    depth = channel_place(attrs["data_format"], rank)
    if ksize[0] != 1 or strides[0] != 1:
        raise UnimplementedError(None, None, "Pooling is not yet supported on the batch dimension.")
    if ksize[depth] == strides[depth] == 1:
        return
    others = [n for numbers in (ksize, strides) for place, n in enumerate(numbers) if place not in (0, depth)]
    if set(others) != {1}:
        raise UnimplementedError(
            None,
            None,
            "MaxPooling supports exactly one of pooling across depth or pooling across width/height.",
        )
    if ksize[depth] != strides[depth]:
        raise UnimplementedError(
            None, None, "Depthwise max pooling requires the depth window to equal the depth stride."
        )


def pool_spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return spec_of(pool_shape(x.shape, attrs), x.dtype)


def pool_axes(sizes: Sequence[int], attrs: Attrs) -> tuple[Axis, ...]:
    """All axes, in a kernel; InvalidArgumentError for sizes that do not fit."""
    with at_run_time():
        pool_shape(TensorShape(sizes), attrs)
    count = len(sizes)
    depth = channel_place(attrs["data_format"], count)
    if sizes[depth] % attrs["ksize"][depth]:
        raise UnimplementedError(
            None, None, "Depthwise max pooling requires the depth window to evenly divide the input depth."
        )
    return axes_of(sizes, attrs["ksize"], attrs["strides"], [1] * count, [attrs["padding"]] * count)


# -- along one axis after the other


def in_parts(x: Any, axes: Axes, outs: Sequence[int], work: Callable[..., Any], *others: Any) -> Any:
    """work(x, axes, *others) on parts of the batch, whose arrays stay in the cache: [n, *outs].

    The first axis of all arrays is the batch, of which no window has more than one item.
    """
    parts = list(batches(x.shape[0], math.prod(x.shape[1:]), x))
    if len(parts) < 2:
        return work(x, axes, *others)
    result = np.empty((x.shape[0], *outs), x.dtype) if type(x) is np.ndarray else zeros(x, (x.shape[0], *outs))
    for part in parts:
        count = part.stop - part.start
        batch = Axis(count, 1, 1, 1, 0, 0, count)
        arrays = [other[part, ...] for other in others]
        result[part, ...] = work(x[part, ...], (batch, *axes[1:]), *arrays)
    return result


def reduced(x: Any, axes: Axes, function: str) -> Any:
    """The windows of an array reduced by "maximum" or "add"."""
    outs = [axis.out for axis in axes[1:]]
    return in_parts(x, axes, outs, lambda part, axes: _reduced(part, axes, function))


def _reduced(x: Any, axes: Axes, function: str) -> Any:
    start = _smallest(x) if function == "maximum" else 0
    for place, axis in enumerate(axes):
        if not axis.plain:
            x = _along(x, place, axis, function, start)
    return x


def _along(x: Any, place: int, axis: Axis, function: str, start: Any) -> Any:
    """The windows along one axis."""
    if axis.out == 1 and axis.window == axis.size and not axis.before and not axis.after:
        whole_axis = {"maximum": namespace(x).max, "add": namespace(x).sum}[function]
        return whole_axis(x, axis=place, keepdims=True)
    before = (slice(None),) * place
    parts = [axis.tap(k) for k in range(axis.window)]
    whole = [values for windows, values in parts if windows == slice(0, axis.out)]
    xp = namespace(x)
    if len(whole) >= 2:  # two taps that all windows have: their result is a new array
        y = getattr(xp, function)(x[(*before, whole[0], ...)], x[(*before, whole[1], ...)])
        parts = [part for part in parts if part[1] not in whole[:2]]
    else:
        y = zeros(x, (*x.shape[:place], axis.out, *x.shape[place + 1 :]))
        if start:
            y[...] = start
    for windows, values in parts:
        _combine(function, y[(*before, windows, ...)], x[(*before, values, ...)])
    return y


def _combine(function: str, into: Any, x: Any) -> None:
    """Change the first array, a view, to the result of a function on both."""
    if type(into) is np.ndarray:
        getattr(np, function)(into, x, out=into)
    else:
        into[...] = getattr(namespace(into), function)(into, x)


def _smallest(x: Any) -> Any:
    return namespace(x).iinfo(x.dtype).min if is_integral(x) else -float("inf")


# -- the value of each window that is its largest


Read = tuple[slice, ...]


def winners(x: Any, y: Any, axes: Axes) -> Iterator[tuple[Read, Read, Any]]:
    """For each tap of the window: the windows that have it, the values that it reads, and where it is the largest.

    y: the largest value of each window of x.  Of equal values the first counts, and so does NaN.
    """
    xp = namespace(x, y)
    free: Any = None  # the windows whose largest value is still to come; None: all
    last = _last_of_all(axes)
    for place, windows, values in taps(axes):
        if free is not None and place == last:
            yield windows, values, free[(*windows, ...)]
            continue
        candidates, largest = x[(*values, ...)], y[(*windows, ...)]
        if free is None:
            free = xp.ones(tuple(y.shape), dtype=xp.bool, device=device(y))
            found = xp.logical_not(candidates < largest)
        else:
            found = xp.logical_and(candidates >= largest, free[(*windows, ...)])
        free[(*windows, ...)] = xp.logical_xor(free[(*windows, ...)], found)
        yield windows, values, found


def _last_of_all(axes: Axes) -> tuple[int, ...] | None:
    """The last tap, if all windows have it: what no other tap has taken is its own."""
    place = tuple(axis.window - 1 for axis in axes)
    there = all(axis.tap(k)[0] == slice(0, axis.out) for axis, k in zip(axes, place, strict=True))
    return place if there else None


def apart(axes: Axes) -> bool:
    """Whether no two windows have a value in common."""
    return all(axis.stride >= axis.window for axis in axes)

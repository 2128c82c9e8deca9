"""Convolutions and their gradients as products of matrices, for arrays whose channels are last.

    x [n, *sizes, c],  f [*window, c, o]  ->  y [n, *outs, o]

The windows of x as the rows of a matrix times the filter, [|window| * c, o], are the result.  That matrix is |window|
times as large as x, and to write it takes longer than to multiply it.  So windows are unfolded along all axes but the
last: then the rest of a window is `width` rows that follow each other in memory, and every `width`-th window is a row
of a matrix that is a view of this memory.  `width` such products make the result.  The price are windows that reach
over the end of a line: they are computed and left out, so that lines which are short, or whose product is costly, are
unfolded along their last axis too.  The gradients go the same way: the one of the filter with the products transposed,
the one of x with the products first, and folded then.

A batch is computed in parts, whose unfolded windows stay in the cache of the processor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.windows import NO_WINDOW, Axis, batches, taps

COST = 16  # numbers that are multiplied and added in the time in which one is copied

Axes = Sequence[Axis]


def convolve(x: Any, f: Any, axes: Axes) -> Any:
    """The convolution; a view of a larger array, if lines have a gap between them."""
    if _in_steps(axes[-1], f.shape[-1]):
        return convolve(_stepped(x, axes[-1]), _stepped_filter(f, axes[-1]), _step_axes(axes))
    x, f, axes = _with_lines(x, f, axes)
    *lead, last = axes
    xp, width, outputs = namespace(x), last.window, f.shape[-1]
    weights = _matrix(f)
    lines, pitch = math.prod(axis.out for axis in lead), _pitch(last)
    y = _empty(x, (x.shape[0] * lines * pitch, outputs))
    for part in batches(x.shape[0], lines * pitch * weights.shape[0] // width, x):
        rows = _unfolded(x[part, ...], lead, last)
        first, end = part.start * lines * pitch, part.stop * lines * pitch
        for windows, block in _windows(rows, width, end - first):
            _multiply(block, weights, y[first:end, :], windows)
    y = xp.reshape(y, (x.shape[0], *(axis.out for axis in lead), pitch, outputs))
    return _without_lines(y[..., : last.out, :], axes)


def filter_gradient(x: Any, dy: Any, axes: Axes) -> Any:
    """The gradient of the filter: [*window, c, o]."""
    window, (c, o) = [axis.window for axis in axes], (x.shape[-1], dy.shape[-1])
    if _in_steps(axes[-1], o):
        df = filter_gradient(_stepped(x, axes[-1]), dy, _step_axes(axes))
        return namespace(df).reshape(df, (*window[:-1], -1, c, o))[..., : window[-1], :, :]
    x, dy, axes = _with_lines(x, dy, axes, products=o)
    *lead, last = axes
    xp, width, pitch = namespace(x), last.window, _pitch(last)
    taps_in_line = math.prod(axis.window for axis in lead) * c
    lines = math.prod(axis.out for axis in lead)
    total = zeros(x, (width * taps_in_line, o))
    for part in batches(x.shape[0], lines * pitch * taps_in_line, x):
        rows = _unfolded(x[part, ...], lead, last)
        grads = _in_lines(dy[part, ...], pitch, 0, 0)
        for windows, block in _windows(rows, width, grads.shape[0]):
            total += xp.matmul(xp.matrix_transpose(block), grads[windows, :])
    total = xp.reshape(total, (width, *(axis.window for axis in lead), c, o))
    return xp.reshape(xp.moveaxis(total, 0, len(lead)), (*window, c, o))


def input_gradient(dy: Any, f: Any, axes: Axes) -> Any:
    """The gradient of x: [n, *sizes, c]."""
    sizes = [axis.size for axis in axes]
    if _in_steps(axes[-1], f.shape[-1]):
        return _whole(input_gradient(dy, _stepped_filter(f, axes[-1]), _step_axes(axes)), axes[-1])
    dy, f, axes = _with_lines(dy, f, axes)
    *lead, last = axes
    xp, width, pitch, c = namespace(dy), last.window, _pitch(last), f.shape[-2]
    weights = _matrix_back(f)
    dx = zeros(dy, (dy.shape[0], *(axis.size for axis in lead), last.size, c))
    shape = (*(axis.out for axis in lead), pitch, weights.shape[1] // c, c)
    for part in batches(dy.shape[0], math.prod(shape), dy):
        rows = _in_lines(dy[part, ...], pitch, width - 1 - last.before, last.before)
        columns = _empty(dy, (rows.shape[0] - width + 1, weights.shape[1]))
        for windows, block in _windows(rows, width, columns.shape[0]):
            _multiply(block, weights, columns, windows)
        unfolded = xp.reshape(columns, (part.stop - part.start, *shape))[..., : last.size, :, :]
        _fold(unfolded, lead, dx[part, ...])
    return xp.reshape(dx, (dy.shape[0], *sizes, c))


# -- steps along lines: with a stride s, s values of a line are the channels of one of a shorter line


def _in_steps(last: Axis, o: int) -> bool:
    """Whether a line is shortened: if the window does not get much longer by the zeros that fill its last step."""
    more = last.stride * _steps(last) - last.window
    return last.stride > 1 == last.dilation and last.window > last.stride and more * o <= COST * last.window


def _steps(last: Axis) -> int:
    """The window in steps."""
    return -(-last.window // last.stride)


def _step_axes(axes: Axes) -> Axes:
    steps = _steps(axes[-1])
    return (*axes[:-1], Axis(axes[-1].out + steps - 1, steps, 1, 1, 0, 0, axes[-1].out))


def _stepped(x: Any, last: Axis) -> Any:
    """Images with shorter lines of more channels, with the zeros around the lines."""
    length = last.stride * (last.out + _steps(last) - 1)
    line = zeros(x, (*x.shape[:-2], length, x.shape[-1]))
    used = min(last.size, length - last.before)
    line[..., last.before : last.before + used, :] = x[..., :used, :]
    return namespace(x).reshape(line, (*x.shape[:-2], -1, last.stride * x.shape[-1]))


def _stepped_filter(f: Any, last: Axis) -> Any:
    steps = _steps(last)
    line = zeros(f, (*f.shape[:-3], last.stride * steps, *f.shape[-2:]))
    line[..., : last.window, :, :] = f
    return namespace(f).reshape(line, (*f.shape[:-3], steps, -1, f.shape[-1]))


def _whole(dx: Any, last: Axis) -> Any:
    """Images from those of shorter lines; what no window has read is zero."""
    c = dx.shape[-1] // last.stride
    line = namespace(dx).reshape(dx, (*dx.shape[:-2], -1, c))[..., last.before :, :]
    missing = last.size - line.shape[-2]
    if missing <= 0:
        return line[..., : last.size, :]
    whole = zeros(dx, (*dx.shape[:-2], last.size, c))
    whole[..., : line.shape[-2], :] = line
    return whole


# -- lines


def _with_lines(x: Any, f: Any, axes: Axes, products: int | None = None) -> tuple[Any, Any, Axes]:
    """The arrays with a last axis that is not unfolded; if there is none, with one of one value.

    f: a filter [..., c, o], or, if `products` is given, gradients of the result, [n, ..., o].
    """
    last = axes[-1]
    one_by_one = last.stride == last.dilation == 1 and max(last.before, last.after) < last.window
    wasted = _pitch(last) - last.out
    if last.window > 1 and one_by_one and wasted * (products or f.shape[-1]) <= COST * last.out:
        return x, f, axes
    xp = namespace(x, f)
    x = xp.expand_dims(x, axis=-2)
    return x, xp.expand_dims(f, axis=-2 if products else -3), (*axes, NO_WINDOW)


def _without_lines(y: Any, axes: Axes) -> Any:
    return namespace(y).squeeze(y, axis=-2) if axes[-1] is NO_WINDOW else y


def _pitch(last: Axis) -> int:
    """The rows from one line to the next: the zeros behind a line are those before the next one, too."""
    return last.size + max(last.before, last.after)


def _matrix(f: Any) -> Any:
    """A filter as [width * taps * c, o]."""
    xp = namespace(f)
    return xp.reshape(xp.moveaxis(f, -3, 0), (-1, f.shape[-1]))


def _matrix_back(f: Any) -> Any:
    """A filter as [width * o, taps * c], its last axis reversed."""
    xp = namespace(f)
    width, o = f.shape[-3], f.shape[-1]
    moved = xp.moveaxis(xp.flip(xp.moveaxis(f, -3, 0), axis=0), -1, 1)
    return xp.reshape(moved, (width * o, -1))


def _unfolded(x: Any, lead: Axes, last: Axis) -> Any:
    """The windows along the leading axes: rows of [taps * c], `pitch` of them for each line."""
    xp, c, pitch = namespace(x), x.shape[-1], _pitch(last)
    if last is NO_WINDOW and all(axis.plain for axis in lead):
        return xp.reshape(x, (-1, c))
    count, outs = math.prod(axis.window for axis in lead), [axis.out for axis in lead]
    total = x.shape[0] * math.prod(outs) * pitch
    rows = zeros(x, (total + last.window - 1, count * c))
    lines = xp.reshape(rows[last.before : last.before + total, :], (x.shape[0], *outs, pitch, count, c))
    for place, (_, windows, values) in enumerate(taps(lead)):
        lines[(slice(None), *windows, slice(0, last.size), place, slice(None))] = x[(slice(None), *values, ...)]
    return rows


def _fold(unfolded: Any, lead: Axes, dx: Any) -> None:
    """Add each unfolded value to the one that it was read from."""
    for place, (_, windows, values) in enumerate(taps(lead)):
        dx[(slice(None), *values, ...)] += unfolded[(slice(None), *windows, slice(None), place, slice(None))]


def _in_lines(dy: Any, pitch: int, before: int, after: int) -> Any:
    """Gradients of the result as rows of [o], `pitch` of them for each line, zeros in the gaps."""
    xp, o, out = namespace(dy), dy.shape[-1], dy.shape[-2]
    if pitch == out and not before and not after:
        return xp.reshape(dy, (-1, o))
    total = math.prod(dy.shape[:-2]) * pitch
    rows = zeros(dy, (before + total + after, o))
    lines = xp.reshape(rows[before : before + total, :], (*dy.shape[:-2], pitch, o))
    lines[..., :out, :] = dy
    return rows


# -- products


def _windows(rows: Any, width: int, count: int) -> Iterator[tuple[slice, Any]]:
    """The windows of `width` rows that begin at rows 0 to `count` - 1: which ones, and these as a matrix."""
    xp, size = namespace(rows), rows.shape[1]
    if width == 1:
        yield slice(0, count, 1), rows
        return
    flat = xp.reshape(rows, (-1,))
    for first in range(min(width, count)):
        number = -(-(count - first) // width)
        block = flat[first * size : (first + number * width) * size]
        yield slice(first, count, width), xp.reshape(block, (number, width * size))


def _multiply(block: Any, weights: Any, into: Any, rows: slice) -> None:
    """Write a product into some rows of a matrix."""
    if type(block) is np.ndarray:
        np.matmul(block, weights, out=into[rows])
    else:
        into[rows, :] = namespace(block).matmul(block, weights)


def _empty(like: Any, shape: tuple[int, ...]) -> Any:
    return np.empty(shape, like.dtype) if type(like) is np.ndarray else zeros(like, shape)

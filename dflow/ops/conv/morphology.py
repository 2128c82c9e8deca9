"""Dilation and erosion of images: convolutions with a maximum in the place of the sum.

Source: nn_ops and nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.math.arithmetic import negative
from dflow.ops.rules.arrays import is_integral, namespace, zeros
from dflow.ops.rules.building import one_of, operation, scoped
from dflow.ops.rules.static import only, operands, same_dtype, spec_of
from dflow.ops.rules.windows import (
    Axis,
    at_run_time,
    axes_of,
    narrow,
    out_size,
    padding_name,
    taps,
    whole_sizes,
    wide,
)
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["dilation2d", "erosion2d"]


def dilation2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The largest sum of a value and the filter in each window: max of x[n, i + h, j + w, c] + f[h, w, c].

    input: real numbers, [n, height, width, c]; filter: [h, w, c] -> [n, outs, outs, c].  strides, rates: four numbers.
    Source: tf.nn.dilation2d.
    """
    attrs = {
        "strides": whole_sizes(strides, 4, "strides", "Dilation2D"),
        "rates": whole_sizes(one_of("dilations", dilations, "rates", rates), 4, "rates", "Dilation2D"),
        "padding": padding_name(padding),
    }
    values = input, one_of("filters", filters, "filter", filter)
    result: Tensor = operation("Dilation2D", ("input", "filter"), values, name, **attrs)
    return result


def erosion2d(value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None) -> Tensor:
    """The smallest difference of a value and the kernel in each window: min of x[n, i + h, j + w, c] - f[h, w, c].

    value: real numbers, [n, height, width, c]; kernel: [h, w, c].  strides, rates: four numbers.
    Source: tf.nn.erosion2d.
    """
    with scoped("erosion2d", name, value, kernel) as scope:
        x, f = operands((value, kernel), ("value", "kernel"), "erosion2d")
        mirrored = f[::-1, ::-1]
        return negative(dilation2d(negative(x), mirrored, strides, rates, padding, scope))


def _shape(x: TensorShape, f: TensorShape, strides: Any, rates: Any, padding: str) -> list[int | None]:
    sizes, window = x.with_rank(4), f.with_rank(3)
    if (strides[0], strides[3], rates[0], rates[3]) != (1, 1, 1, 1):
        raise ShapeError(f"strides and rates of the batch and the depth are 1, got {list(strides)} and {list(rates)}")
    (depth,) = TensorShape(sizes[3:]).merge_with(TensorShape(window[2:])).known
    outs = [out_size(sizes[i], window[i - 1], strides[i], rates[i], padding) for i in (1, 2)]
    return [sizes[0], *outs, depth]


def _spec(x: TensorSpec, f: TensorSpec, **attrs: Any) -> TensorSpec:
    same_dtype(x, f)
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return spec_of(_shape(x.shape, f.shape, **attrs), x.dtype)


def _axes(x: Any, f: Any, strides: Any, rates: Any, padding: str) -> tuple[Axis, ...]:
    with at_run_time():
        _shape(TensorShape(x.shape), TensorShape(f.shape), strides, rates, padding)
    return axes_of(x.shape[1:3], f.shape[:2], strides[1:3], rates[1:3], [padding] * 2)


def _largest(x: Any, f: Any, axes: Sequence[Axis]) -> Any:
    xp = namespace(x)
    y = zeros(x, (x.shape[0], *(axis.out for axis in axes), x.shape[3]))
    y[...] = xp.iinfo(x.dtype).min if is_integral(x) else -float("inf")
    for place, windows, values in taps(axes):
        at = (slice(None), *windows, slice(None))
        y[at] = xp.maximum(y[at], x[(slice(None), *values, slice(None))] + f[(*place, ...)])
    return y


def _kernel(x: Any, f: Any, **attrs: Any) -> Any:
    return narrow(_largest(wide(x), wide(f), _axes(x, f, **attrs)), x)


def _winners(x: Any, f: Any, dy: Any, axes: Sequence[Axis]) -> Iterator[tuple[Any, Any, Any]]:
    """For each tap: its place, the values that it reads, and the gradients of the windows in which it is the first."""
    xp = namespace(x)
    y = _largest(x, f, axes)
    free = xp.astype(xp.ones_like(y), xp.bool)
    for place, windows, values in taps(axes):
        at, read = (slice(None), *windows, slice(None)), (slice(None), *values, slice(None))
        first = xp.logical_and(free[at], x[read] + f[(*place, ...)] == y[at])
        free[at] = xp.logical_and(free[at], xp.logical_not(first))
        yield place, read, xp.where(first, dy[at], xp.zeros_like(dy[at]))


def _checked(x: Any, f: Any, dy: Any, attrs: dict[str, Any]) -> tuple[Any, Any, Any, tuple[Axis, ...]]:
    axes = _axes(x, f, **attrs)
    expected = (x.shape[0], *(axis.out for axis in axes), x.shape[3])
    if tuple(dy.shape) != expected:
        raise InvalidArgumentError(
            None, None, f"out_backprop has a shape of {list(dy.shape)}, the result is {list(expected)}"
        )
    return wide(x), wide(f), wide(dy), axes


def _input_kernel(x: Any, f: Any, dy: Any, **attrs: Any) -> Any:
    values, taps_, grads, axes = _checked(x, f, dy, attrs)
    dx = zeros(values, tuple(x.shape))
    for _, read, part in _winners(values, taps_, grads, axes):
        dx[read] += part
    return narrow(dx, x)


def _filter_kernel(x: Any, f: Any, dy: Any, **attrs: Any) -> Any:
    values, taps_, grads, axes = _checked(x, f, dy, attrs)
    df = zeros(values, tuple(f.shape))
    for place, _, part in _winners(values, taps_, grads, axes):
        df[(*place, ...)] = namespace(part).sum(part, axis=(0, 1, 2), dtype=part.dtype)
    return narrow(df, f)


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    x, f = op.inputs
    return (
        add_op("Dilation2DBackpropInput", x, f, dy, **op.attrs),
        add_op("Dilation2DBackpropFilter", x, f, dy, **op.attrs),
    )


_NO_SECOND = no_gradient("TensorFlow has no second gradient of dilation2d either")

define("Dilation2D", spec=_spec, kernel=_kernel, gradient=_gradient)
define(
    "Dilation2DBackpropInput",
    spec=lambda x, f, dy, **attrs: x,
    kernel=_input_kernel,
    gradient=_NO_SECOND,
)
define(
    "Dilation2DBackpropFilter",
    spec=lambda x, f, dy, **attrs: f,
    kernel=_filter_kernel,
    gradient=_NO_SECOND,
)

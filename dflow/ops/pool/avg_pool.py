"""The mean of each window of an image, and its gradient.  What lies outside of the image does not count.

Source: nn_ops and nn_grad of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import device

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.shape import shape
from dflow.ops.pool.max_pool import of_sequences
from dflow.ops.pool.windows import Attrs, Axes, attributes, in_parts, pool_axes, pool_shape, pool_spec, reduced
from dflow.ops.rules.arrays import namespace, sizes_of, zeros
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import known_shape, only, shape_argument, spec_of
from dflow.ops.rules.windows import Axis, narrow, wide
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["avg_pool", "avg_pool1d", "avg_pool2d", "avg_pool3d", "avg_pool_grad"]


def avg_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The mean of each window of images.  value: floating, [n, height, width, c] -> [n, outs, outs, c].

    ksize, strides: one number, two, or four.  padding: "SAME" or "VALID"; what lies outside does not count.
    Errors: as `max_pool`.  Source: tf.nn.avg_pool.
    """
    attrs = attributes(ksize, strides, padding, data_format, 4)
    value = one_of("input", input, "value", value)
    with scoped("AvgPool", name, value) as scope:
        result: Tensor = add_op("AvgPool", convert_to_tensor(value, name="value"), name=scope, **attrs)
    return result


def avg_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NHWC", name: str | None = None
) -> Tensor:
    """As `avg_pool`.  Source: tf.nn.avg_pool2d."""
    with scoped("AvgPool2D", name, input) as scope:
        return avg_pool(input, ksize, strides, padding, data_format, scope)


def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NDHWC", name: str | None = None
) -> Tensor:
    """The mean of each window of volumes, [n, d, h, w, c].  ksize, strides: one number, three, or five.

    Source: tf.nn.avg_pool3d.
    """
    attrs = attributes(ksize, strides, padding, data_format, 5)
    with scoped("AvgPool3D", name, input) as scope:
        result: Tensor = add_op("AvgPool3D", convert_to_tensor(input, name="input"), name=scope, **attrs)
    return result


def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NWC", name: str | None = None
) -> Tensor:
    """The mean of each window of sequences, [n, width, c].  ksize, strides: one number, or three.

    Source: tf.nn.avg_pool1d.
    """
    with scoped("AvgPool1D", name, input):
        return of_sequences("AvgPool", input, ksize, strides, padding, data_format)


def avg_pool_grad(
    orig_input_shape: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """The gradient of images of `orig_input_shape`, numbers or a tensor, in `avg_pool`, from that of its result.

    Source: the operation AvgPoolGrad.
    """
    attrs = attributes(ksize, strides, padding, data_format, 4)
    return _back("AvgPoolGrad", orig_input_shape, convert_to_tensor(grad), attrs, name)


def avg_pool3d_grad(
    orig_input_shape: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    name: str | None = None,
) -> Tensor:
    """As `avg_pool_grad`, for `avg_pool3d`.  Source: the operation AvgPool3DGrad."""
    attrs = attributes(ksize, strides, padding, data_format, 5)
    return _back("AvgPool3DGrad", orig_input_shape, convert_to_tensor(grad), attrs, name)


def _back(kind: str, sizes: Any, dy: Tensor, attrs: Attrs, name: str | None = None) -> Tensor:
    number, inputs = shape_argument(sizes)
    result: Tensor = add_op(kind, *inputs, dy, name=name, sizes=number, **attrs)
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


# -- rules


def _spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    return pool_spec(x, **attrs)


def _kernel(x: Any, **attrs: Any) -> Any:
    axes = pool_axes(x.shape, attrs)
    values = wide(x)
    return narrow(_divided(reduced(values, axes, "add"), axes), x)


def _divided(y: Any, axes: Axes) -> Any:
    """The sums of windows divided by the numbers of their values inside of the image."""
    if not any(axis.before or axis.after for axis in axes):
        return y * (1 / math.prod(axis.window for axis in axes))
    xp = namespace(y)
    for place, axis in enumerate(axes):
        if not axis.plain:
            shares = xp.asarray([1 / count for count in _counts(axis)], dtype=y.dtype, device=device(y))
            y = y * xp.reshape(shares, (-1, *(1,) * (len(axes) - place - 1)))
    return y


def _counts(axis: Axis) -> list[int]:
    """The number of values of each window."""
    counts = [0] * axis.out
    for k in range(axis.window):
        windows, _ = axis.tap(k)
        for window in range(windows.start, windows.stop):
            counts[window] += 1
    return [max(1, count) for count in counts]


def _grad_kernel(*arrays: Any, sizes: Any, **attrs: Any) -> Any:
    dy = arrays[-1]
    target = sizes_of(arrays[0]) if sizes is None else sizes
    axes = pool_axes(target, attrs)
    if tuple(dy.shape) != tuple(axis.out for axis in axes):
        raise InvalidArgumentError(
            None, None, f"the gradient has a shape of {list(dy.shape)}, the result {[axis.out for axis in axes]}"
        )
    return narrow(in_parts(wide(dy), axes, target[1:], _shared), dy)


def _shared(dy: Any, axes: Axes) -> Any:
    """The gradient of each window's mean, shared by the values of the window."""
    dx = _divided(dy, axes)
    for place, axis in enumerate(axes):
        if not axis.plain:
            dx = _spread(dx, place, axis)
    return dx


def _spread(dy: Any, place: int, axis: Axis) -> Any:
    """Each value of a window's gradient added to all values of the window, along one axis."""
    dx = zeros(dy, (*dy.shape[:place], axis.size, *dy.shape[place + 1 :]))
    before = (slice(None),) * place
    for k in range(axis.window):
        windows, values = axis.tap(k)
        if k < axis.stride:  # no other tap has read these values yet
            dx[(*before, values, ...)] = dy[(*before, windows, ...)]
        else:
            dx[(*before, values, ...)] += dy[(*before, windows, ...)]
    return dx


def _grad_spec(*inputs: TensorSpec, sizes: Any, **attrs: Any) -> TensorSpec:
    dy, rank = inputs[-1], len(attrs["ksize"])
    only(dy, dy.dtype.is_floating, "floating numbers")
    dy.shape.with_rank(rank)
    if sizes is not None:
        expected = pool_shape(TensorShape(sizes), attrs)
        dy.shape.merge_with(expected)
        return spec_of(sizes, dy.dtype)
    only(inputs[0], inputs[0].dtype.is_integer, "integers as sizes")
    inputs[0].shape.merge_with([rank])
    return spec_of([None] * rank, dy.dtype)


def _define(kind: str, grad: str) -> None:
    def gradient(op: Operation, dy: Tensor) -> Tensor:
        x = op.inputs[0]
        return _back(grad, x.shape.as_list() if x.shape.is_fully_defined() else shape(x), dy, op.attrs)

    def second(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
        attrs = {key: value for key, value in op.attrs.items() if key != "sizes"}
        return (*[None] * (len(op.inputs) - 1), add_op(kind, dx, **attrs))

    define(kind, spec=_spec, kernel=_kernel, gradient=gradient)
    define(grad, spec=_grad_spec, kernel=_grad_kernel, gradient=second)


_define("AvgPool", "AvgPoolGrad")
_define("AvgPool3D", "AvgPool3DGrad")

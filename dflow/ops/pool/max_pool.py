"""The largest value of each window of an image, and its gradients.

The gradient goes to the first of equal values.
Source: nn_ops and nn_grad of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.pool.windows import Attrs, Axes, apart, attributes, in_parts, pool_axes, pool_spec, reduced, winners
from dflow.ops.rules.arrays import ints, namespace, zeros
from dflow.ops.rules.building import one_of, operation, scoped
from dflow.ops.rules.static import is_symbolic, known_value, only, same_dtype, spec_of
from dflow.ops.rules.windows import channels_first
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["max_pool", "max_pool1d", "max_pool2d", "max_pool3d", "max_pool_grad", "max_pool_grad_grad", "max_pool_v2"]


def max_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The largest value of each window of images.

    value: real numbers, [n, height, width, c] -> [n, outs, outs, c].  ksize, strides: one number, two, or four.
    padding: "SAME" or "VALID"; what lies outside does not count.  A window along the channels, ksize [1, 1, 1, k],
    has to have its size as stride.  ShapeError, or InvalidArgumentError at run time, for a window that does not fit;
    UnimplementedError for one along the batch.  Source: tf.nn.max_pool.
    """
    attrs = attributes(ksize, strides, padding, data_format, 4)
    value = one_of("input", input, "value", value)
    with scoped("MaxPool", name, value) as scope:
        x = convert_to_tensor(value, name="value")
        result: Tensor = add_op("MaxPool", x, name=scope, **attrs)
    return result


def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NHWC", name: str | None = None
) -> Tensor:
    """As `max_pool`.  Source: tf.nn.max_pool2d."""
    with scoped("MaxPool2d", name, input) as scope:
        return max_pool(input, ksize, strides, padding, data_format, scope)


def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NDHWC", name: str | None = None
) -> Tensor:
    """The largest value of each window of volumes, [n, d, h, w, c].  ksize, strides: one number, three, or five.

    Source: tf.nn.max_pool3d.
    """
    attrs = attributes(ksize, strides, padding, data_format, 5)
    with scoped("MaxPool3D", name, input) as scope:
        result: Tensor = add_op("MaxPool3D", convert_to_tensor(input, name="input"), name=scope, **attrs)
    return result


def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NWC", name: str | None = None
) -> Tensor:
    """The largest value of each window of sequences, [n, width, c].  ksize, strides: one number, or three.

    Source: tf.nn.max_pool1d.
    """
    with scoped("MaxPool1d", name, input):
        return of_sequences("MaxPool", input, ksize, strides, padding, data_format)


def of_sequences(kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None) -> Tensor:
    """A pool of sequences, by that of images of height 1."""
    flat = attributes(ksize, strides, padding, data_format, 3)
    place = 2 if channels_first(flat["data_format"]) else 1
    attrs = {
        "ksize": (*flat["ksize"][:place], 1, *flat["ksize"][place:]),
        "strides": (*flat["strides"][:place], 1, *flat["strides"][place:]),
        "padding": flat["padding"],
        "data_format": "NCHW" if place == 2 else "NHWC",
    }
    y = add_op(kind, expand_dims(input, place), name=kind, **attrs)
    return squeeze(y, [place])


def max_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NHWC", name: str | None = None
) -> Tensor:
    """As `max_pool`; ksize and strides may also be tensors of four numbers.  Source: the operation MaxPoolV2."""
    numbers = [known_value(convert_to_tensor(n)) if is_symbolic(n) else n for n in (ksize, strides)]
    if numbers[0] is not None and numbers[1] is not None:
        return max_pool(input, numbers[0], numbers[1], padding, data_format, name or "MaxPoolV2")
    attrs = attributes([1] * 4, [1] * 4, padding, data_format, 4)
    kept = {key: attrs[key] for key in ("padding", "data_format")}
    result: Tensor = operation("MaxPoolV2", ("input",), (input,), name, ksize, strides, **kept)
    return result


# -- rules


def _kernel(x: Any, **attrs: Any) -> Any:
    y = reduced(x, pool_axes(x.shape, attrs), "maximum")
    return namespace(x).asarray(x, copy=True) if y is x else y


def _like(spec: Callable[[Sequence[TensorSpec]], TensorSpec]) -> Callable[..., TensorSpec]:
    """The shape rule of a gradient of (image, pooled, gradient of one of them)."""

    def rule(x: TensorSpec, y: TensorSpec, dy: TensorSpec, **attrs: Any) -> TensorSpec:
        same_dtype(x, y, dy)
        only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
        rank = len(attrs["ksize"])
        for item in (x, y, dy):
            item.shape.with_rank(rank)
        return spec((x, y, dy))

    return rule


def _axes_of_both(x: Any, y: Any, other: Any, like: Any, attrs: Attrs) -> Any:
    axes = pool_axes(x.shape, attrs)
    expected = tuple(axis.out for axis in axes)
    if tuple(y.shape) != expected or tuple(other.shape) != tuple(like.shape):
        raise InvalidArgumentError(
            None,
            None,
            f"Expected an output of shape {list(expected)} and a gradient of shape {list(like.shape)}, "
            f"got {list(y.shape)} and {list(other.shape)}",
        )
    return axes


def _grad_kernel(x: Any, y: Any, dy: Any, **attrs: Any) -> Any:
    axes = _axes_of_both(x, y, dy, y, attrs)
    return in_parts(x, axes, x.shape[1:], _grad, y, dy)


def _grad(x: Any, axes: Axes, y: Any, dy: Any) -> Any:
    dx = zeros(x, tuple(x.shape))
    alone, choose = apart(axes), _choice(dy)
    for windows, values, found in winners(x, y, axes):
        part = choose(found, dy[(*windows, ...)])
        if alone:
            dx[(*values, ...)] = part
        else:
            dx[(*values, ...)] += part
    return dx


def _choice(values: Any) -> Callable[[Any, Any], Any]:
    """A function of truths and values: the values where it is true, 0 elsewhere.

    Of finite numbers it is a product, which NumPy computes several times faster than a choice.
    """
    if type(values) is np.ndarray and values.dtype.char in "fd" and np.isfinite(values).all():
        return np.multiply
    xp = namespace(values)
    return lambda found, part: xp.where(found, part, xp.zeros_like(part))


def _grad_grad_kernel(x: Any, y: Any, dx: Any, **attrs: Any) -> Any:
    axes = _axes_of_both(x, y, dx, x, attrs)
    result, choose = zeros(y, tuple(y.shape)), _choice(dx)
    for windows, values, found in winners(x, y, axes):
        result[(*windows, ...)] += choose(found, dx[(*values, ...)])
    return result


def _define(kind: str, grad: str, grad_grad: str) -> None:
    """A pool, its gradient, and the gradient of that, whose gradient is the gradient again."""

    def gradient(op: Operation, dy: Tensor) -> Tensor:
        result: Tensor = add_op(grad, op.inputs[0], op.outputs[0], dy, **op.attrs)
        return result

    def second(other: str) -> Callable[..., Any]:
        def rule(op: Operation, dz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            x, y = op.inputs[:2]
            return zeros_like(x), zeros_like(y), add_op(other, x, y, dz, **op.attrs)

        return rule

    define(kind, spec=pool_spec, kernel=_kernel, gradient=gradient, owns_outputs=True)
    define(grad, spec=_like(lambda specs: specs[0]), kernel=_grad_kernel, gradient=second(grad_grad))
    define(grad_grad, spec=_like(lambda specs: specs[1]), kernel=_grad_grad_kernel, gradient=second(grad))


_define("MaxPool", "MaxPoolGrad", "MaxPoolGradGrad")
_define("MaxPool3D", "MaxPool3DGrad", "MaxPool3DGradGrad")


# -- windows that are known only at run time


def _late_spec(x: TensorSpec, ksize: TensorSpec, strides: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    x.shape.with_rank(4)
    for numbers in (ksize, strides):
        only(numbers, numbers.dtype.is_integer, "integers")
        if not numbers.shape.is_compatible_with([4]):
            raise ShapeError(f"ksize and strides are four numbers, got a shape of {numbers.shape}")
    return spec_of([None] * 4, x.dtype)


def _with_windows(attrs: Attrs, ksize: Any, strides: Any) -> Attrs:
    sizes, steps = ints(ksize), ints(strides)
    if len(sizes) != 4 or len(steps) != 4:
        raise InvalidArgumentError(None, None, f"ksize and strides are four numbers, got {sizes} and {steps}")
    return {**attrs, "ksize": sizes, "strides": steps}


def _late_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, ksize, strides = op.inputs
    return add_op("MaxPoolGradV2", x, op.outputs[0], dy, ksize, strides, **op.attrs), None, None


def _late_second(other: str) -> Callable[..., Any]:
    def rule(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
        x, y, _, ksize, strides = op.inputs
        return zeros_like(x), zeros_like(y), add_op(other, x, y, dz, ksize, strides, **op.attrs), None, None

    return rule


def _late(kernel: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays, **attrs: kernel(*arrays[:-2], **_with_windows(attrs, *arrays[-2:]))


define("MaxPoolV2", spec=_late_spec, kernel=_late(_kernel), gradient=_late_gradient)
define(
    "MaxPoolGradV2",
    spec=lambda x, *others, **attrs: x,
    kernel=_late(_grad_kernel),
    gradient=_late_second("MaxPoolGradGradV2"),
)
define(
    "MaxPoolGradGradV2",
    spec=lambda x, y, *others, **attrs: y,
    kernel=_late(_grad_grad_kernel),
    gradient=_late_second("MaxPoolGradV2"),
)


# -- gradients as functions


def max_pool_grad(
    orig_input: Any,
    orig_output: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """The gradient of the image in `max_pool`, from the image, its result and the gradient of that.

    Source: the operation MaxPoolGrad.
    """
    attrs = attributes(ksize, strides, padding, data_format, 4)
    names, values = ("orig_input", "orig_output", "grad"), (orig_input, orig_output, grad)
    result: Tensor = operation("MaxPoolGrad", names, values, name, **attrs)
    return result


def max_pool_grad_grad(
    orig_input: Any,
    orig_output: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """The gradient of the gradient in `max_pool_grad`: the values of `grad` at the largest value of each window.

    Source: the operation MaxPoolGradGrad.
    """
    attrs = attributes(ksize, strides, padding, data_format, 4)
    names, values = ("orig_input", "orig_output", "grad"), (orig_input, orig_output, grad)
    result: Tensor = operation("MaxPoolGradGrad", names, values, name, **attrs)
    return result

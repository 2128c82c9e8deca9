"""The largest value of each window of an image and where it is.

The places are numbers of values in the image: (row * width + column) * channels + channel, and, if the batch is to
count, with the values of the images before it.
Source: nn_ops.max_pool_with_argmax of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from array_api_compat import device

from dflow.dtypes import DType, as_dtype, int64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import zeros_like
from dflow.ops.pool.windows import attributes, pool_axes, pool_spec, reduced, winners
from dflow.ops.rules.arrays import check_indices, dtype_in, namespace, scatter_add, zeros
from dflow.ops.rules.building import one_of
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["max_pool_with_argmax"]

MaxPoolWithArgmax = namedtuple("MaxPoolWithArgmax", ["output", "argmax"])


def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> MaxPoolWithArgmax:
    """The largest value of each window of images, and its place in its image, or in the batch.

    input: real numbers, [n, height, width, c] -> values, places: [n, outs, outs, c], of `Targmax`: int32 or int64.
    ksize, strides: four numbers.  Source: tf.nn.max_pool_with_argmax.
    """
    if data_format != "NHWC":
        raise ValueError("data_format values other than 'NHWC' are not supported")
    target = as_dtype(one_of("output_dtype", output_dtype, "Targmax", Targmax) or int64)
    attrs = attributes(ksize, strides, padding, data_format, 4)
    result: list[Tensor] = add_op(
        "MaxPoolWithArgmax",
        input,
        name=name,
        Targmax=target,
        include_batch_in_index=bool(include_batch_in_index),
        **attrs,
    )
    return MaxPoolWithArgmax(*result)


def _spec(x: TensorSpec, Targmax: DType, include_batch_in_index: bool, **attrs: Any) -> list[TensorSpec]:
    only(TensorSpec(x.shape, Targmax), Targmax.name in ("int32", "int64"), "int32 and int64 as Targmax")
    pooled = pool_spec(x, **attrs)
    return [pooled, TensorSpec(pooled.shape, Targmax)]


def _places(x: Any, dtype: DType, with_batch: bool) -> Any:
    """The number of each value."""
    xp = namespace(x)
    count, sizes = x.shape[0] if with_batch else 1, x.shape[1:]
    numbers = xp.arange(count * math.prod(sizes), dtype=dtype_in(xp, dtype), device=device(x))
    return xp.broadcast_to(xp.reshape(numbers, (count, *sizes)), tuple(x.shape))


def _kernel(x: Any, Targmax: DType, include_batch_in_index: bool, **attrs: Any) -> tuple[Any, Any]:
    xp, axes = namespace(x), pool_axes(x.shape, attrs)
    y, places = reduced(x, axes, "maximum"), _places(x, Targmax, include_batch_in_index)
    chosen = zeros(places, tuple(y.shape))
    for windows, values, found in winners(x, y, axes):
        at = (*windows, ...)
        chosen[at] = xp.where(found, places[(*values, ...)], chosen[at])
    return y, chosen


def _gradient(op: Operation, dy: Tensor, _: Any = None) -> Tensor:
    attrs = {key: value for key, value in op.attrs.items() if key != "Targmax"}
    result: Tensor = add_op("MaxPoolGradWithArgmax", op.inputs[0], dy, op.outputs[1], **attrs)
    return result


def _in_rows(x: Any, places: Any, with_batch: bool) -> tuple[Any, int]:
    """The places as numbers of values in the batch, flat, and how many values it has."""
    xp, each = namespace(x), math.prod(x.shape[1:])
    count = each * x.shape[0]
    numbers = xp.astype(places, xp.int64, copy=False)
    if not with_batch:
        check_indices(numbers, each, "argmax")
        first = xp.arange(x.shape[0], dtype=xp.int64, device=device(x)) * each
        numbers = numbers + xp.reshape(first, (-1, *(1,) * (places.ndim - 1)))
    check_indices(numbers, count, "argmax")
    return xp.reshape(numbers, (-1,)), count


def _checked(x: Any, dy: Any, places: Any, expected: Any) -> None:
    if tuple(dy.shape) != tuple(expected) or x.shape[0] != places.shape[0]:
        raise InvalidArgumentError(
            None, None, f"the gradient has a shape of {list(dy.shape)}, {list(expected)} was expected"
        )


def _grad_kernel(x: Any, dy: Any, places: Any, include_batch_in_index: bool, **attrs: Any) -> Any:
    xp = namespace(x)
    _checked(x, dy, places, places.shape)
    rows, count = _in_rows(x, places, include_batch_in_index)
    return xp.reshape(scatter_add(count, rows, xp.reshape(dy, (-1,))), tuple(x.shape))


def _grad_grad_kernel(x: Any, dx: Any, places: Any, include_batch_in_index: bool, **attrs: Any) -> Any:
    xp = namespace(x)
    _checked(x, dx, places, x.shape)
    rows, _ = _in_rows(x, places, include_batch_in_index)
    return xp.reshape(xp.take(xp.reshape(dx, (-1,)), rows), tuple(places.shape))


def _second(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    x, _, places = op.inputs
    return zeros_like(x), add_op("MaxPoolGradGradWithArgmax", x, dx, places, **op.attrs), None


define("MaxPoolWithArgmax", spec=_spec, kernel=_kernel, gradient=_gradient)
define(
    "MaxPoolGradWithArgmax",
    spec=lambda x, dy, places, **attrs: x,
    kernel=_grad_kernel,
    gradient=_second,
)
define(
    "MaxPoolGradGradWithArgmax",
    spec=lambda x, dx, places, **attrs: TensorSpec(places.shape, x.dtype),
    kernel=_grad_grad_kernel,
    gradient=no_gradient("TensorFlow has no third gradient either"),
)

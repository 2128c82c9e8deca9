"""An operation on parts of an image whose points are `dilation_rate` apart: with holes, without its own dilation.

Source: nn_ops.with_space_to_batch of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.shape import shape
from dflow.ops.array.space import batch_to_space_nd, required_space_to_batch_paddings, space_to_batch_nd
from dflow.ops.array.stack import stack
from dflow.ops.rules.static import static_value

__all__ = ["with_space_to_batch"]


def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Callable[[Tensor, int, str], Tensor],
    filter_shape: Any = None,
    spatial_dims: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """op(image, number of spatial axes, padding) on the image, dilated by `dilation_rate`.

    dilation_rate: one positive number for each spatial axis.  padding: "SAME", for which `filter_shape` is the sizes of
    the window, known while the graph is built, or "VALID".  spatial_dims: the spatial axes, ascending; those behind the
    batch, or behind the channels if data_format starts with "NC", if they are None.
    ValueError for other arguments.  Source: with_space_to_batch.
    """
    x = convert_to_tensor(input, name="input")
    rates = static_value(dilation_rate)
    if rates is None or rates.ndim != 1 or rates.size < 1 or (rates < 1).any():
        raise ValueError("dilation_rate must be a vector of positive numbers that are known")
    count = rates.size
    first = 2 if str(data_format).startswith("NC") else 1
    axes = list(range(first, first + count)) if spatial_dims is None else [int(axis) for axis in spatial_dims]
    if axes != sorted(axes) or min(axes) < 1 or len(axes) != count:
        raise ValueError("spatial_dims must be a monotonically increasing sequence of positive integers")
    if x.shape.ndims is not None and x.shape.ndims <= max(axes):
        raise ValueError(f"input tensor must have rank {max(axes) + 1} at least")
    if (rates == 1).all():
        return op(x, count, padding)
    base = _paddings(padding, filter_shape, rates)
    known = [x.shape[axis] for axis in axes] if x.shape.ndims is not None else [None]
    sizes: Any = known if None not in known else stack([shape(x)[axis] for axis in axes])
    paddings, crops = required_space_to_batch_paddings(sizes, rates, base)
    blocks, paddings, crops = (
        _with_other_axes(numbers, axes, fill) for numbers, fill in ((rates, 1), (paddings, 0), (crops, 0))
    )
    result = op(space_to_batch_nd(x, blocks, paddings), count, "VALID")
    return batch_to_space_nd(result, blocks, crops)


def _paddings(padding: str, filter_shape: Any, rates: Any) -> Any:
    """The zeros before and behind each spatial axis, as of a dilated window with strides of 1."""
    if padding == "VALID":
        return np.zeros((rates.size, 2), np.int32)
    if padding != "SAME":
        raise ValueError(f"Invalid padding method {padding!r}")
    if filter_shape is None:
        raise ValueError("filter_shape must be specified for SAME padding")
    window = static_value(filter_shape)
    if window is None:
        raise ValueError("filter_shape must be known while the graph is built for SAME padding")
    total = (window[: rates.size] - 1) * rates
    return np.stack([total // 2, total - total // 2], axis=1)


def _with_other_axes(numbers: Any, axes: Sequence[int], fill: int) -> Any:
    """Numbers of the spatial axes with those of the axes between the batch and the last of them."""
    last = max(axes)
    if axes == list(range(1, last + 1)):
        return numbers
    value = static_value(numbers)
    if value is not None:
        whole = np.full((last, *value.shape[1:]), fill, value.dtype)
        whole[[axis - 1 for axis in axes]] = value
        return whole
    tensor = convert_to_tensor(numbers)
    rows = [tensor[axes.index(axis)] if axis in axes else [fill, fill] for axis in range(1, last + 1)]
    return stack(rows)

"""How a variable is divided into parts: into how many along which axis, and where each part begins.

Source: tf.fixed_size_partitioner, tf.variable_axis_size_partitioner, tf.min_max_variable_partitioner of TensorFlow
1.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.shapes import TensorShape, as_shape

__all__ = [
    "PartitionInfo",
    "called_partitioner",
    "divided_axis",
    "fixed_size_partitioner",
    "min_max_variable_partitioner",
    "parts_along",
    "variable_axis_size_partitioner",
]

Partitioner = Callable[..., list[int]]  # (shape, dtype) -> the number of parts along each axis


class PartitionInfo:
    """What an initializer may know of the part that it makes: the shape of the whole, and where the part begins.

    TypeError for arguments that are no lists, ValueError if they do not fit together.
    """

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]) -> None:
        for name, value in (("full_shape", full_shape), ("var_offset", var_offset)):
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise TypeError(f"`{name}` must be a sequence (like tuple or list) instead of {type(value).__name__}")
        if len(var_offset) != len(full_shape):
            raise ValueError(
                f"Expected equal length, but `var_offset` is of length {len(var_offset)} while full_shape is of length "
                f"{len(full_shape)}."
            )
        for offset, size in zip(var_offset, full_shape, strict=True):
            if not 0 <= offset < size:
                raise ValueError(
                    f"Expected 0 <= offset < shape but found offset={offset}, shape={size} for "
                    f"var_offset={var_offset}, full_shape={full_shape}"
                )
        self.full_shape = full_shape
        self.var_offset = var_offset

    def single_offset(self, shape: Sequence[int]) -> int:
        """Where a part of this shape begins along the axis that is divided; 0 if none is."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape: Sequence[int]) -> int | None:
        """The axis along which a part of this shape is one of several; None if it is the whole.

        ValueError for a shape that does not fit, and if there are several such axes.
        """
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise TypeError(f"`shape` must be a sequence (like tuple or list) instead of {type(shape).__name__}")
        if len(shape) != len(self.full_shape):
            raise ValueError(
                f"Expected equal length, but received shape={shape} of length {len(shape)} while "
                f"self.full_shape={self.full_shape} is of length {len(self.full_shape)}."
            )
        for at, size, whole in zip(self.var_offset, shape, self.full_shape, strict=True):
            if at + size > whole:
                raise ValueError(
                    f"With self.var_offset={self.var_offset}, a partition of shape={shape} would exceed "
                    f"self.full_shape={self.full_shape} in one dimension."
                )
        axes = [axis for axis, size in enumerate(shape) if size != self.full_shape[axis]]
        if len(axes) > 1:
            raise ValueError(
                f"Cannot use single_slice_dim() with shape={shape} and self.full_shape={self.full_shape} since slice "
                f"dim could be either dimension {axes[1]} or {axes[0]}."
            )
        return axes[0] if axes else None


_PartitionInfo = PartitionInfo  # its name in TensorFlow's modules


def called_partitioner(partitioner: Partitioner, shape: TensorShape, dtype: DType) -> list[int]:
    """The number of parts along each axis; ValueError if it is not one, or if more than one axis is divided."""
    if not shape.is_fully_defined():
        raise ValueError(f"Shape of a new partitioned variable must be fully defined, but instead was {shape}.")
    if len(shape) < 1:
        raise ValueError(
            f"A partitioned Variable must have rank at least 1, but the requested shape was {shape}, a scalar"
        )
    parts = partitioner(shape=shape, dtype=dtype)
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise ValueError(f"Partitioner must return a sequence, but saw: {parts}")
    if len(parts) != len(shape):
        raise ValueError(
            f"Partitioner returned a partition list that does not match the Variable's rank: {parts} vs. {shape}"
        )
    if any(number < 1 for number in parts):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {parts}")
    if sum(number > 1 for number in parts) > 1:
        raise ValueError(f"Can only slice a variable along one dimension: shape: {shape}, partitioning: {parts}")
    return list(parts)


def divided_axis(parts: Sequence[int]) -> tuple[int, int]:
    """The axis that is divided, and the number of parts; the first axis if none is."""
    return next(((axis, number) for axis, number in enumerate(parts) if number > 1), (0, 1))


def parts_along(shape: Sequence[int], number: int, axis: int) -> Iterator[tuple[list[int], list[int]]]:
    """(offset, shape) of each part.  The first parts are one larger if the size is no multiple of the number."""
    size, rest = divmod(shape[axis], number)
    offset, sizes = [0] * len(shape), list(shape)
    for i in range(number):
        sizes[axis] = size + (i < rest)
        yield offset[:], sizes[:]
        offset[axis] += sizes[axis]


def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Partitioner:
    """A partitioner for `num_shards` parts along one axis; fewer if it is smaller."""

    def partitioner(shape: Any, **unused: Any) -> list[int]:
        parts = [1] * len(shape)
        parts[axis] = min(num_shards, as_shape(shape).known[axis] or 1)
        return parts

    return partitioner


def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Partitioner:
    """A partitioner for parts of at most `max_shard_bytes` along one axis, or, of `max_shards` parts, of larger ones.

    ValueError for numbers below 1.  A part that would hold no whole slice of the axis holds one.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError("Both max_shard_bytes and bytes_per_string_element must be positive.")
    if max_shards and max_shards < 1:
        raise ValueError("max_shards must be positive.")

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        sizes = _defined(shape)
        element = bytes_per_string_element if as_dtype(dtype).name == "string" else as_dtype(dtype).size
        parts = [1] * len(sizes)
        slice_bytes = math.prod(sizes) // sizes[axis] * element if sizes[axis] else 0
        if slice_bytes <= 0:
            return parts
        slices_a_part = max(1, math.floor(max_shard_bytes / slice_bytes))
        number = math.ceil(sizes[axis] / slices_a_part)
        parts[axis] = min(max_shards, number) if max_shards else number
        return parts

    return partitioner


def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10, bytes_per_string_element: int = 16
) -> Partitioner:
    """A partitioner for as many parts along one axis as hold `min_slice_size` bytes each, at most `max_partitions`."""

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        if axis >= len(shape):
            raise ValueError(f"Can not partition variable along axis {axis} when shape is only {shape}")
        sizes = _defined(shape)
        element = bytes_per_string_element if as_dtype(dtype).name == "string" else as_dtype(dtype).size
        parts = [1] * len(sizes)
        wanted = math.ceil(math.prod(sizes) * element / min_slice_size)
        parts[axis] = max(1, min(sizes[axis], max_partitions, wanted))
        return parts

    return partitioner


def _defined(shape: Any) -> list[int]:
    known = as_shape(shape)
    if not known.is_fully_defined():
        raise ValueError(f"shape is not fully defined: {known}")
    return [int(size) for size in known.known if size is not None]

"""Signals cut into frames that overlap, and put together again.

Source: shape_ops and reconstruction_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.gather import gather
from dflow.ops.array.pad import pad
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, shape
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import add, maximum, multiply
from dflow.ops.math.division import floordiv
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import known_value, normal_axis, static_value

__all__ = ["frame", "overlap_and_add"]

Size = int | Tensor


def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: Any = -1,
    name: str | None = None,
) -> Tensor:
    """Frames of a signal along an axis: [..., samples, ...] -> [..., frames, frame_length, ...].  Any dtype.

    frame_length, frame_step: integers or scalar tensors: the length of a frame, and the distance of one to the next;
    pad_end: whether frames that go beyond the end are kept, filled with `pad_value`; axis: a known integer.
    """
    with scope_of((signal, frame_length, frame_step, pad_value), name, "frame"):
        x = convert_to_tensor(signal, name="signal")
        if x.shape.ndims is None:
            raise ValueError(f"the rank of {x.name} must be known; use set_shape()")
        known_axis = static_value(axis)
        if known_axis is None:
            raise ValueError("axis must be known while the graph is built")
        place = normal_axis(int(known_axis), x.shape.ndims)
        length, step = _size(frame_length, "frame_length"), _size(frame_step, "frame_step")
        samples: Size = shape(x)[place] if x.spec.shape[place] is None else x.spec.shape[place]
        if pad_end:
            count = _at_least_zero(-(-samples // step) if _all_known(samples, step) else _ceiling(samples, step))
            missing = _at_least_zero(length + step * (count - 1) - samples)
            x = _padded(x, place, missing, pad_value)
        else:
            count = _at_least_zero(1 + (samples - length) // step)
        starts = expand_dims(multiply(range_(count), step), 1)
        return gather(x, add(starts, expand_dims(range_(length), 0)), axis=place)


def _all_known(*sizes: Size) -> bool:
    return all(isinstance(size, int) for size in sizes)


def _size(value: Any, what: str) -> Size:
    """The argument as a number if it is known, else as a scalar tensor; ShapeError for another shape."""
    tensor = convert_to_tensor(value, name=what)
    if tensor.shape.ndims not in (0, None):
        raise ShapeError(f"{what} is a scalar, its shape is {tensor.shape}")
    known = known_value(tensor)
    return tensor if known is None else int(known)


def _ceiling(samples: Size, step: Size) -> Tensor:
    return floordiv(samples + step - 1, step)


def _at_least_zero(size: Size) -> Size:
    return max(0, size) if isinstance(size, int) else maximum(size, 0)


def _padded(x: Tensor, axis: int, missing: Size, value: Any) -> Tensor:
    if missing == 0:
        return x
    ndims = len(x.shape)
    paddings = [[0, 0]] * axis + [[0, missing]] + [[0, 0]] * (ndims - axis - 1)
    return pad(x, convert_to_tensor(paddings, int32), constant_values=value)


def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """The sum of frames, each moved by `frame_step` from the one before it.  Numbers.

    signal: [..., frames, frame_length] -> [..., (frames - 1) * frame_step + frame_length]; frame_step: an integer or a
    scalar tensor.  ShapeError for a rank below 2.

    The frames are cut into pieces of `frame_step` values.  With a padding of as many frames as a frame has pieces, the
    pieces that belong to one place of the result stand in one column.
    """
    with scope_of((signal, frame_step), name, "overlap_and_add"):
        x = convert_to_tensor(signal, name="signal")
        if x.shape.ndims is None or x.shape.ndims < 2:
            raise ShapeError(f"Shape must be at least rank 2 but is rank {x.shape.ndims}")
        step_tensor = convert_to_tensor(frame_step, name="frame_step")
        if not step_tensor.dtype.is_integer:
            raise ValueError(f"frame_step must be an integer. Got {step_tensor.dtype.name}")
        step = _size(step_tensor, "frame_step")
        sizes = shape(x)
        frames: Size = sizes[-2] if x.spec.shape[-2] is None else x.spec.shape[-2]
        length: Size = sizes[-1] if x.spec.shape[-1] is None else x.spec.shape[-1]
        pieces = -(-length // step) if _all_known(length, step) else _ceiling(length, step)
        outer = [sizes[i] if size is None else size for i, size in enumerate(x.spec.shape[:-2])]
        last = len(outer)
        x = _padded(x, last + 1, pieces * step - length, 0)
        x = reshape(x, _shape_of([*outer, frames, pieces, step]))
        x = transpose(x, [*range(last), last + 1, last, last + 2])  # [..., pieces, frames, step]
        x = _padded(x, last + 1, pieces, 0)
        x = reshape(x, _shape_of([*outer, pieces * (frames + pieces), step]))
        x = x[..., : pieces * (frames + pieces - 1), :]
        x = reshape(x, _shape_of([*outer, pieces, (frames + pieces - 1) * step]))
        return reduce_sum(x, -2)[..., : (frames - 1) * step + length]


def _shape_of(sizes: list[Size]) -> Any:
    return sizes if _all_known(*sizes) else convert_to_tensor(sizes, int32)

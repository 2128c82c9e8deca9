"""Values in the opposite order, and values moved around: reverse, reverse_sequence, roll.

Tensors of every dtype pass through, `string` too.
Source: array_ops and manip_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.math.arithmetic import negative
from dflow.ops.rules.arrays import ints, namespace
from dflow.ops.rules.ranks import bracketed, exactly, merged_size, require, up_from
from dflow.ops.rules.static import graph_of, known_value, only, static_axis
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["reverse", "reverse_sequence", "reverse_v2", "roll"]


def _indices(value: Any) -> Any:
    """Numbers of axes: an empty list is one of integers."""
    return np.zeros(0, np.int32) if not hasattr(value, "graph") and not np.size(value) else value


# -- reverse


def reverse_v2(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """The tensor with its values along some axes in the opposite order.

    axis: a vector of axes, numbers or a tensor.  ShapeError, or InvalidArgumentError at run time, for an axis that the
    tensor does not have, and for one that is named twice.
    """
    result: Tensor = add_op("ReverseV2", tensor, _indices(axis), name=name)
    axes = known_value(result.op.inputs[1])
    if axes is not None and result.shape.ndims is not None:
        _reversed_axes(axes.tolist(), result.shape.ndims, ShapeError)
    return result


reverse = reverse_v2


def _reversed_axes(axes: Sequence[int], rank: int, error: Any) -> tuple[int, ...]:
    """Axes in [0, rank)."""
    found: list[int] = []
    for i, axis in enumerate(axes):
        place = axis + rank if axis < 0 else axis
        fact = ""
        if not 0 <= place < rank:
            fact = f"'axis'[{i}] = {axis} is out of valid range [0, {rank - 1}]"
        elif place in found:
            fact = f"axis {place} specified more than once."
        if fact:
            if error is ShapeError:
                raise ShapeError(fact)
            require(False, fact)
        found.append(place)
    return tuple(found)


def _reverse_spec(x: TensorSpec, axis: TensorSpec) -> TensorSpec:
    only(axis, axis.dtype.name in ("int32", "int64"), "int32 and int64 as axes")
    exactly(axis, 1)
    return x


def _reverse_kernel(x: Any, axis: Any) -> Any:
    require(axis.ndim == 1, f"'dims' must be 1-dimension, not {axis.ndim}")
    axes = _reversed_axes(ints(axis), x.ndim, None)
    return namespace(x).flip(x, axis=axes) if axes else x


def _reverse_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return reverse_v2(dy, op.inputs[1]), None


define("ReverseV2", spec=_reverse_spec, kernel=_reverse_kernel, gradient=_reverse_gradient)


# -- reverse_sequence


def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: Any = None,
    batch_axis: Any = None,
    name: str | None = None,
    seq_dim: Any = None,
    batch_dim: Any = None,
) -> Tensor:
    """The tensor with the first seq_lengths[i] values along `seq_axis` in the opposite order, for each i of a batch.

    seq_lengths: [batch], int32 or int64; seq_axis: the axis of sequences; batch_axis: the axis of the batch, 0 if it is
    not given.  seq_dim, batch_dim: older names.  InvalidArgumentError at run time for a length that is negative or
    larger than the axis.
    """
    along = _one_of("seq_axis", seq_axis, "seq_dim", seq_dim)
    batch = _one_of("batch_axis", batch_axis, "batch_dim", batch_dim)
    if along is None:
        raise ValueError("reverse_sequence needs a seq_axis")
    result: Tensor = add_op(
        "ReverseSequence",
        input,
        seq_lengths,
        name=name,
        seq_dim=static_axis(along),
        batch_dim=0 if batch is None else static_axis(batch),
    )
    return result


def _one_of(name: str, value: Any, older_name: str, older_value: Any) -> Any:
    if value is not None and older_value is not None:
        raise ValueError(f"Cannot specify both '{name}' and '{older_name}'")
    return older_value if value is None else value


def _sequence_spec(x: TensorSpec, lengths: TensorSpec, seq_dim: int, batch_dim: int) -> TensorSpec:
    only(lengths, lengths.dtype.name in ("int32", "int64"), "int32 and int64 as lengths")
    length = exactly(lengths, 1)[0]
    if x.shape.ndims is None:
        return x
    rank = x.shape.ndims
    if not -rank <= batch_dim < rank:
        raise ShapeError(f"batch_dim must be < input rank: {batch_dim} vs. {rank}")
    if not -rank <= seq_dim < rank:
        raise ShapeError(f"seq_dim must be < input rank: {seq_dim} vs. {rank}")
    dims = x.shape.as_list()
    dims[batch_dim] = merged_size(dims[batch_dim], length)
    return TensorSpec(TensorShape(dims), x.dtype)


def _sequence_kernel(x: Any, lengths: Any, seq_dim: int, batch_dim: int) -> Any:
    rank = x.ndim
    require(lengths.ndim == 1, f"seq_lens input must be 1-dim, not {lengths.ndim}")
    require(-rank <= seq_dim < rank, f"seq_dim must be < input.dims()( {seq_dim} vs. {rank})")
    require(-rank <= batch_dim < rank, f"batch_dim must be < input.dims()( {batch_dim} vs. {rank})")
    along, batch = seq_dim % rank, batch_dim % rank
    require(along != batch, f"batch_dim == seq_dim == {seq_dim}")
    require(
        lengths.shape[0] == x.shape[batch],
        f"Length of seq_lens != input.dims({batch}), ({lengths.shape[0]} vs. {x.shape[batch]})",
    )
    size = x.shape[along]
    xp, of_numbers = namespace(x), namespace(lengths)
    require(not bool(of_numbers.any(lengths < 0)), "seq_lens(i) < 0")
    require(not bool(of_numbers.any(lengths > size)), f"seq_lens(i) > input.dims({along})")
    steps = of_numbers.arange(size, dtype=lengths.dtype, device=device(lengths))[None, :]
    last = lengths[:, None]
    source = of_numbers.where(steps < last, last - 1 - steps, steps)
    rows = of_numbers.arange(lengths.shape[0], dtype=lengths.dtype, device=device(lengths))[:, None] * size + source
    order = (batch, along, *(axis for axis in range(rank) if axis not in (batch, along)))
    moved = xp.permute_dims(x, order)
    flat = xp.reshape(moved, (moved.shape[0] * moved.shape[1], *moved.shape[2:]))
    found = xp.reshape(xp.take(flat, of_numbers.reshape(rows, (-1,)), axis=0), moved.shape)
    return xp.permute_dims(found, tuple(order.index(axis) for axis in range(rank)))


def _sequence_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return add_op("ReverseSequence", dy, op.inputs[1], **op.attrs), None


define("ReverseSequence", spec=_sequence_spec, kernel=_sequence_kernel, gradient=_sequence_gradient)


# -- roll


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """The tensor with its values moved by `shift` places along an axis; those that leave at its end enter at its start.

    shift, axis: integers, or vectors of one length; an axis may be named several times.  ShapeError, or
    InvalidArgumentError at run time, for a scalar tensor, for other shapes, and for an axis that it does not have.
    """
    with scopes.building_in(graph_of((input, shift, axis))):
        result: Tensor = add_op("Roll", convert_to_tensor(input), _indices(shift), _indices(axis), name=name)
    return result


def _roll_spec(x: TensorSpec, shift: TensorSpec, axis: TensorSpec) -> TensorSpec:
    for numbers in (shift, axis):
        only(numbers, numbers.dtype.name in ("int32", "int64"), "int32 and int64 as shift and axis")
        if (numbers.shape.ndims or 0) > 1:
            raise ShapeError(f"Shape must be at most rank 1 but is rank {numbers.shape.ndims}")
    up_from(x, 1)
    return x


def _roll_kernel(x: Any, shift: Any, axis: Any) -> Any:
    require(x.ndim >= 1, "input must be 1-D or higher")
    require(shift.ndim <= 1, f"shift must be a scalar or a 1-D vector. Found: {bracketed(shift.shape)}")
    require(axis.ndim <= 1, f"axis must be a scalar or a 1-D vector. Found: {bracketed(axis.shape)}")
    require(tuple(shift.shape) == tuple(axis.shape), "shift and axis must have the same size")
    steps, axes = ints(shift), ints(axis)
    for place in axes:
        require(-x.ndim <= place < x.ndim, f"axis {place} is out of range")
    return namespace(x).roll(x, steps, axis=axes) if axes else x


def _roll_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    shift, axis = op.inputs[1:]
    return roll(dy, negative(shift), axis), None, None


define("Roll", spec=_roll_spec, kernel=_roll_kernel, gradient=_roll_gradient)

"""What all functions that run a cell over steps have in common: batch sizes, zero outputs, and finished sequences.

Source: rnn.py of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dflow.graph import Tensor, convert_to_tensor, get_default_graph
from dflow.nest import assert_same_structure, flatten, pack_sequence_as
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank as rank_of
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.transpose import transpose
from dflow.ops.control import Assert, identity
from dflow.ops.control_flow.cond import cond
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.math.compare import equal, greater_equal, less, where
from dflow.ops.math.reduction import reduce_all, reduce_max, reduce_min


@dataclass
class Lengths:
    """The lengths of the sequences of a batch, and the smallest and the largest of them."""

    each: Tensor
    smallest: Tensor
    largest: Tensor


def lengths_of(sequence_length: Any) -> Tensor | None:
    """The lengths as int32; ValueError unless they are a vector."""
    if sequence_length is None:
        return None
    lengths = cast(sequence_length, "int32")
    if lengths.shape.ndims not in (None, 1):
        raise ValueError(f"sequence_length must be a vector of length batch_size, but saw shape: {lengths.shape}")
    return identity(lengths, name="sequence_length")


def with_bounds(lengths: Tensor | None) -> Lengths | None:
    """The lengths with their bounds."""
    return None if lengths is None else Lengths(lengths, reduce_min(lengths), reduce_max(lengths))


def batch_size_of(flat_input: Sequence[Tensor]) -> Any:
    """The batch size of inputs [time, batch, ...]: a number, if one of them knows it, or a tensor."""
    for tensor in flat_input:
        shape = tensor.spec.shape
        if shape.ndims is None:
            continue
        if shape.ndims < 2:
            raise ValueError(f"Expected input tensor {tensor.name} to have rank at least 2")
        if shape[1] is not None:
            return int(shape[1])
    return get_item(shape_of(flat_input[0]), 1)


def time_first(x: Any) -> Any:
    """[batch, time, ...] as [time, batch, ...], or the reverse; a scalar or a vector as it is."""
    x = convert_to_tensor(x)
    rank = x.shape.ndims
    if rank is None:
        order: Any = concat([[1, 0], range_(2, rank_of(x))], 0)
        return transpose(x, order)
    if rank < 2:
        return x
    return transpose(x, [1, 0, *range(2, rank)])


def initial_state_of(cell: Any, initial_state: Any, batch_size: Any, dtype: Any) -> Any:
    """The given state, or zeros of `dtype`."""
    if initial_state is not None:
        return initial_state
    if not dtype:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    if getattr(cell, "get_initial_state", None) is not None:
        return cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
    return cell.zero_state(batch_size, dtype)


def finished_at(time: Any, lengths: Tensor) -> Tensor:
    """Which sequences of the batch have ended before this step."""
    return greater_equal(convert_to_tensor(time, lengths.dtype), lengths)


def chosen(finished: Tensor, old: Any, new: Any) -> Any:
    """`old` for finished sequences, else `new`; a TensorArray and a scalar are the new ones in any case."""
    if isinstance(old, TensorArray) or isinstance(new, TensorArray) or new.shape.ndims == 0:
        return new
    with get_default_graph().colocate_with(new.op, ignore_existing=True):
        return where(finished, old, new)


def step_with_lengths(
    time: Any,
    lengths: Lengths,
    zero_output: Any,
    state: Any,
    call_cell: Callable[[], tuple[Any, Any]],
    skip_conditionals: bool = False,
) -> tuple[Any, Any]:
    """A step of a cell: zero outputs, and the state as it was, for sequences that have ended.

    skip_conditionals: whether the cell is called at each step; if not, it does not run when all sequences have ended.
    """
    flat_state, flat_zero = flatten(state), flatten(zero_output)

    def kept_where_finished(output: Any, following: Any) -> list[Any]:
        finished = finished_at(time, lengths.each)
        new_outputs, new_state = flatten(output), flatten(following)
        return [
            *(chosen(finished, old, new) for old, new in zip(flat_zero, new_outputs, strict=True)),
            *(chosen(finished, old, new) for old, new in zip(flat_state, new_state, strict=True)),
        ]

    def run() -> list[Any]:
        output, following = call_cell()
        assert_same_structure(state, following)
        assert_same_structure(zero_output, output)
        if skip_conditionals:
            return kept_where_finished(output, following)
        running: list[Any] = cond(
            less(convert_to_tensor(time, "int32"), lengths.smallest),
            lambda: flatten(output) + flatten(following),
            lambda: kept_where_finished(output, following),
            strict=True,
        )
        return running

    if skip_conditionals:
        parts = run()
    else:
        ended = greater_equal(convert_to_tensor(time, "int32"), lengths.largest)
        parts = cond(ended, lambda: flat_zero + flat_state, run, strict=True)
    for part, old in zip(parts, [*flat_zero, *flat_state], strict=True):
        if isinstance(part, Tensor):
            part.set_shape(old.shape)
    count = len(flat_zero)
    output = pack_sequence_as(zero_output, parts[:count])
    return output, pack_sequence_as(state, parts[count:])


def check_vector(lengths: Tensor, batch_size: Any) -> Tensor:
    """The lengths, after a check in each run that there is one for each sequence."""
    shape = stack([batch_size])
    found = shape_of(lengths)
    check = Assert(
        reduce_all(equal(found, shape)),
        [f"Expected shape for Tensor {lengths.name} is ", shape, " but saw shape: ", found],
    )
    with get_default_graph().control_dependencies([check]):
        return identity(lengths, name="CheckSeqLen")

"""A cell in a loop that a function directs: `raw_rnn`.  Source: tf.nn.raw_rnn of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.nest import assert_same_structure, flatten, map_structure, pack_sequence_as
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import zeros
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.while_loop import while_loop
from dflow.ops.math.compare import logical_not, logical_or
from dflow.ops.math.reduction import reduce_all
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.base import assert_like_rnncell, static_with_batch, with_batch
from dflow.rnn.steps import chosen
from dflow.shapes import TensorShape

__all__ = ["raw_rnn"]


def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """(TensorArrays of what was emitted, the last state, the last loop state) of a cell in a loop.

    loop_fn(time, cell_output, cell_state, loop_state) gives (elements_finished, next_input, next_cell_state,
    emit_output, next_loop_state).  The first call is with time 0 and None: its next_cell_state is the first state, and
    its emit_output has the shapes of a row of what is emitted, or is None for outputs of the cell.  After each step
    it gets what the cell gave; next_loop_state None keeps the loop state.
    elements_finished: a bool for each sequence; the loop ends when all are true.  For a sequence that has ended, zeros
    are emitted, and its state stays.  next_input: of the next step, [batch, ...].
    parallel_iterations (None: 32), swap_memory: as of `while_loop`.  scope: the variable scope; None: `rnn`.
    Raises TypeError for what is no cell, and for a loop_fn that is no function; ValueError and TypeError for results of
    another structure than before.
    Source: tf.nn.raw_rnn.
    """
    assert_like_rnncell("cell", cell)
    if not callable(loop_fn):
        raise TypeError("loop_fn must be a callable")
    with variable_scope(scope or "rnn"):
        time = constant(0, dtype="int32")
        finished, next_input, state, emitted, loop_state = loop_fn(time, None, None, None)
        inputs = [convert_to_tensor(x) for x in flatten(next_input)]
        next_input = pack_sequence_as(next_input, inputs)
        batch_size = _batch_size(inputs)
        assert_same_structure(state, cell.state_size)
        state = pack_sequence_as(cell.state_size, [_as_tensor(part) for part in flatten(state)])
        structure, sizes, dtypes = _emitted(cell, emitted, state)
        arrays = [
            TensorArray(
                dtype,
                size=0,
                dynamic_size=True,
                element_shape=static_with_batch(batch_size, size),
                tensor_array_name=f"rnn_output_{i}",
            )
            for i, (dtype, size) in enumerate(zip(dtypes, sizes, strict=True))
        ]
        nothing = pack_sequence_as(structure, [_zeros(batch_size, *each) for each in zip(sizes, dtypes, strict=True)])
        kept = constant(0, dtype="int32") if loop_state is None else loop_state

        def one_step(time: Tensor, finished: Any, current: Any, arrays: Any, state: Any, kept: Any) -> Any:
            output, following = cell(current, state)
            assert_same_structure(state, following)
            assert_same_structure(cell.output_size, output)
            later = time + 1
            ends, given, following, emit, next_kept = loop_fn(later, output, following, kept)
            assert_same_structure(state, following)
            assert_same_structure(current, given)
            assert_same_structure(structure, emit)
            kept = kept if next_kept is None else next_kept
            emit = map_structure(lambda old, new: chosen(finished, old, _as_tensor(new)), nothing, emit)
            following = map_structure(lambda old, new: chosen(finished, old, _as_tensor(new)), state, following)
            written = map_structure(lambda array, value: array.write(time, value), arrays, emit)
            return later, logical_or(finished, ends), given, written, following, kept

        result = while_loop(
            lambda time, finished, *_: logical_not(reduce_all(finished)),
            one_step,
            [time, convert_to_tensor(finished), next_input, pack_sequence_as(structure, arrays), state, kept],
            parallel_iterations=parallel_iterations or 32,
            swap_memory=swap_memory,
        )
        _, _, _, emitted_arrays, last, kept = result
    return emitted_arrays, last, None if loop_state is None else kept


def _as_tensor(value: Any) -> Any:
    return value if isinstance(value, TensorArray) else convert_to_tensor(value)


def _batch_size(inputs: list[Tensor]) -> Any:
    rows = TensorShape([None])
    for x in inputs:
        rows = rows.merge_with(x.spec.shape[0:1] if x.shape.ndims is not None else [None])
    return get_item(shape_of(inputs[0]), 0) if rows[0] is None else int(rows[0])


def _emitted(cell: Any, emitted: Any, state: Any) -> tuple[Any, list[Any], list[Any]]:
    """The structure, sizes and dtypes of what is emitted: as the first call said, or as the cell's outputs."""
    if emitted is None:
        sizes = flatten(cell.output_size)
        return cell.output_size, sizes, [flatten(state)[0].dtype] * len(sizes)
    parts = [convert_to_tensor(part) for part in flatten(emitted)]
    sizes = [part.spec.shape if part.shape.is_fully_defined() else shape_of(part) for part in parts]
    return emitted, sizes, [part.dtype for part in parts]


def _zeros(batch_size: Any, size: Any, dtype: Any) -> Tensor:
    return zeros(with_batch(batch_size, size), dtype)

"""A cell in a loop over the steps of sequences: `dynamic_rnn`, `bidirectional_dynamic_rnn`.

    outputs, state = df.nn.dynamic_rnn(cell, x, sequence_length=lengths, dtype=df.float32)   # x: [batch, time, size]

Source: tf.nn.dynamic_rnn, tf.nn.bidirectional_dynamic_rnn of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor, get_default_graph
from dflow.nest import assert_same_structure, flatten, map_structure, pack_sequence_as
from dflow.ops.array.constants import constant
from dflow.ops.array.reverse import reverse_sequence, reverse_v2
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.while_loop import while_loop
from dflow.ops.math.arithmetic import maximum, minimum
from dflow.ops.math.compare import less
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.base import assert_like_rnncell, static_with_batch, zeros_of
from dflow.rnn.steps import (
    Lengths,
    batch_size_of,
    check_vector,
    initial_state_of,
    lengths_of,
    step_with_lengths,
    time_first,
    with_bounds,
)

__all__ = ["bidirectional_dynamic_rnn", "dynamic_rnn"]


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """(outputs, the last state) of a cell that goes over the steps of sequences, in a loop.

    inputs: [batch, time, ...], or a nested structure of such tensors; with time_major, [time, batch, ...].  The outputs
    are of the same order, in the structure of `cell.output_size`.
    sequence_length: the length of each sequence, a vector of integers; None: all steps.  Behind its end, the outputs of
    a sequence are zeros, and its state is the last one.
    initial_state: in the structure of `cell.state_size`; None: zeros of `dtype`.
    parallel_iterations (None: 32), swap_memory: as of `while_loop`.  scope: the variable scope; None: `rnn`.
    Raises TypeError for what is no cell; ValueError for inputs of a smaller rank or of sizes that do not fit, for
    lengths that are no vector, and without both a state and a dtype; InvalidArgumentError in a run with another number
    of lengths than of sequences.
    Source: tf.nn.dynamic_rnn.
    """
    assert_like_rnncell("cell", cell)
    with variable_scope(scope or "rnn"):
        tensors = [convert_to_tensor(x) for x in flatten(inputs)]
        if not time_major:
            tensors = [time_first(x) for x in tensors]
        lengths = lengths_of(sequence_length)
        batch_size = batch_size_of(tensors)
        state = initial_state_of(cell, initial_state, batch_size, dtype)
        if lengths is not None:
            lengths = check_vector(lengths, batch_size)
        state = map_structure(lambda x: x if isinstance(x, TensorArray) else convert_to_tensor(x), state)
        outputs, last = _loop(
            cell,
            pack_sequence_as(inputs, tensors),
            state,
            with_bounds(lengths),
            {"parallel_iterations": parallel_iterations or 32, "swap_memory": swap_memory},
            dtype,
        )
        if not time_major:
            outputs = map_structure(time_first, outputs)
    return outputs, last


def _loop(
    cell: Any, inputs: Any, state: Any, lengths: Lengths | None, options: dict[str, Any], dtype: Any
) -> tuple[Any, Any]:
    """`dynamic_rnn` on inputs [time, batch, ...]."""
    tensors, graph = flatten(inputs), get_default_graph()
    time_steps, batch_size = get_item(shape_of(tensors[0]), 0), batch_size_of(tensors)
    known_steps = _check_sizes(tensors)
    zero_output = zeros_of(cell.output_size, batch_size, _dtype_of(dtype, state)) if lengths is not None else None
    sizes, dtypes = flatten(cell.output_size), _dtype_of(dtype, state)
    time = constant(0, dtype="int32", name="time")
    with graph.name_scope("dynamic_rnn") as base:
        pass
    shapes = [static_with_batch(batch_size, size) for size in sizes]

    def array(name: str, shape: Any, dtype: Any) -> TensorArray:
        return TensorArray(dtype, size=time_steps, element_shape=shape, tensor_array_name=f"{base}{name}")

    outputs = tuple(array(f"output_{i}", shape, dtypes) for i, shape in enumerate(shapes))
    steps = tuple(array(f"input_{i}", x.shape[1:], x.dtype).unstack(x) for i, x in enumerate(tensors))
    bound = time_steps
    if lengths is not None:  # one step at least: it tells the shapes of the outputs
        bound = minimum(time_steps, maximum(1, lengths.largest))

    def one_step(time: Tensor, outputs: Any, state: Any) -> Any:
        now = [step.read(time) for step in steps]
        for value, tensor in zip(now, tensors, strict=True):
            value.set_shape(tensor.shape[1:])
        given = pack_sequence_as(inputs, now)
        output, following = _called(cell, given, state, time, lengths, zero_output)
        written = zip(outputs, flatten(output), strict=True)
        return time + 1, tuple(array.write(time, value) for array, value in written), following

    _, outputs, last = while_loop(
        lambda time, *_: less(time, bound),
        one_step,
        (time, outputs, state),
        maximum_iterations=time_steps,
        **options,
    )
    values = [array.stack() for array in outputs]
    for value, shape in zip(values, shapes, strict=True):
        value.set_shape([known_steps, *shape.as_list()])
    return pack_sequence_as(cell.output_size, values), last


def _called(
    cell: Any, given: Any, state: Any, time: Tensor, lengths: Lengths | None, zero_output: Any
) -> tuple[Any, Any]:
    if lengths is not None:
        return step_with_lengths(time, lengths, zero_output, state, lambda: cell(given, state), skip_conditionals=True)
    output, following = cell(given, state)
    assert_same_structure(cell.output_size, output)
    return output, following


def _dtype_of(dtype: Any, state: Any) -> Any:
    """The dtype of the outputs: the given one, or that of the state; ValueError if its parts differ."""
    if dtype is not None:
        return dtype
    dtypes = {leaf.dtype.name for leaf in flatten(state)}
    if not dtypes:
        raise ValueError("Unable to infer dtype from empty state.")
    if len(dtypes) > 1:
        raise ValueError(
            "State has tensors of different inferred_dtypes. Unable to infer a single representative dtype."
        )
    return flatten(state)[0].dtype


def _check_sizes(tensors: list[Tensor]) -> int | None:
    """The number of steps, if it is known; ValueError for inputs whose sizes are unknown or differ."""
    shapes = [x.spec.shape.with_rank_at_least(3) for x in tensors]
    first = shapes[0]
    steps, rows = (first[0], first[1]) if first.ndims is not None else (None, None)
    for shape in shapes:
        if shape.ndims is None or not shape[2:].is_fully_defined():
            raise ValueError("Input size (depth of inputs) must be accessible via shape inference, but saw value None.")
        if shape[0] != steps:
            raise ValueError("Time steps is not the same for all the elements in the input in a batch.")
        if shape[1] != rows:
            raise ValueError("Batch_size is not the same for all the elements in the input.")
    return steps


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """((outputs forward, outputs backward), (the last states of both)): `dynamic_rnn` in both directions.

    cell_fw goes from the first step to the last, cell_bw from the last step of each sequence to the first; its outputs
    are in the order of the inputs.  Variables are under `fw` and `bw` in the scope, `bidirectional_rnn` if none is
    given.  The other arguments and the errors: as of `dynamic_rnn`.
    Source: tf.nn.bidirectional_dynamic_rnn.
    """
    assert_like_rnncell("cell_fw", cell_fw)
    assert_like_rnncell("cell_bw", cell_bw)
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)
    common = {
        "sequence_length": sequence_length,
        "dtype": dtype,
        "parallel_iterations": parallel_iterations,
        "swap_memory": swap_memory,
        "time_major": time_major,
    }

    def backwards(x: Any) -> Tensor:
        if sequence_length is None:
            return reverse_v2(x, [time_axis])
        return reverse_sequence(x, sequence_length, seq_axis=time_axis, batch_axis=batch_axis)

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            outputs, state = dynamic_rnn(cell_fw, inputs, initial_state=initial_state_fw, scope=forward, **common)
        with variable_scope("bw") as backward:
            reverse = map_structure(backwards, inputs)
            reversed_outputs, state_bw = dynamic_rnn(
                cell_bw, reverse, initial_state=initial_state_bw, scope=backward, **common
            )
    outputs_bw = map_structure(backwards, reversed_outputs)
    return (outputs, outputs_bw), (state, state_bw)

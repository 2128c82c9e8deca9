"""A cell at each step of sequences of a fixed length: `static_rnn` and others.

Source: tf.nn.static_rnn, static_state_saving_rnn, static_bidirectional_rnn of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor, convert_to_tensor, get_default_graph
from dflow.nest import assert_same_structure, flatten, is_nested, map_structure, pack_sequence_as
from dflow.ops.array.concat import concat
from dflow.ops.array.reverse import reverse_sequence
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.stack import stack, unstack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control import identity
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.base import assert_like_rnncell, zeros_of
from dflow.rnn.steps import Lengths, lengths_of, step_with_lengths, with_bounds
from dflow.shapes import TensorShape

__all__ = ["static_bidirectional_rnn", "static_rnn", "static_state_saving_rnn"]


def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """(a list of the outputs, the last state) of a cell that is called for each of the inputs.

    inputs: a list of tensors [batch, ...], or of nested structures of them, one for each step.
    initial_state, dtype, sequence_length: as of `dynamic_rnn`.  When all sequences have ended, the cell does not run.
    scope: the variable scope; None: `rnn`.
    Raises TypeError for what is no cell, and for inputs that are no sequence; ValueError for no inputs, for batch sizes
    that differ, for unknown sizes, for lengths that are no vector, and without both a state and a dtype.
    Source: tf.nn.static_rnn.
    """
    assert_like_rnncell("cell", cell)
    if not is_nested(inputs):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    outputs: list[Any] = []
    with variable_scope(scope or "rnn") as current:
        batch_size = _batch_size(inputs)
        if initial_state is not None:
            state = initial_state
        elif not dtype:
            raise ValueError("If no initial_state is provided, dtype must be specified")
        elif getattr(cell, "get_initial_state", None) is not None:
            state = cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
        else:
            state = cell.zero_state(batch_size, dtype)
        lengths = _with_zero_output(cell, sequence_length, batch_size, dtype or _dtype(state))
        for time, x in enumerate(inputs):
            if time > 0:
                current.reuse_variables()
            output, state = _called(cell, x, state, time, lengths)
            outputs.append(output)
    return outputs, state


def _with_zero_output(cell: Any, sequence_length: Any, batch_size: Any, dtype: Any) -> tuple[Lengths, Any] | None:
    lengths = with_bounds(lengths_of(sequence_length))
    return None if lengths is None else (lengths, zeros_of(cell.output_size, batch_size, dtype))


def _called(cell: Any, x: Any, state: Any, time: int, lengths: tuple[Lengths, Any] | None) -> Any:
    if lengths is None:
        return cell(x, state)
    known, zero_output = lengths
    return step_with_lengths(time, known, zero_output, state, lambda: cell(x, state))


def _dtype(state: Any) -> Any:
    return flatten(state)[0].dtype


def _batch_size(inputs: Sequence[Any]) -> Any:
    """The batch size, a number if one of the inputs knows it.  ValueError for sizes that do not fit."""
    first = flatten(inputs)[0]
    if first.shape.ndims == 1:
        rows = first.shape.with_rank_at_least(1)[0:1]
    else:
        rows = first.shape.with_rank_at_least(2)[0:1]
        for x in flatten(inputs):
            rows = rows.merge_with(x.shape[0:1])
            for axis, size in enumerate(x.shape[1:].as_list()):
                if size is None:
                    raise ValueError(
                        f"Input size (dimension {axis} of inputs) must be accessible via shape inference, but saw "
                        "value None."
                    )
    known = TensorShape(rows)[0]
    return get_item(shape_of(first), 0) if known is None else int(known)


def static_state_saving_rnn(
    cell: Any,
    inputs: Sequence[Any],
    state_saver: Any,
    state_name: Any,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """(a list of the outputs, the last state) of a cell whose state is kept between runs by `state_saver`.

    state_saver: an object with methods `state(name)`, which gives a saved state, and `save_state(name, value)`, which
    gives an operation that saves one.  state_name: a name for each part of `cell.state_size`, in its structure.
    A fetch of the state or of the last output saves the state.  The other arguments and the errors: as of `static_rnn`;
    ValueError for names whose number is not that of the states.
    Source: tf.nn.static_state_saving_rnn.
    """
    sizes, named = cell.state_size, is_nested(state_name)
    if named != is_nested(sizes):
        raise ValueError(
            f"state_name should be the same type as cell.state_size.  state_name: {state_name}, "
            f"cell.state_size: {sizes}"
        )
    names = flatten(state_name)
    if len(names) != len(flatten(sizes)):
        raise ValueError(f"#elems(state_name) != #elems(state_size): {len(names)} vs. {len(flatten(sizes))}")
    first = pack_sequence_as(sizes, [state_saver.state(name) for name in names])
    outputs, state = static_rnn(cell, inputs, initial_state=first, sequence_length=sequence_length, scope=scope)
    graph, states = get_default_graph(), flatten(state)
    saving = [state_saver.save_state(name, part) for name, part in zip(names, states, strict=True)]
    with graph.control_dependencies(saving):
        last = map_structure(identity, outputs[-1])
        outputs[-1] = last
        state = pack_sequence_as(state, [identity(part) for part in states])
    return outputs, state


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """(a list of the outputs, the last state forward, the last one backward): `static_rnn` in both directions.

    Each output is those of both cells side by side, [batch, forward + backward].  Variables are under `fw` and `bw` in
    the scope, `bidirectional_rnn` if none is given.  The other arguments and the errors: as of `static_rnn`.
    Source: tf.nn.static_bidirectional_rnn.
    """
    assert_like_rnncell("cell_fw", cell_fw)
    assert_like_rnncell("cell_bw", cell_bw)
    if not is_nested(inputs):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            fw, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, scope=forward)
        with variable_scope("bw") as backward:
            reverse = reversed_steps(inputs, sequence_length)
            bw, state_bw = static_rnn(cell_bw, reverse, initial_state_bw, dtype, sequence_length, scope=backward)
    back = reversed_steps(bw, sequence_length)
    pairs = zip(flatten(fw), flatten(back), strict=True)
    outputs = pack_sequence_as(fw, [concat([one, other], 1) for one, other in pairs])
    return outputs, state_fw, state_bw


def reversed_steps(steps: Sequence[Any], lengths: Any) -> list[Any]:
    """The steps in reverse; with lengths, those of each sequence up to its length, and the others as they are."""
    if lengths is None:
        return list(reversed(steps))
    for step in steps:
        assert_same_structure(steps[0], step)
    by_part = zip(*(flatten(step) for step in steps), strict=True)
    parts = [_reversed_part(part, lengths) for part in by_part]
    return [pack_sequence_as(step, list(leaves)) for step, leaves in zip(steps, zip(*parts, strict=True), strict=True)]


def _reversed_part(part: Sequence[Tensor], lengths: Any) -> list[Tensor]:
    tensors = [convert_to_tensor(x) for x in part]
    shape = TensorShape(None)
    for tensor in tensors:
        shape = shape.merge_with(tensor.shape)
        tensor.set_shape(shape)
    joined = stack(tensors)
    turned = unstack(reverse_sequence(joined, lengths, seq_axis=0, batch_axis=1), num=len(tensors))
    for tensor in turned:
        tensor.set_shape(shape)
    return turned

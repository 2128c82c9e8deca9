"""Layers of cells in both directions: each layer gets the outputs of both directions of the one before.

Source: tf.contrib.rnn.stack_bidirectional_rnn, stack_bidirectional_dynamic_rnn of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.ops.array.concat import concat
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.dynamic import bidirectional_dynamic_rnn
from dflow.rnn.static import static_bidirectional_rnn

__all__ = ["stack_bidirectional_dynamic_rnn", "stack_bidirectional_rnn"]


def stack_bidirectional_rnn(
    cells_fw: list[Any],
    cells_bw: list[Any],
    inputs: Any,
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """(outputs of the last layer, the last states forward, those backward): layers of `static_bidirectional_rnn`.

    cells_fw, cells_bw, initial_states_fw, initial_states_bw: lists with one for each layer.  Variables are under
    `cell_0`, `cell_1`, ... in the scope, `stack_bidirectional_rnn` if none is given.
    ValueError for lists that are none, are empty or have different lengths.  The other arguments: as there.
    """
    _check(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    forward, backward, outputs = [], [], inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, cells in enumerate(zip(cells_fw, cells_bw, strict=True)):
            first = _at(initial_states_fw, i), _at(initial_states_bw, i)
            with variable_scope(f"cell_{i}") as current:
                outputs, fw, bw = static_bidirectional_rnn(
                    *cells, outputs, *first, dtype=dtype, sequence_length=sequence_length, scope=current
                )
            forward.append(fw)
            backward.append(bw)
    return outputs, tuple(forward), tuple(backward)


def stack_bidirectional_dynamic_rnn(
    cells_fw: list[Any],
    cells_bw: list[Any],
    inputs: Any,
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """(outputs of the last layer, the last states forward, those backward): layers of `bidirectional_dynamic_rnn`.

    The outputs are those of both directions side by side.  The other arguments and errors: as of
    `stack_bidirectional_rnn` and of `dynamic_rnn`.
    """
    _check(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    forward, backward, outputs = [], [], inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, cells in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{i}"):
                both, (fw, bw) = bidirectional_dynamic_rnn(
                    *cells,
                    outputs,
                    sequence_length=sequence_length,
                    initial_state_fw=_at(initial_states_fw, i),
                    initial_state_bw=_at(initial_states_bw, i),
                    dtype=dtype,
                    parallel_iterations=parallel_iterations,
                    swap_memory=swap_memory,
                    time_major=time_major,
                )
                outputs = concat(list(both), 2)
            forward.append(fw)
            backward.append(bw)
    return outputs, tuple(forward), tuple(backward)


def _at(states: list[Any] | None, i: int) -> Any:
    return states[i] if states else None


def _check(cells_fw: Any, cells_bw: Any, states_fw: Any, states_bw: Any) -> None:
    if not cells_fw:
        raise ValueError("Must specify at least one fw cell for BidirectionalRNN.")
    if not cells_bw:
        raise ValueError("Must specify at least one bw cell for BidirectionalRNN.")
    for name, cells in (("fw", cells_fw), ("bw", cells_bw)):
        if not isinstance(cells, list):
            raise ValueError(f"cells_{name} must be a list of RNNCells (one per layer).")
    if len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth.")
    for name, states, cells in (("fw", states_fw, cells_fw), ("bw", states_bw, cells_bw)):
        if states is not None and (not isinstance(states, list) or len(states) != len(cells)):
            raise ValueError(f"initial_states_{name} must be a list of state tensors (one per layer).")

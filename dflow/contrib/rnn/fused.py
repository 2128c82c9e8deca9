"""Cells over all steps in one call: `FusedRNNCell`, its adaptor, and the reverse of time.

Source: tf.contrib.rnn.FusedRNNCell, FusedRNNCellAdaptor, TimeReversedFusedRNN of TensorFlow 1.15.
"""

from __future__ import annotations

import abc
from typing import Any

from dflow.graph import convert_to_tensor
from dflow.ops.array.reverse import reverse_sequence, reverse_v2
from dflow.ops.array.stack import stack, unstack
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.dynamic import dynamic_rnn
from dflow.rnn.static import static_rnn

__all__ = ["FusedRNNCell", "FusedRNNCellAdaptor", "TimeReversedFusedRNN"]


class FusedRNNCell(abc.ABC):
    """Base class of cells that take all steps at once."""

    @abc.abstractmethod
    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None, scope: Any = None
    ) -> Any:
        """(outputs, the last state) for inputs [time, batch, size], or a list of the steps of them."""


class FusedRNNCellAdaptor(FusedRNNCell):
    """A cell of one step as a fused one.  use_dynamic_rnn: whether it goes by `dynamic_rnn`, else by `static_rnn`."""

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False) -> None:
        self._cell = cell
        self._use_dynamic_rnn = use_dynamic_rnn

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None, scope: Any = None
    ) -> Any:
        """(outputs, the last state), the outputs in the form of the inputs; see FusedRNNCell."""
        is_list = isinstance(inputs, list)
        options = {
            "sequence_length": sequence_length,
            "initial_state": initial_state,
            "dtype": dtype,
            "scope": scope,
        }
        if self._use_dynamic_rnn:
            joined = stack(inputs) if is_list else inputs
            outputs, state = dynamic_rnn(self._cell, joined, time_major=True, **options)
            return (unstack(outputs) if is_list else outputs), state
        steps = inputs if is_list else unstack(inputs)
        outputs, state = static_rnn(self._cell, steps, **options)
        return (outputs if is_list else stack(outputs)), state


class TimeReversedFusedRNN(FusedRNNCell):
    """A fused cell that goes from the last step of each sequence to the first; outputs in the order of the inputs."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None, scope: Any = None
    ) -> Any:
        """(outputs, the last state); see FusedRNNCell."""
        with variable_scope(scope or "rnn") as current:
            turned = _reversed(inputs, sequence_length)
            outputs, state = self._cell(
                turned, initial_state=initial_state, dtype=dtype, sequence_length=sequence_length, scope=current
            )
            return _reversed(outputs, sequence_length), state


def _reversed(steps: Any, lengths: Any) -> Any:
    is_list = isinstance(steps, list)
    joined = stack(steps) if is_list else convert_to_tensor(steps)
    if lengths is None:
        turned = reverse_v2(joined, [0])
    else:
        turned = reverse_sequence(joined, lengths, seq_axis=0, batch_axis=1)
    return unstack(turned) if is_list else turned

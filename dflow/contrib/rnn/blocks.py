"""Cells that TensorFlow computes as one operation: `LSTMBlockCell`, `LSTMBlockFusedCell`, `GRUBlockCell`.

Here they are made of operations, with the same variables and values.  Source: tf.contrib.rnn of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.rnn.fused import FusedRNNCell
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer
from dflow.ops.array.concat import concat, split
from dflow.ops.array.stack import stack, unstack
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.math.linalg import matmul
from dflow.ops.nn.activations import sigmoid
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.clip import clip_by_value
from dflow.ops.state.initializers import constant_initializer
from dflow.rnn.base import LayerRNNCell, RNNCell
from dflow.rnn.dynamic import dynamic_rnn
from dflow.rnn.lstm import LSTMStateTuple
from dflow.shapes import as_shape

__all__ = ["GRUBlockCell", "GRUBlockCellV2", "LSTMBlockCell", "LSTMBlockFusedCell"]

PEEPHOLES = ("w_i_diag", "w_f_diag", "w_o_diag")


def _add_weights(layer: Any, size: int) -> None:
    """The variables of an LSTM layer."""
    units = layer._num_units
    layer._kernel = layer.add_weight("kernel", [size + units, 4 * units])
    layer._bias = layer.add_weight("bias", [4 * units], initializer=constant_initializer(0.0))
    if layer._use_peephole:
        layer._peepholes = [layer.add_weight(name, [units]) for name in PEEPHOLES]
    layer.built = True


def _lstm_step(layer: Any, x: Any, c: Tensor, h: Tensor) -> tuple[Tensor, LSTMStateTuple]:
    """A step of an LSTM layer, with its variables."""
    gates = bias_add(matmul(concat([x, h], 1), convert_to_tensor(layer._kernel)), layer._bias)
    i, j, f, o = split(gates, 4, axis=1)
    f = f + convert_to_tensor(layer._forget_bias, f.dtype)
    if layer._use_peephole:
        i, f = i + layer._peepholes[0] * c, f + layer._peepholes[1] * c
    c = sigmoid(f) * c + sigmoid(i) * tanh(j)
    if layer._cell_clip > 0:
        c = clip_by_value(c, -layer._cell_clip, layer._cell_clip)
    if layer._use_peephole:
        o = o + layer._peepholes[2] * c
    h = tanh(c) * sigmoid(o)
    return h, LSTMStateTuple(c, h)


class LSTMBlockCell(LayerRNNCell):
    """An LSTM cell as LSTMCell without a projection, with the same variables.

    num_units: the size of c, h and the output; forget_bias: added to the forget gate; cell_clip: c is clipped to
    [-cell_clip, cell_clip], None: not; use_peephole: whether the gates see c.
    ValueError if the size of the inputs is unknown, and for a state that is no pair.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str | None = "lstm_cell",
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._use_peephole = use_peephole
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        return self._num_units

    def build(self, input_shape: Any) -> None:
        size = as_shape(input_shape).as_list()[1]
        if not size:
            raise ValueError(f"Expecting inputs_shape[1] to be set: {input_shape}")
        _add_weights(self, size)

    def call(self, inputs: Any, state: Any) -> Any:
        if len(state) != 2:
            raise ValueError("Expecting state to be a tuple with length 2.")
        return _lstm_step(self, inputs, *state)


class LSTMBlockFusedCell(Layer, FusedRNNCell):
    """An LSTM layer over all steps.  layer(inputs, initial_state=None, dtype=None, sequence_length=None) gives
    (outputs, the last state).

    inputs: [time, batch, size], or a list of the steps, whose outputs are a list, too.  initial_state: (c, h), None:
    zeros of `dtype`.  Behind the length of a sequence, its outputs are zeros, and its state is the last one.
    The other arguments: as of LSTMBlockCell.
    ValueError if the size of the inputs is unknown, without both a state and a dtype, and for a state that is no pair.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str | None = "lstm_fused_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self._use_peephole = use_peephole

    @property
    def num_units(self) -> int:
        """The size of the outputs."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        shape = as_shape(input_shape[0] if isinstance(input_shape, list) else input_shape)
        size = shape.as_list()[-1]
        if not size:
            raise ValueError(f"Expecting inputs_shape[2] to be set: {shape}")
        _add_weights(self, size)

    def call(self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None) -> Any:
        is_list = isinstance(inputs, list)
        steps = stack(inputs) if is_list else inputs
        if initial_state is None:
            if dtype is None:
                raise ValueError("Either initial_state or dtype needs to be specified")
        elif len(initial_state) != 2:
            raise ValueError("Expecting initial_state to be a tuple with length 2 or None")
        else:
            initial_state = LSTMStateTuple(*initial_state)
        outputs, state = dynamic_rnn(
            _StepOf(self), steps, sequence_length, initial_state, dtype, time_major=True, scope="steps"
        )
        return (unstack(outputs) if is_list else outputs), state


class _StepOf(RNNCell):
    """A step of a layer, with the layer's variables."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._layer._num_units, self._layer._num_units)

    @property
    def output_size(self) -> int:
        units: int = self._layer._num_units
        return units

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        return _lstm_step(self._layer, inputs, *state)


class GRUBlockCell(LayerRNNCell):
    """A gated cell as GRUCell, with variables of other names: `w_ru`, `b_ru`, `w_c` and `b_c`.

    num_units: the size of the state; cell_size: an older name of it.
    ValueError unless one of both is given, if the size of the inputs is unknown, and for a state of another size.
    """

    _names = ("w_ru", "b_ru", "w_c", "b_c")

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | None = None,
        name: str | None = "gru_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name)
        if (cell_size is None) == (num_units is None):
            raise ValueError("Exactly one of num_units or cell_size must be provided.")
        self._cell_size: int = num_units or cell_size or 0
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> int:
        return self._cell_size

    @property
    def output_size(self) -> int:
        return self._cell_size

    def build(self, input_shape: Any) -> None:
        size, units = as_shape(input_shape).as_list()[1], self._cell_size
        if size is None:
            raise ValueError("Expecting input_size to be set.")
        gates, gate_bias, candidate, candidate_bias = self._names
        self._gate_kernel = self.add_weight(gates, [size + units, 2 * units])
        self._gate_bias = self.add_weight(gate_bias, [2 * units], initializer=constant_initializer(1.0))
        self._candidate_kernel = self.add_weight(candidate, [size + units, units])
        self._candidate_bias = self.add_weight(candidate_bias, [units], initializer=constant_initializer(0.0))
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        found = state.shape.with_rank(2).as_list()[1]
        if found != self._cell_size:
            raise ValueError(f"Shape of h_prev[1] incorrect: cell_size {self._cell_size} vs {found}")
        gates = matmul(concat([inputs, state], 1), convert_to_tensor(self._gate_kernel))
        r, u = split(sigmoid(bias_add(gates, self._gate_bias)), 2, axis=1)
        candidate = matmul(concat([inputs, r * state], 1), convert_to_tensor(self._candidate_kernel))
        output = u * state + (1 - u) * tanh(bias_add(candidate, self._candidate_bias))
        return output, output


class GRUBlockCellV2(GRUBlockCell):
    """GRUBlockCell with the variables of GRUCell."""

    _names = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")

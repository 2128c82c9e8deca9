"""More LSTM cells: with a coupled input and forget gate, and with normalised layers.

Source: tf.contrib.rnn.CoupledInputForgetGateLSTMCell, LayerNormBasicLSTMCell of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.layers.normalization import layer_norm
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat, split
from dflow.ops.array.slice import slice as slice_
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.math.linalg import matmul
from dflow.ops.nn.activations import sigmoid
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.clip import clip_by_value
from dflow.ops.nn.dropout import dropout
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import constant_initializer, zeros_initializer
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.base import RNNCell
from dflow.rnn.lstm import LSTMStateTuple

__all__ = ["CoupledInputForgetGateLSTMCell", "LayerNormBasicLSTMCell"]


def _normalised(x: Tensor, name: str, gain: float, shift: float) -> Any:
    """The rows of x with mean `shift` and deviation `gain` at first; variables `gamma` and `beta` under the name."""
    with variable_scope(name):
        size = x.shape[-1:]
        get_variable("gamma", size, x.dtype, constant_initializer(gain))
        get_variable("beta", size, x.dtype, constant_initializer(shift))
    return layer_norm(x, reuse=True, scope=name)


class CoupledInputForgetGateLSTMCell(RNNCell):
    """An LSTM cell whose input gate is one minus the forget gate (http://arxiv.org/abs/1503.04069).

    layer_norm: whether each gate and c are normalised, with `norm_gain` and `norm_shift` as first values.
    num_unit_shards, num_proj_shards: the numbers of the variables `W_0`, `W_1`, ... and `W_P_0`, ...; initializer:
    accepted, the variables have that of the scope.
    The other arguments and the errors: as of `nn.rnn_cell.LSTMCell`.
    Variables: `W_0`, `B`, `W_F_diag`, `W_O_diag`, `W_P_0`, and `gamma` and `beta` of each normalised layer.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = tanh,
        reuse: bool | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._use_peepholes = use_peepholes
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._shards = num_unit_shards, num_proj_shards
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation
        self._layer_norm = layer_norm
        self._norm = norm_gain, norm_shift
        self._output_size = num_proj or num_units

    @property
    def state_size(self) -> Any:
        if self._state_is_tuple:
            return LSTMStateTuple(self._num_units, self._output_size)
        return self._num_units + self._output_size

    @property
    def output_size(self) -> int:
        return self._output_size

    def call(self, inputs: Any, state: Any) -> Any:
        units, outputs = self._num_units, self._output_size
        if self._state_is_tuple:
            c, h = state
        else:
            c, h = slice_(state, [0, 0], [-1, units]), slice_(state, [0, units], [-1, outputs])
        size = inputs.shape.with_rank(2).as_list()[1]
        if size is None:
            raise ValueError("Could not infer input size from inputs.get_shape()[-1]")
        weights = _in_parts("W", [size + outputs, 3 * units], inputs.dtype, self._shards[0])
        bias = get_variable("B", [3 * units], inputs.dtype, zeros_initializer())
        gates = matmul(concat([inputs, h], 1), weights)
        if not self._layer_norm:
            gates = bias_add(gates, bias)
        j, f, o = split(gates, 3, axis=1)
        if self._layer_norm:
            pairs = ((j, "transform"), (f, "forget"), (o, "output"))
            j, f, o = (_normalised(gate, name, *self._norm) for gate, name in pairs)
        f = f + convert_to_tensor(self._forget_bias, f.dtype)
        if self._use_peepholes:
            w_f = get_variable("W_F_diag", [units], inputs.dtype)
            w_o = get_variable("W_O_diag", [units], inputs.dtype)
            f = f + w_f * c
        keep = sigmoid(f)
        c = keep * c + (1 - keep) * self._activation(j)
        if self._layer_norm:
            c = _normalised(c, "state", *self._norm)
        h = sigmoid(o + w_o * c if self._use_peepholes else o) * self._activation(c)
        if self._num_proj is not None:
            h = matmul(h, _in_parts("W_P", [units, self._num_proj], inputs.dtype, self._shards[1]))
            if self._proj_clip is not None:
                h = clip_by_value(h, -self._proj_clip, self._proj_clip)
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else concat([c, h], 1)


def _in_parts(name: str, shape: list[int], dtype: Any, parts: int) -> Tensor:
    """A matrix of one variable for each part of its rows."""
    if parts > shape[0]:
        raise ValueError(f"Too many shards: shape={shape}, num_shards={parts}")
    rows, more = divmod(shape[0], parts)
    sizes = [rows + (i < more) for i in range(parts)]
    found = [get_variable(f"{name}_{i}", [size, shape[1]], dtype) for i, size in enumerate(sizes)]
    return convert_to_tensor(found[0]) if parts == 1 else concat(found, 0)


class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM cell with normalised layers (http://arxiv.org/abs/1607.06450) and dropout in its memory.

    layer_norm: whether each gate and c are normalised, with `norm_gain` and `norm_shift` as first values; without it,
    there is a bias.  dropout_keep_prob, dropout_prob_seed: of the new values of the memory; a number of 1.0: none.
    num_units, forget_bias, activation: as of `nn.rnn_cell.BasicLSTMCell`; input_size: accepted.
    Variables: `kernel`, `bias`, and `gamma` and `beta` under `input`, `transform`, `forget`, `output` and `state`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._activation = activation
        self._forget_bias = forget_bias
        self._keep_prob = dropout_keep_prob
        self._seed = dropout_prob_seed
        self._layer_norm = layer_norm
        self._norm = norm_gain, norm_shift

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        c, h = state
        joined = concat([inputs, h], 1)
        kernel = get_variable("kernel", [joined.shape[-1], 4 * self._num_units], joined.dtype)
        gates = matmul(joined, convert_to_tensor(kernel))
        if not self._layer_norm:
            gates = bias_add(gates, get_variable("bias", [4 * self._num_units], joined.dtype))
        i, j, f, o = split(gates, 4, axis=1)
        if self._layer_norm:
            pairs = ((i, "input"), (j, "transform"), (f, "forget"), (o, "output"))
            i, j, f, o = (_normalised(gate, name, *self._norm) for gate, name in pairs)
        new = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            new = dropout(new, self._keep_prob, seed=self._seed)
        c = c * sigmoid(f + convert_to_tensor(self._forget_bias, f.dtype)) + sigmoid(i) * new
        if self._layer_norm:
            c = _normalised(c, "state", *self._norm)
        h = self._activation(c) * sigmoid(o)
        return h, LSTMStateTuple(c, h)

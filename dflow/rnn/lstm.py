"""Cells with long short-term memory: `BasicLSTMCell`, `LSTMCell`, and their state, `LSTMStateTuple`.

Source: tf.nn.rnn_cell.BasicLSTMCell, LSTMCell, LSTMStateTuple of TensorFlow 1.15.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec
from dflow.ops.array.concat import concat, split
from dflow.ops.array.slice import slice as slice_
from dflow.ops.math.linalg import matmul
from dflow.ops.nn.activations import sigmoid
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.clip import clip_by_value
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.partitions import fixed_size_partitioner
from dflow.rnn.base import LayerRNNCell, activation_name, activation_of, check_dtype, check_dtypes, input_size

__all__ = ["BasicLSTMCell", "LSTMCell", "LSTMStateTuple"]


class LSTMStateTuple(namedtuple("LSTMStateTuple", ("c", "h"))):
    """The state of an LSTM cell, or its sizes: `c`, the memory, and `h`, the output."""

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """The dtype of both; TypeError if they differ."""
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"Inconsistent internal state: {self.c.dtype!s} vs {self.h.dtype!s}")
        return self.c.dtype


class BasicLSTMCell(LayerRNNCell):
    """An LSTM cell without peepholes, clipping and projection (http://arxiv.org/abs/1409.2329).

        i, j, f, o = inputs @ W + h @ U + b
        c = c * sigmoid(f + forget_bias) + sigmoid(i) * activation(j)
        output = h = activation(c) * sigmoid(o)

    num_units: the size of c, h and the output.  forget_bias: added to the forget gate; set it to 0 to restore weights
    of CudnnLSTM.  state_is_tuple: whether the state is an LSTMStateTuple; if not, c and h in one tensor, side by side.
    activation: a function or its name; None: tanh.  reuse: whether to take variables that exist already.
    Variables: `kernel`, [inputs + units, 4 * units], and `bias`.
    ValueError if the size of the inputs is unknown, and for inputs that are not floating or complex.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_dtype(self.dtype)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation)

    @property
    def state_size(self) -> Any:
        units = self._num_units
        return LSTMStateTuple(units, units) if self._state_is_tuple else 2 * units

    @property
    def output_size(self) -> int:
        return self._num_units

    def build(self, input_shape: Any) -> None:
        size, units = input_size(input_shape), self._num_units
        check_dtype(self.dtype)
        self._kernel = self.add_weight("kernel", [size + units, 4 * units])
        zeros = zeros_initializer(as_dtype(self.dtype or float32))
        self._bias = self.add_weight("bias", [4 * units], initializer=zeros)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_dtypes(inputs, state)
        c, h = state if self._state_is_tuple else split(state, 2, axis=1)
        gates = matmul(concat([inputs, h], 1), convert_to_tensor(self._kernel))
        i, j, f, o = split(bias_add(gates, self._bias), 4, axis=1)
        forget = sigmoid(f + convert_to_tensor(self._forget_bias, f.dtype))
        c = c * forget + sigmoid(i) * self._activation(j)
        h = self._activation(c) * sigmoid(o)
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else concat([c, h], 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell, for `from_config`."""
        names = ("num_units", "forget_bias", "state_is_tuple")
        return _config(self, names)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BasicLSTMCell:
        """A cell of these arguments."""
        return cls(**config)


class LSTMCell(LayerRNNCell):
    """An LSTM cell, with peepholes, clipping and a projection if they are asked for.

    The gates are those of BasicLSTMCell.  use_peepholes: whether the gates see c, too: f and i the old one, o the new
    one, each times a vector.  cell_clip: c is clipped to [-cell_clip, cell_clip].  num_proj: the size of h and the
    output, which are then a product with a matrix, clipped to [-proj_clip, proj_clip].
    initializer: of the matrices and of the vectors of peepholes.  num_unit_shards, num_proj_shards: of how many parts
    `kernel` and `projection/kernel` are made; a partitioner of the variable scope does the same.
    Variables: `kernel`, `bias`, `w_f_diag`, `w_i_diag`, `w_o_diag` and `projection/kernel`.
    The other arguments and the errors: as of BasicLSTMCell.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_dtype(self.dtype)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._use_peepholes = use_peepholes
        self._cell_clip = cell_clip
        self._initializer = initializer
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._num_unit_shards = num_unit_shards
        self._num_proj_shards = num_proj_shards
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation)
        self._output_size = num_proj or num_units

    @property
    def state_size(self) -> Any:
        if self._state_is_tuple:
            return LSTMStateTuple(self._num_units, self._output_size)
        return self._num_units + self._output_size

    @property
    def output_size(self) -> int:
        return self._output_size

    def build(self, input_shape: Any) -> None:
        size, units, outputs = input_size(input_shape), self._num_units, self._output_size
        check_dtype(self.dtype)
        self._kernel = self.add_weight(
            "kernel",
            [size + outputs, 4 * units],
            initializer=self._initializer,
            partitioner=_parts(self._num_unit_shards),
        )
        zeros = zeros_initializer(as_dtype(self.dtype or float32))
        self._bias = self.add_weight("bias", [4 * units], initializer=zeros)
        if self._use_peepholes:
            self._w_f_diag = self.add_weight("w_f_diag", [units], initializer=self._initializer)
            self._w_i_diag = self.add_weight("w_i_diag", [units], initializer=self._initializer)
            self._w_o_diag = self.add_weight("w_o_diag", [units], initializer=self._initializer)
        if self._num_proj is not None:
            self._proj_kernel = self.add_weight(
                "projection/kernel",
                [units, outputs],
                initializer=self._initializer,
                partitioner=_parts(self._num_proj_shards),
            )
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_dtypes(inputs, state)
        old, h = self._parted(state)
        if inputs.shape.with_rank(2).as_list()[1] is None:
            raise ValueError("Could not infer input size from inputs.get_shape()[-1]")
        gates = matmul(concat([inputs, h], 1), convert_to_tensor(self._kernel))
        i, j, f, o = split(bias_add(gates, self._bias), 4, axis=1)
        f = f + convert_to_tensor(self._forget_bias, f.dtype)
        if self._use_peepholes:
            f, i = f + self._w_f_diag * old, i + self._w_i_diag * old
        c = sigmoid(f) * old + sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            c = clip_by_value(c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self._w_o_diag * c
        h = self._projected(sigmoid(o) * self._activation(c))
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else concat([c, h], 1)

    def _parted(self, state: Any) -> tuple[Tensor, Tensor]:
        if self._state_is_tuple:
            c, h = state
            return c, h
        c = slice_(state, [0, 0], [-1, self._num_units])
        return c, slice_(state, [0, self._num_units], [-1, self._output_size])

    def _projected(self, h: Tensor) -> Tensor:
        if self._num_proj is None:
            return h
        h = matmul(h, convert_to_tensor(self._proj_kernel))
        if self._proj_clip is not None:
            h = clip_by_value(h, -self._proj_clip, self._proj_clip)
        return h

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell, for `from_config`."""
        own = ("use_peepholes", "cell_clip", "initializer", "num_proj", "proj_clip", "num_unit_shards")
        return _config(self, ("num_units", *own, "num_proj_shards", "forget_bias", "state_is_tuple"))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LSTMCell:
        """A cell of these arguments."""
        return cls(**config)


def _parts(count: int | None) -> Any:
    return fixed_size_partitioner(count) if count is not None else None


def _config(cell: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": cell.name,
        "trainable": cell.trainable,
        "dtype": None if cell.dtype is None else cell.dtype.name,
        **{name: getattr(cell, f"_{name}") for name in names},
        "activation": activation_name(cell._activation),
        "reuse": cell._reuse,
    }

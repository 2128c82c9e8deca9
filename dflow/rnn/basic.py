"""The simplest cells: `BasicRNNCell` and `GRUCell`.

Source: tf.nn.rnn_cell.BasicRNNCell, tf.nn.rnn_cell.GRUCell of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.graph import convert_to_tensor
from dflow.layers.base import InputSpec
from dflow.ops.array.concat import concat, split
from dflow.ops.math.linalg import matmul
from dflow.ops.nn.activations import sigmoid
from dflow.ops.nn.bias import bias_add
from dflow.ops.state.initializers import constant_initializer, zeros_initializer
from dflow.rnn.base import LayerRNNCell, activation_name, activation_of, check_dtype, check_dtypes, input_size

__all__ = ["BasicRNNCell", "GRUCell"]


class BasicRNNCell(LayerRNNCell):
    """output = state = activation(inputs @ W + state @ U + b).

    num_units: the size of the output and of the state.  activation: a function or its name; None: tanh.
    reuse: whether to take variables that exist already.  Variables: `kernel`, [inputs + units, units], and `bias`.
    ValueError if the size of the inputs is unknown, and for inputs that are not floating or complex.
    """

    def __init__(
        self,
        num_units: int,
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
        self._activation = activation_of(activation)

    @property
    def state_size(self) -> int:
        return self._num_units

    @property
    def output_size(self) -> int:
        return self._num_units

    def build(self, input_shape: Any) -> None:
        size = input_size(input_shape)
        check_dtype(self.dtype)
        dtype = as_dtype(self.dtype or float32)
        self._kernel = self.add_weight("kernel", [size + self._num_units, self._num_units])
        self._bias = self.add_weight("bias", [self._num_units], initializer=zeros_initializer(dtype))
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_dtypes(inputs, state)
        gates = matmul(concat([inputs, state], 1), convert_to_tensor(self._kernel))
        output = self._activation(bias_add(gates, self._bias))
        return output, output

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell, for `from_config`."""
        return _config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BasicRNNCell:
        """A cell of these arguments."""
        return cls(**config)


class GRUCell(LayerRNNCell):
    """A gated recurrent unit (http://arxiv.org/abs/1406.1078).

        r, u = sigmoid(inputs @ W + state @ U + b)
        c = activation(inputs @ W' + (r * state) @ U' + b')
        output = state = u * state + (1 - u) * c

    num_units, activation, reuse: as of BasicRNNCell.  kernel_initializer: None: the scope's; bias_initializer: None:
    1 for the gates r and u, 0 for c.
    Variables: `gates/kernel`, `gates/bias`, `candidate/kernel`, `candidate/bias`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_dtype(self.dtype)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._activation = activation_of(activation)
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    @property
    def state_size(self) -> int:
        return self._num_units

    @property
    def output_size(self) -> int:
        return self._num_units

    def build(self, input_shape: Any) -> None:
        size, units = input_size(input_shape), self._num_units
        check_dtype(self.dtype)
        dtype, given = as_dtype(self.dtype or float32), self._bias_initializer
        kernel = self._kernel_initializer
        self._gate_kernel = self.add_weight("gates/kernel", [size + units, 2 * units], initializer=kernel)
        ones = constant_initializer(1.0, dtype=dtype) if given is None else given
        self._gate_bias = self.add_weight("gates/bias", [2 * units], initializer=ones)
        self._candidate_kernel = self.add_weight("candidate/kernel", [size + units, units], initializer=kernel)
        none = zeros_initializer(dtype) if given is None else given
        self._candidate_bias = self.add_weight("candidate/bias", [units], initializer=none)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_dtypes(inputs, state)
        gates = matmul(concat([inputs, state], 1), convert_to_tensor(self._gate_kernel))
        r, u = split(sigmoid(bias_add(gates, self._gate_bias)), 2, axis=1)
        candidate = matmul(concat([inputs, r * state], 1), convert_to_tensor(self._candidate_kernel))
        c = self._activation(bias_add(candidate, self._candidate_bias))
        output = u * state + (1 - u) * c
        return output, output

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell, for `from_config`."""
        given = {"kernel_initializer": self._kernel_initializer, "bias_initializer": self._bias_initializer}
        return {**_config(self), **given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GRUCell:
        """A cell of these arguments."""
        return cls(**config)


def _config(cell: Any) -> dict[str, Any]:
    return {
        "name": cell.name,
        "trainable": cell.trainable,
        "dtype": None if cell.dtype is None else cell.dtype.name,
        "num_units": cell._num_units,
        "activation": activation_name(cell._activation),
        "reuse": cell._reuse,
    }

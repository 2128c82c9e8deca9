"""Cells: a function of the inputs of one time step and a state, which gives the outputs and the next state.

    cell = df.nn.rnn_cell.BasicLSTMCell(20)
    state = cell.zero_state(batch_size, df.float32)
    output, state = cell(x, state)

A cell is a layer.  `state_size` and `output_size` are nested structures of sizes: an integer for a matrix
[batch, size], a TensorShape for [batch, *shape].
Source: tf.nn.rnn_cell.RNNCell of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dflow.dtypes import as_dtype
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import Layer
from dflow.nest import flatten, map_structure
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.nn.activations import relu, sigmoid, softmax, softplus
from dflow.ops.nn.rectifiers import elu, relu6, selu, softsign
from dflow.ops.rules.blocks import named
from dflow.ops.rules.static import is_symbolic, known_value
from dflow.ops.state.variable_lists import trainable_variables
from dflow.ops.state.variable_scope import get_variable_scope, variable_scope
from dflow.shapes import TensorShape, as_shape

__all__ = ["LayerRNNCell", "RNNCell", "assert_like_rnncell"]


class RNNCell(Layer):
    """Base class of cells; a cell defines `state_size`, `output_size` and `call(inputs, state)`.

    Variables that `call` makes with `get_variable` are in the scope of the cell, and count as its weights.
    """

    _opened: Any = None  # the scope with the getter that notes the variables

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The sizes of the outputs."""
        raise NotImplementedError("Abstract method")

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(outputs, the next state) for the inputs of one step, [batch, size], and a state of `state_size`.

        scope: the variable scope; None: one of the name of the class.
        """
        if scope is not None:
            with variable_scope(scope, custom_getter=self._note) as current:
                return super().__call__(inputs, state, scope=current)
        if self._opened is None:
            self._opened = variable_scope(get_variable_scope(), custom_getter=self._note)
        with self._opened:
            return super().__call__(inputs, state)

    def _note(self, getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Get a variable, and note it as a weight."""
        variable = getter(*args, **kwargs)
        trained = variable in trainable_variables()
        weights = self._trainable_weights if trained else self._non_trainable_weights
        if not any(variable is weight for weight in weights):
            weights.append(variable)
        return variable

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """`zero_state`, for the batch size and the dtype of `inputs` if they are given.

        ValueError if they differ from the other arguments, or if both are unknown.
        """
        if inputs is not None:
            tensor = convert_to_tensor(inputs, name="inputs")
            _check_batch_size(batch_size, tensor)
            rows = tensor.spec.shape[0] if tensor.shape.ndims else None
            batch_size = get_item(shape_of(tensor), 0) if rows is None else rows
            if dtype is not None and as_dtype(dtype) != tensor.dtype:
                raise ValueError(
                    "dtype from input tensor is different from the input param. "
                    f"Input tensor dtype: {tensor.dtype!s}, dtype: {as_dtype(dtype)!s}"
                )
            dtype = tensor.dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"batch_size={batch_size}, dtype={dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros, in the structure of `state_size`.  batch_size: an int or a scalar tensor."""
        with named(None, f"{type(self).__name__}ZeroState", [batch_size]):
            return zeros_of(self.state_size, batch_size, dtype)

    def build(self, input_shape: Any) -> None:
        """A cell that makes its variables in `call` needs nothing here."""


class LayerRNNCell(RNNCell):
    """Base class of cells that make their variables in `build`, with `add_weight`, as layers do."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        """(outputs, the next state) for the inputs of one step and a state.

        scope: the variable scope at the first call; None: one of the cell's name.
        """
        return Layer.__call__(self, inputs, state, *args, scope=scope, **kwargs)


class Reference(NamedTuple):
    """A part of a cell, and its name there."""

    name: str
    ref: Any


def _check_batch_size(batch_size: Any, inputs: Tensor) -> None:
    if batch_size is None:
        return
    size = known_value(batch_size) if is_symbolic(batch_size) else batch_size
    size = None if size is None else int(size)
    rows = inputs.spec.shape[0]
    if rows != size:
        raise ValueError(
            "batch size from input tensor is different from the input param. "
            f"Input tensor batch: {rows}, batch_size: {batch_size}"
        )


def assert_like_rnncell(name: str, cell: Any) -> None:
    """TypeError, which says what it lacks, for an object that is no cell."""
    lacks = []
    for attribute in ("output_size", "state_size"):
        if not _has(cell, attribute):
            lacks.append(f"'{attribute}' property is missing")
    if not (_has(cell, "zero_state") or _has(cell, "get_initial_state")):
        lacks.append("either 'zero_state' or 'get_initial_state' method is required")
    if not callable(cell):
        lacks.append("is not callable")
    if lacks:
        raise TypeError(f"The argument {name!r} ({cell}) is not an RNNCell: {', '.join(lacks)}.")


def _has(cell: Any, attribute: str) -> bool:
    try:
        return hasattr(cell, attribute)
    except NotImplementedError:  # a property of the base class
        return True


# -- sizes and states


def with_batch(batch_size: Any, size: Any) -> Any:
    """The shape of a batch of values of a size: numbers, or a tensor if the batch size is one, or a size is unknown."""
    sizes = size_list(size)
    if any(is_symbolic(item) for item in (batch_size, *sizes)):
        return concat([[batch_size], sizes], 0) if sizes else [batch_size]
    return [int(batch_size), *sizes]


def size_list(size: Any) -> list[Any]:
    """The sizes of a row, from an int, a Dimension or a shape.  ValueError for an unknown one."""
    if isinstance(size, Tensor):
        rank = size.shape.ndims
        return [size] if rank == 0 else [get_item(size, i) for i in range(int(size.shape[0]))]
    sizes = as_shape(size).as_list()
    if None in sizes:
        raise ValueError(f"Shape must be fully defined and is {as_shape(size)}")
    return list(sizes)


def static_with_batch(batch_size: Any, size: Any) -> TensorShape:
    """The static shape of a batch of values of a size."""
    known = batch_size
    if is_symbolic(batch_size):
        value = known_value(convert_to_tensor(batch_size))
        known = None if value is None else int(value)
    sizes = [None] * len(size_list(size)) if isinstance(size, Tensor) else as_shape(size).as_list()
    return TensorShape([None if known is None else int(known), *sizes])


def zeros_of(sizes: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros for a batch, in a nested structure of sizes; dtype: one, or a structure of them."""

    def one(size: Any) -> Tensor:
        values = zeros(with_batch(batch_size, size), dtype)
        values.set_shape(static_with_batch(batch_size, size))
        return values

    return map_structure(one, sizes)


def check_dtypes(*values: Any) -> None:
    """ValueError for tensors, in nested structures, that are not of floating or complex numbers."""
    for value in flatten(list(values)):
        if not isinstance(value, TensorArray):
            check_dtype(convert_to_tensor(value).dtype)


def check_dtype(dtype: Any) -> None:
    """ValueError for a dtype that is not of floating or complex numbers; None is none."""
    if dtype is not None and not (as_dtype(dtype).is_floating or as_dtype(dtype).is_complex):
        raise ValueError(f"RNN cell only supports floating point inputs, but saw dtype: {as_dtype(dtype)!s}")


def input_size(input_shape: Any) -> int:
    """The size of the last axis; ValueError if it is unknown."""
    shape = as_shape(input_shape)
    if shape.ndims is None or not shape.as_list() or shape.as_list()[-1] is None:
        raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {input_shape}")
    return int(shape.as_list()[-1])  # type: ignore[arg-type]


# -- activations


def _linear(x: Any) -> Any:
    return x


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "elu": elu,
    "linear": _linear,
    "relu": relu,
    "relu6": relu6,
    "selu": selu,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": tanh,
}


def activation_of(activation: Any) -> Callable[[Any], Any]:
    """A function, from one or its name; None: `tanh`.  ValueError for an unknown name."""
    if not activation:
        return tanh
    if not isinstance(activation, str):
        function: Callable[[Any], Any] = activation
        return function
    if activation not in _ACTIVATIONS:
        raise ValueError(f"Unknown activation function: {activation}")
    return _ACTIVATIONS[activation]


def activation_name(activation: Callable[[Any], Any]) -> Any:
    """The name of an activation, for the configuration of a cell; the function itself if it has none."""
    return next((name for name, known in _ACTIVATIONS.items() if known is activation), activation)


def config_of(cell: Any) -> dict[str, Any]:
    """A cell in the configuration of another: its class and its own configuration."""
    return {"class_name": type(cell).__name__, "config": cell.get_config()}

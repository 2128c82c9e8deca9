"""Cells around a cell: products before and after it, embeddings, attention, highways.

Source: tf.contrib.rnn of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor, get_default_graph
from dflow.nest import assert_same_structure, flatten, is_nested, map_structure
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import expand_dims, reshape
from dflow.ops.array.slice import slice as slice_
from dflow.ops.conv.conv import conv2d
from dflow.ops.embedding.lookup import embedding_lookup
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.math.linalg import matmul
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.activations import sigmoid, softmax
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.layers import xw_plus_b
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import constant_initializer, random_uniform_initializer
from dflow.ops.state.variable_scope import get_variable_scope, variable_scope
from dflow.rnn.base import RNNCell, assert_like_rnncell
from dflow.rnn.wrappers import CellWrapper

__all__ = [
    "AttentionCellWrapper",
    "EmbeddingWrapper",
    "HighwayWrapper",
    "InputProjectionWrapper",
    "OutputProjectionWrapper",
]


def linear(values: Any, size: int) -> Tensor:
    """Values side by side times `kernel`, plus `bias`: variables of the current scope.

    ValueError for values that are no matrices, or have an unknown number of columns.
    """
    parts = [convert_to_tensor(value) for value in flatten(values)]
    columns = 0
    for part in parts:
        if part.shape.ndims != 2:
            raise ValueError(f"linear is expecting 2D arguments: {[part.shape for part in parts]}")
        count = part.shape.as_list()[1]
        if count is None:
            raise ValueError(f"linear expects shape[1] to be provided for shape {part.shape}, but saw {count}")
        columns += count
    joined = parts[0] if len(parts) == 1 else concat(parts, 1)
    kernel = get_variable("kernel", [columns, size], joined.dtype)
    bias = get_variable("bias", [size], joined.dtype, constant_initializer(0.0, dtype=joined.dtype))
    return bias_add(matmul(joined, convert_to_tensor(kernel)), bias)


class _Around(RNNCell):
    """A cell around a cell, whose scope the variables of both are in."""

    def __init__(self, cell: Any, reuse: bool | None) -> None:
        super().__init__(_reuse=reuse)
        assert_like_rnncell("cell", cell)
        self._cell = cell

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The zero state of the cell inside; see RNNCell."""
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return self._cell.zero_state(batch_size, dtype)


class InputProjectionWrapper(_Around):
    """A cell whose inputs are first multiplied with a matrix.

    num_proj: the size of the product; activation: a function of it, None: none; input_size: accepted.
    """

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Callable[[Any], Any] | None = None,
        input_size: Any = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._num_proj = num_proj
        self._activation = activation

    def call(self, inputs: Any, state: Any) -> Any:
        projected = linear(inputs, self._num_proj)
        return self._cell(self._activation(projected) if self._activation else projected, state)


class OutputProjectionWrapper(_Around):
    """A cell whose outputs are multiplied with a matrix.

    output_size: the size of the product, ValueError if it is not positive; activation: a function of it.
    """

    def __init__(
        self,
        cell: Any,
        output_size: int,
        activation: Callable[[Any], Any] | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        self._output_size = output_size
        self._activation = activation

    @property
    def output_size(self) -> int:
        return self._output_size

    def call(self, inputs: Any, state: Any) -> Any:
        output, following = self._cell(inputs, state)
        projected = linear(output, self._output_size)
        return self._activation(projected) if self._activation else projected, following


class EmbeddingWrapper(_Around):
    """A cell whose inputs are numbers of classes, [batch] or [batch, 1]: the cell gets a row of `embedding` for each.

    embedding_classes, embedding_size: the shape of `embedding`, ValueError if they are not positive.
    initializer: None: that of the scope, else uniform values with variance 1.
    """

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                f"Both embedding_classes and embedding_size must be > 0: {embedding_classes}, {embedding_size}."
            )
        self._shape = [embedding_classes, embedding_size]
        self._initializer = initializer

    def call(self, inputs: Any, state: Any) -> Any:
        with get_default_graph().device("/cpu:0"):
            bound = math.sqrt(3)
            initializer = self._initializer or get_variable_scope().initializer
            initializer = initializer or random_uniform_initializer(-bound, bound)
            dtype = (state[0] if isinstance(state, tuple) else state).dtype
            embedding = get_variable("embedding", self._shape, dtype, initializer)
            embedded = embedding_lookup(embedding, reshape(inputs, [-1]))
        return self._cell(embedded, state)


class HighwayWrapper(CellWrapper):
    """A cell whose outputs are mixed with its inputs, by a gate (http://arxiv.org/abs/1505.00387).

    couple_carry_transform_gates: whether the part of the outputs is one minus that of the inputs; if not, it has a gate
    of its own.  carry_bias_init: the first bias of the gate of the inputs.
    Variables: `carry_w`, `carry_b`, `transform_w`, `transform_b`.
    """

    def __init__(self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0) -> None:
        super().__init__(cell)
        self._couple_carry_transform_gates = couple_carry_transform_gates
        self._carry_bias_init = carry_bias_init

    def _wrapped(self, inputs: Any, state: Any, cell: Callable[..., Any], **kwargs: Any) -> Any:
        outputs, following = cell(inputs, state, **kwargs)
        assert_same_structure(inputs, outputs)
        map_structure(lambda x, y: x.shape.assert_is_compatible_with(y.shape), inputs, outputs)
        return map_structure(self._mixed, inputs, outputs), following

    def _mixed(self, x: Tensor, y: Tensor) -> Tensor:
        carry = self._gate(x, "carry", self._carry_bias_init)
        coupled = self._couple_carry_transform_gates
        transform = 1 - carry if coupled else self._gate(x, "transform", -self._carry_bias_init)
        mixed: Tensor = x * carry + y * transform
        return mixed

    def _gate(self, x: Tensor, name: str, bias: float) -> Tensor:
        size = x.shape.with_rank(2)[1]
        weight = get_variable(f"{name}_w", [size, size])
        shift = get_variable(f"{name}_b", [size], initializer=constant_initializer(bias))
        return sigmoid(xw_plus_b(x, weight, shift))


class AttentionCellWrapper(RNNCell):
    """A cell with attention to its last outputs (http://arxiv.org/abs/1409.0473).

    attn_length: the number of outputs that it remembers; attn_size: the size of an output, None: that of the cell;
    attn_vec_size: the size of a hidden layer, None: attn_size; input_size: the size of the cell's inputs, which are
    made of the inputs and the attention, None: that of the inputs.
    state_is_tuple: whether the state is (the cell's, the attention, the outputs); if not, all side by side.
    ValueError for a nested state without `state_is_tuple`, and for a length that is not positive.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        assert_like_rnncell("cell", cell)
        if is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "Cell returns tuple of states, but the flag state_is_tuple is not set. "
                f"State size is: {cell.state_size}"
            )
        if attn_length <= 0:
            raise ValueError(f"attn_length should be greater than zero, got {attn_length}")
        self._cell = cell
        self._length = attn_length
        self._size: int = cell.output_size if attn_size is None else attn_size
        self._hidden_size = self._size if attn_vec_size is None else attn_vec_size
        self._input_size = input_size
        self._state_is_tuple = state_is_tuple

    @property
    def state_size(self) -> Any:
        sizes = self._cell.state_size, self._size, self._size * self._length
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        return self._size

    def call(self, inputs: Any, state: Any) -> Any:
        inner, attention, past = state if self._state_is_tuple else self._parted(state)
        past = reshape(past, [-1, self._length, self._size])
        inputs = linear([inputs, attention], self._input_size or inputs.shape.as_list()[1])
        output, inner = self._cell(inputs, inner)
        query = concat(flatten(inner), 1) if self._state_is_tuple else inner
        attention = self._attention(query, past)
        with variable_scope("attn_output_projection"):
            output = linear([output, attention], self._size)
        recent = slice_(past, [0, 1, 0], [-1, -1, -1])
        past = reshape(concat([recent, expand_dims(output, 1)], 1), [-1, self._length * self._size])
        parts = (inner, attention, past)
        return output, parts if self._state_is_tuple else concat(list(parts), 1)

    def _parted(self, state: Tensor) -> list[Tensor]:
        parts, start = [], 0
        for size in (self._cell.state_size, self._size, self._size * self._length):
            parts.append(slice_(state, [0, start], [-1, size]))
            start += size
        return parts

    def _attention(self, query: Tensor, past: Tensor) -> Tensor:
        """The sum of the past outputs, by their weights for a query."""
        with variable_scope("attention"):
            k = get_variable("attn_w", [1, 1, self._size, self._hidden_size])
            v = get_variable("attn_v", [self._hidden_size])
            outputs = reshape(past, [-1, self._length, 1, self._size])
            features = conv2d(outputs, k, [1, 1, 1, 1], "SAME")
            asked = reshape(linear(query, self._hidden_size), [-1, 1, 1, self._hidden_size])
            weights = softmax(reduce_sum(v * tanh(features + asked), [2, 3]))
            weighted = reshape(weights, [-1, self._length, 1, 1]) * outputs
            return reshape(reduce_sum(weighted, [1, 2]), [-1, self._size])

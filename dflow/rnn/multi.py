"""`MultiRNNCell`: cells on top of each other.  Source: tf.nn.rnn_cell.MultiRNNCell of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.layers.base import Layer
from dflow.nest import is_nested
from dflow.ops.array.concat import concat
from dflow.ops.array.slice import slice as slice_
from dflow.ops.rules.blocks import named
from dflow.ops.state.variable_scope import variable_scope
from dflow.rnn.base import Reference, RNNCell, config_of

__all__ = ["MultiRNNCell"]


class MultiRNNCell(RNNCell):
    """A cell of several: each one gets the outputs of the one before.

    cells: one object for each; their variables are under `cell_0`, `cell_1`, ...
    state_is_tuple: whether the state is a tuple of their states; if not, one tensor of all of them, side by side.
    ValueError for no cells, and for nested states without `state_is_tuple`; TypeError unless `cells` is a sequence.
    """

    def __init__(self, cells: Sequence[Any], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not is_nested(cells):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        self._cells = cells
        self._state_is_tuple = state_is_tuple
        if not state_is_tuple and any(is_nested(cell.state_size) for cell in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set.  "
                f"State sizes are: {[cell.state_size for cell in cells]}"
            )

    @property
    def state_size(self) -> Any:
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The zero states of all cells; see RNNCell."""
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        with named(None, f"{type(self).__name__}ZeroState", [batch_size]):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    @property
    def trainable_weights(self) -> list[Any]:
        layers = [cell for cell in self._cells if isinstance(cell, Layer)]
        return [weight for cell in layers for weight in cell.trainable_weights] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        layers = [cell for cell in self._cells if isinstance(cell, Layer)]
        frozen = [weight for cell in layers for weight in cell.non_trainable_weights]
        if self.trainable:
            return frozen
        return [weight for cell in layers for weight in cell.trainable_weights] + frozen

    @property
    def weights(self) -> list[Any]:
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell: the cells by class and configuration."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": None if self.dtype is None else self.dtype.name,
            "cells": [config_of(cell) for cell in self._cells],
        }

    @property
    def _checkpoint_dependencies(self) -> list[Any]:
        return [Reference(f"cell-{number}", cell) for number, cell in enumerate(self._cells)]

    def call(self, inputs: Any, state: Any) -> Any:
        position, states = 0, []
        for number, cell in enumerate(self._cells):
            with variable_scope(f"cell_{number}"):
                if self._state_is_tuple:
                    if not is_nested(state):
                        raise ValueError(
                            f"Expected state to be a tuple of length {len(self.state_size)}, but received: {state}"
                        )
                    present = state[number]
                else:
                    present = slice_(state, [0, position], [-1, cell.state_size])
                    position += cell.state_size
                inputs, following = cell(inputs, present)
                states.append(following)
        return inputs, tuple(states) if self._state_is_tuple else concat(states, 1)

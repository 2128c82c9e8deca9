"""Cells around a cell: `ResidualWrapper`, `DeviceWrapper`, and the base of all of these.

Source: tf.nn.rnn_cell.ResidualWrapper, DeviceWrapper of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import get_default_graph
from dflow.layers.base import Layer
from dflow.nest import assert_same_structure, map_structure
from dflow.ops.rules.blocks import named
from dflow.rnn.base import Reference, RNNCell, assert_like_rnncell, config_of

__all__ = ["CellWrapper", "DeviceWrapper", "ResidualWrapper"]


class CellWrapper(RNNCell):
    """Base class of cells around a cell.  It has the variables of this cell, and none of its own."""

    def __init__(self, cell: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert_like_rnncell("cell", cell)
        self.cell = cell

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self.cell

    @property
    def state_size(self) -> Any:
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The zero state of the cell inside; see RNNCell."""
        with named(None, f"{type(self).__name__}ZeroState", [batch_size]):
            return self.cell.zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **kwargs: Any) -> Any:
        """(outputs, the next state) for the inputs of one step and a state; see RNNCell."""
        outputs, following = self._wrapped(inputs, state, self.cell, scope=scope, **kwargs)
        self.built = True
        return outputs, following

    def call(self, inputs: Any, state: Any, **kwargs: Any) -> Any:
        return self._wrapped(inputs, state, self.cell, **kwargs)

    def build(self, input_shape: Any) -> None:
        self.cell.build(input_shape)
        self.built = True

    def _wrapped(self, inputs: Any, state: Any, cell: Callable[..., Any], **kwargs: Any) -> Any:
        raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Any]:
        return self.cell.trainable_weights if self.trainable and isinstance(self.cell, Layer) else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        if not isinstance(self.cell, Layer):
            return []
        return self.cell.non_trainable_weights if self.trainable else self.cell.weights

    @property
    def weights(self) -> list[Any]:
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def _checkpoint_dependencies(self) -> list[Any]:
        return [Reference("cell", self.cell)]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell: the cell inside by class and configuration."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": None if self.dtype is None else self.dtype.name,
            "cell": config_of(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A cell of these arguments, of which `cell` is a cell."""
        config = dict(config)
        return cls(config.pop("cell"), **config)


class ResidualWrapper(CellWrapper):
    """The outputs of a cell plus its inputs.

    residual_fn: a function of inputs and outputs, whose value is the outputs of this cell; None: their sum, whose parts
    must have the same structure and shapes.
    """

    def __init__(self, cell: Any, residual_fn: Callable[[Any, Any], Any] | None = None, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def _wrapped(self, inputs: Any, state: Any, cell: Callable[..., Any], **kwargs: Any) -> Any:
        outputs, following = cell(inputs, state, **kwargs)
        summed = (self._residual_fn or _sum)(inputs, outputs)
        return summed, following

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell."""
        return {**super().get_config(), "residual_fn": self._residual_fn}


def _sum(inputs: Any, outputs: Any) -> Any:
    assert_same_structure(inputs, outputs)

    def one(x: Any, y: Any) -> Any:
        x.shape.assert_is_compatible_with(y.shape)
        return x + y

    return map_structure(one, inputs, outputs)


class DeviceWrapper(CellWrapper):
    """A cell whose operations are on a device.  device: a name, or a function as of `df.device`."""

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The zero state of the cell inside, on the device; see RNNCell."""
        with (
            named(None, f"{type(self).__name__}ZeroState", [batch_size]),
            get_default_graph().device(self._device),
        ):
            return self.cell.zero_state(batch_size, dtype)

    def _wrapped(self, inputs: Any, state: Any, cell: Callable[..., Any], **kwargs: Any) -> Any:
        with get_default_graph().device(self._device):
            return cell(inputs, state, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell."""
        return {**super().get_config(), "device": self._device}

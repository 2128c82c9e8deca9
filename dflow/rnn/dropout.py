"""`DropoutWrapper`: a cell whose inputs, states and outputs are dropped at random.

Source: tf.nn.rnn_cell.DropoutWrapper of TensorFlow 1.15.
"""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Callable
from typing import Any

from dflow.dtypes import as_dtype
from dflow.graph import Tensor, convert_to_tensor
from dflow.nest import flatten, is_nested, map_structure, pack_sequence_as
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.math.division import truediv
from dflow.ops.math.rounding import floor
from dflow.ops.nn.dropout import dropout
from dflow.ops.random import random_uniform
from dflow.ops.rules.static import known_value
from dflow.rnn.base import size_list
from dflow.rnn.lstm import LSTMStateTuple
from dflow.rnn.wrappers import CellWrapper

__all__ = ["DropoutWrapper"]


class DropoutWrapper(CellWrapper):
    """A cell with dropout: each value is kept with a probability, and then divided by it, or is 0.

    input_keep_prob, output_keep_prob, state_keep_prob: numbers in [0, 1] or scalar tensors.  1.0 drops
    nothing.
    The dropped state goes to the next step; the outputs are dropped apart from it.
    variational_recurrent: whether each step drops the same values (https://arxiv.org/abs/1512.05287).  dtype, of the
    values, is then needed, and with `input_keep_prob` so is input_size, the nested sizes of the inputs.
    seed: of the random numbers.
    dropout_state_filter_visitor: a function of the state, or a part of it, that says whether it is dropped: False, or
    True to ask for its parts, or a structure of these answers for its parts.  None: all but the memory `c` of LSTM
    states and TensorArrays.
    TypeError for a filter that is no function; ValueError for a probability outside of [0, 1], and for what
    `variational_recurrent` lacks.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._dropout_state_filter = dropout_state_filter_visitor or _all_but_memory
        self._input_keep_prob = _probability("input_keep_prob", input_keep_prob)
        self._state_keep_prob = _probability("state_keep_prob", state_keep_prob)
        self._output_keep_prob = _probability("output_keep_prob", output_keep_prob)
        self._variational_recurrent = variational_recurrent
        self._input_size = input_size
        self._seed = seed
        self._noise: dict[str, Any] = {"input": None, "state": None, "output": None}
        if variational_recurrent:
            if dtype is None:
                raise ValueError("When variational_recurrent=True, dtype must be provided")
            self._make_noise(dtype)

    def _make_noise(self, dtype: Any) -> None:
        """Random numbers for a row of the inputs, of the state and of the outputs, which all steps share."""
        if _drops(self._input_keep_prob):
            if self._input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, input_size must be "
                    "provided"
                )
            self._noise["input"] = self._noise_of("input", self._input_size, dtype)
        self._noise["state"] = self._noise_of("state", self.cell.state_size, dtype)
        self._noise["output"] = self._noise_of("output", self.cell.output_size, dtype)

    def _noise_of(self, what: str, sizes: Any, dtype: Any) -> Any:
        leaves = [
            random_uniform([1, *size_list(size)], seed=self._seed_of(what, i), dtype=as_dtype(dtype))
            for i, size in enumerate(flatten(sizes))
        ]
        return pack_sequence_as(sizes, leaves)

    def _seed_of(self, what: str, number: int) -> int | None:
        """The seed of one part of the inputs, the state or the outputs."""
        if self._seed is None:
            return None
        text = f"{self._seed}{what}_{number}".encode()
        return int(hashlib.md5(text, usedforsecurity=False).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _wrapped(self, inputs: Any, state: Any, cell: Callable[..., Any], **kwargs: Any) -> Any:
        if _drops(self._input_keep_prob):
            inputs = self._dropped(inputs, "input", self._input_keep_prob)
        output, following = cell(inputs, state, **kwargs)
        if _drops(self._state_keep_prob):
            which = _answers(self._dropout_state_filter, following)
            following = self._dropped(following, "state", self._state_keep_prob, which)
        if _drops(self._output_keep_prob):
            output = self._dropped(output, "output", self._output_keep_prob)
        return output, following

    def _dropped(self, values: Any, what: str, keep_prob: Any, which: Any = None) -> Any:
        """Values with some of them dropped.  which: a structure of bools, as the values or less deep; None: all."""
        which = map_structure(lambda _: True, values) if which is None else which
        asked, parts = flatten(which), flatten_up_to(which, values)
        noises = flatten_up_to(which, self._noise[what]) if self._variational_recurrent else parts

        def one(number: int, drop: bool, value: Any, noise: Any) -> Any:
            if not drop or isinstance(value, TensorArray):
                return value
            if self._variational_recurrent:
                return _masked(value, noise, keep_prob)
            return dropout(value, keep_prob=keep_prob, seed=self._seed_of(what, number))

        leaves = [one(i, *items) for i, items in enumerate(zip(asked, parts, noises, strict=True))]
        return pack_sequence_as(which, leaves)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell."""
        own = {
            "input_keep_prob": self._input_keep_prob,
            "output_keep_prob": self._output_keep_prob,
            "state_keep_prob": self._state_keep_prob,
            "variational_recurrent": self._variational_recurrent,
            "input_size": self._input_size,
            "seed": self._seed,
        }
        if self._dropout_state_filter is not _all_but_memory:
            own["dropout_state_filter_visitor"] = self._dropout_state_filter
        return {**super().get_config(), **own}


def _probability(name: str, value: Any) -> Any:
    """A number, if it is known, or a tensor."""
    tensor = convert_to_tensor(value, name=name) if not isinstance(value, numbers.Real) else None
    known = value if tensor is None else known_value(tensor)
    if known is None:
        return tensor
    if known < 0 or known > 1:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {known}")
    return float(known)


def _drops(probability: Any) -> bool:
    return not isinstance(probability, float) or probability < 1


def _masked(value: Tensor, noise: Tensor, keep_prob: Any) -> Tensor:
    keep = convert_to_tensor(keep_prob, value.dtype)
    result: Tensor = truediv(value, keep) * floor(keep + noise)
    result.set_shape(value.shape)
    return result


def _all_but_memory(part: Any) -> Any:
    if isinstance(part, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not isinstance(part, TensorArray)


# -- answers for parts of a structure


def _answers(ask: Callable[[Any], Any], part: Any) -> Any:
    """Whether each part is dropped: True or False for a leaf, and False for a structure none of which is."""
    answer = ask(part)
    if not is_nested(part):
        return answer if not is_nested(answer) else all(flatten(answer))
    if not is_nested(answer):
        return pack_children(part, [_answers(ask, child) for child in children(part)]) if answer else False
    parts = zip(children(answer), children(part), strict=True)
    return pack_children(part, [_answers(ask, child) if wanted else False for wanted, child in parts])


def children(structure: Any) -> list[Any]:
    """The parts of a structure, in the order of `nest.flatten`."""
    return [structure[key] for key in sorted(structure)] if isinstance(structure, dict) else list(structure)


def pack_children(structure: Any, parts: list[Any]) -> Any:
    """The structure with other parts."""
    if isinstance(structure, dict):
        return dict(zip(sorted(structure), parts, strict=True))
    return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)


def flatten_up_to(shallow: Any, deep: Any) -> list[Any]:
    """The parts of a structure at the leaves of one that is less deep."""
    if not is_nested(shallow):
        return [deep]
    pairs = zip(children(shallow), children(deep), strict=True)
    return [part for one, other in pairs for part in flatten_up_to(one, other)]

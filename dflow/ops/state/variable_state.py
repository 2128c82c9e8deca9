"""The state behind a variable: its value on a device.

Why a value is never changed in place: a read hands out the array itself, which must not change for its readers.
Source: state_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.errors import FailedPreconditionError, InvalidArgumentError
from dflow.registry import KernelContext
from dflow.specs import VariableSpec

__all__ = ["VariableState", "state_of"]


class VariableState:
    """The value of one variable on its device.  Its lock orders updates; a read needs none."""

    def __init__(self, spec: VariableSpec) -> None:
        self.spec = spec
        self.lock = threading.Lock()
        self.detached = False  # it is in its container no more
        self._value: Any = None

    def abort(self, reason: str) -> None:
        """Mark it as dropped from its container: later steps use another state."""
        self.detached = True

    @property
    def initialized(self) -> bool:
        return self._value is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the value; 0 if there is none."""
        return 0 if self._value is None else int(getattr(self._value, "nbytes", 0))

    def meant_by(self, spec: VariableSpec) -> VariableState:
        """This state, if it fits the variable of a graph; InvalidArgumentError if it is another one of that name."""
        with self.lock:
            if self._value is None:
                self.spec = spec
        mine = self.spec
        if spec.dtype != mine.dtype or not spec.shape.is_compatible_with(mine.shape):
            raise InvalidArgumentError(
                None,
                None,
                f"variable {spec.name!r} is {mine.dtype.name}, of shape {mine.shape}, here it is {spec.dtype.name}, of "
                f"shape {spec.shape}; dtypes and shapes must match: if it is another program's, take another name or "
                "df.container, or drop it with df.Session.reset",
            )
        return self

    def read(self) -> Any:
        """The value, which no one may change; FailedPreconditionError if there is none."""
        value = self._value
        if value is None:
            raise FailedPreconditionError(
                None, None, f"Attempting to use uninitialized value {self.spec.name}; run its initializer first"
            )
        return value

    def assign(self, value: Any, validate_shape: bool = True) -> Any:
        """Replace the value.  InvalidArgumentError for another shape than the variable's."""
        with self.lock:
            return self._store(value, validate_shape)

    def update(self, change: Callable[[Any], Any]) -> Any:
        """Replace the value by `change(value)`; concurrent updates happen one after the other."""
        with self.lock:
            return self._store(change(self.read()), True)

    def _store(self, value: Any, validate_shape: bool) -> Any:
        shape = tuple(value.shape)
        if validate_shape and not self.spec.shape.is_compatible_with(shape):
            raise InvalidArgumentError(
                None,
                None,
                f"Assign requires shapes of both tensors to match. lhs shape= {self.spec.shape} rhs shape= {shape}",
            )
        if isinstance(value, np.ndarray) and value.flags.writeable:
            value = value.view()
            value.flags.writeable = False
        self._value = value
        return value


def state_of(context: KernelContext, variable: VariableSpec) -> VariableState:
    """The state of a variable on the kernel's device; made, without a value, at first sight.

    It is looked up once, and again when it was detached: a lookup takes locks that all steps on the device share.
    """
    entry = context.cache.get(id(variable))
    if entry is None or entry[1].detached:
        state = context.resource(variable.key(context.session), lambda: VariableState(variable))
        entry = context.cache[id(variable)] = (variable, state.meant_by(variable))  # with it, its id stays its own
    state_now: VariableState = entry[1]
    return state_now

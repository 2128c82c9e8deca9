"""The state behind a variable: its value on a device.

Why a value that anyone holds is never changed in place: a read hands out the array itself, which must not change for
its readers.  A change of some rows is made in place if nobody holds the array: to copy a large table takes longer than
the rest of a training step.
Source: state_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dflow.errors import FailedPreconditionError, InvalidArgumentError
from dflow.ops.rules.arrays import namespace
from dflow.registry import KernelContext
from dflow.specs import VariableSpec

__all__ = ["VariableState", "state_of"]


class VariableState:
    """The value of one variable on its device.  Its lock orders updates; a read needs none.

    While rows of the value are being changed, `_value` is None: a reader then waits for the lock.
    """

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
        return self._held() is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the value; 0 if there is none."""
        return int(getattr(self._held(), "nbytes", 0))

    def _held(self) -> Any:
        """The value, or None; waits while rows of it are being changed."""
        value = self._value
        if value is None:
            with self.lock:
                value = self._value
        return value

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
        return self._checked(self._held())

    def _checked(self, value: Any) -> Any:
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
            return self._store(change(self._checked(self._value)), True)

    @contextmanager
    def rows(self) -> Iterator[Any]:
        """The value as an array that may be written to, under the lock: the old one, if nobody else holds it.

        What is written before an error stays.
        """
        with self.lock:
            held = [self._checked(self._value)]
            self._value = None
            own = _own(held)
            try:
                yield own
            finally:
                held.clear()
                self._value = _frozen(own)

    def _store(self, value: Any, validate_shape: bool) -> Any:
        shape = tuple(value.shape)
        if validate_shape and not self.spec.shape.is_compatible_with(shape):
            raise InvalidArgumentError(
                None,
                None,
                f"Assign requires shapes of both tensors to match. lhs shape= {self.spec.shape} rhs shape= {shape}",
            )
        self._value = _frozen(value)
        return self._value


def _frozen(value: Any) -> Any:
    """The value as an array that its readers cannot change, if there are such arrays on its device."""
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.view()
        value.flags.writeable = False
    return value


def _own(held: list[Any]) -> Any:
    """The array in a list, to be written to: itself if only the list refers to it, else a copy; in row-major order."""
    value = held[0]
    if type(value) is not np.ndarray:
        return namespace(value).asarray(value, copy=True)
    memory = value.base
    alike = type(memory) is np.ndarray and _layout(memory) == _layout(value)
    if alike and memory is not None and memory.flags.writeable and memory.flags.c_contiguous:
        del value, memory
        if _references(held) == _NOBODY_ELSE:
            return held[0].base
    return np.array(held[0], order="C")


def _layout(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype


def _references(held: list[Any]) -> tuple[int, int]:
    """The number of references to an array and to the array whose memory it uses; a view of it refers to that, too."""
    return sys.getrefcount(held[0]), sys.getrefcount(held[0].base)


def _has_lock() -> bool:
    """Whether this Python has a global lock: without one, numbers of references mean nothing."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


_NOBODY_ELSE = _references([_frozen(np.empty(1))]) if _has_lock() else (-1, -1)


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

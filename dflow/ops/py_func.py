"""py_func: a Python function as an operation.

It gets NumPy arrays and runs where the operation is placed, on a CPU.  It may wait for anything, even for another
operation of the same step, so it is an attempt, on a thread of its own.
Source: script_ops.py_func of TensorFlow 1.15.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, to_array
from dflow.errors import (
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnimplementedError,
    UnknownError,
    text_of,
)
from dflow.graph import create_op
from dflow.registry import KernelContext, define, not_differentiable
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["numpy_function", "py_func"]


def py_func(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """The results of a Python function for the values of `inp`.

    func: gets one NumPy array an input, of its own; a scalar as a NumPy scalar; strings as bytes.  It gives a value, or
    a sequence of values, of exactly the dtypes of `Tout`: a Python float is float64, an integer int64.
    Tout: a dtype, for one tensor; a list of dtypes, for a list of tensors; an empty list, for an operation.
    stateful: whether it may give another value for the same inputs, or have an effect.  If not, and without outputs,
    nothing is run: the result is an empty list.
    The static shapes are unknown.  It may block.  InvalidArgumentError at run time for another number of values or
    another dtype.  An exception of the function is an OpError with the text of its traceback: OutOfRangeError, the end
    of the input, for StopIteration; InvalidArgumentError for TypeError and ValueError, ResourceExhaustedError for
    MemoryError, UnimplementedError for NotImplementedError, UnknownError for all else.
    """
    if not callable(func):
        raise ValueError(f"Expected func to be callable, but found func to be of type {type(func)}.")
    single = not isinstance(Tout, (list, tuple))
    dtypes = tuple(as_dtype(item) for item in ([Tout] if single else Tout))
    op = create_op("PyFunc", *inp, name=name, func=func, Tout=dtypes, pure=not stateful)
    if single:
        return op.outputs[0]
    return op if stateful and not op.outputs else list(op.outputs)


def numpy_function(func: Callable[..., Any], inp: Sequence[Any], Tout: Any, name: str | None = None) -> Any:
    """The results of a Python function that gets NumPy arrays: `py_func` with state.  Source: tf.numpy_function."""
    return py_func(func, inp, Tout, True, name)


def _py_func_spec(*inputs: TensorSpec, func: Any, Tout: Sequence[DType], pure: bool) -> list[TensorSpec]:
    return [TensorSpec(UNKNOWN_SHAPE, dtype) for dtype in Tout]


def _py_func_kernel(
    context: KernelContext,
    reply: Callable[[Any], None],
    *arrays: Any,
    func: Callable[..., Any],
    Tout: Sequence[DType],
    pure: bool,
) -> None:
    def work() -> None:
        try:
            outputs: Any = _outputs(func(*(_argument(array) for array in arrays)), Tout)
        except BaseException as error:  # SystemExit too: the attempt must be answered in any case
            outputs = _as_op_error(error)
        reply(outputs)

    context.spawn(work)


def _as_op_error(error: BaseException) -> OpError:
    """The OpError, with a traceback as its text, for an exception of a function or of the conversion of its results."""
    if isinstance(error, OpError):
        return error
    kind = next((own for python, own in _CLASSES if isinstance(error, python)), UnknownError)
    op_error = kind(
        None, None, f"{type(error).__name__}: {text_of(error)}\n{''.join(traceback.format_exception(error))}"
    )
    op_error.__cause__ = error
    return op_error


_CLASSES: tuple[tuple[type[BaseException], type[OpError]], ...] = (
    (TypeError, InvalidArgumentError),
    (ValueError, InvalidArgumentError),
    (StopIteration, OutOfRangeError),
    (MemoryError, ResourceExhaustedError),
    (NotImplementedError, UnimplementedError),
)


def _argument(array: Any) -> Any:
    """A value as a function gets it: a scalar is a NumPy scalar or bytes; an array is a copy, which it may change."""
    return array[()] if not array.ndim else np.array(array)


def _outputs(result: Any, dtypes: Sequence[DType]) -> tuple[Any, ...]:
    """The results of a function as arrays of the declared dtypes."""
    values = list(result) if isinstance(result, (list, tuple)) else [result]
    if not dtypes and result is None:
        return ()
    if len(values) != len(dtypes):
        raise InvalidArgumentError(
            None, None, f"the function returns {len(values)} values, but expects to see {len(dtypes)} values"
        )
    return tuple(_output(i, value, dtype) for i, (value, dtype) in enumerate(zip(values, dtypes, strict=True)))


def _output(place: int, value: Any, dtype: DType) -> Any:
    array, actual = _as_array(place, value)
    if actual != dtype:
        raise InvalidArgumentError(
            None, None, f"{place}-th value returned by the function is {actual.name}, but expects {dtype.name}"
        )
    return array


def _as_array(place: int, value: Any) -> tuple[np.ndarray[Any, Any], DType]:
    try:
        array = np.array(value)  # a copy: the function may keep its result, and change it
        dtype = as_dtype(array.dtype)
        return to_array(value if dtype.name == "string" else array, dtype), dtype
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            None, None, f"{place}-th value returned by the function is no array of numbers or text: {error}"
        ) from error


define(
    "PyFunc",
    spec=_py_func_spec,
    kernel=_py_func_kernel,
    gradient=not_differentiable,
    blocks=True,
    host_only=True,
)

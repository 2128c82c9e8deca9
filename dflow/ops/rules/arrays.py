"""Common functions of kernels: the namespace of their inputs, and functions that the array API lacks.

Why `namespace` caches: to look for a namespace takes longer than a small kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from dflow.dtypes import DType
from dflow.errors import InvalidArgumentError
from dflow.ops.rules.row_sums import can_sum_rows, row_sums
from dflow.ops.rules.scatter import scatter
from dflow.shapes import bracket

_NAMESPACES: dict[type, Any] = {}
_QUICK = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}  # without a look at the namespace


def namespace(*arrays: Any) -> Any:
    """The array namespace of a kernel's inputs, which are arrays of one kind."""
    xp = _NAMESPACES.get(type(arrays[0]))
    if xp is None:
        xp = _NAMESPACES[type(arrays[0])] = array_namespace(*arrays)
    return xp


def dtype_in(xp: Any, dtype: DType) -> Any:
    """The dtype of a namespace for a `DType`; NumPy's for `string` and `bfloat16`, which no standard has."""
    return dtype.numpy_dtype if dtype.name in ("string", "bfloat16") else getattr(xp, dtype.name)


def is_text(array: Any) -> bool:
    """Whether it is a `string` value: a NumPy array of bytes objects."""
    return getattr(array.dtype, "kind", "") == "O"


def is_integral(array: Any) -> bool:
    """Whether its values are integers."""
    return _is_kind(array, "iu", "integral")


def is_unsigned(array: Any) -> bool:
    """Whether its values are unsigned integers."""
    return _is_kind(array, "u", "unsigned integer")


def is_complex(array: Any) -> bool:
    """Whether its values are complex."""
    return _is_kind(array, "c", "complex floating")


def _is_kind(array: Any, letters: str, name: str) -> bool:
    """Whether the dtype is of a kind: NumPy's and CuPy's dtypes have a letter for it; `isdtype` lacks bfloat16."""
    letter = getattr(array.dtype, "kind", None)
    return letter in letters if letter is not None else bool(namespace(array).isdtype(array.dtype, name))


def as_text(value: Any) -> Any:
    """A result of NumPy on an object array, which may be a bare bytes object, as an array again."""
    return value if isinstance(value, np.ndarray) else np.asarray(value, dtype=object)


def ints(array: Any) -> tuple[int, ...]:
    """An integer scalar or vector as Python integers; waits for a device.  InvalidArgumentError for other shapes."""
    if array.ndim > 1:
        raise InvalidArgumentError(None, None, f"expected a vector of integers, got a shape of {list(array.shape)}")
    if hasattr(array, "tolist"):
        values = array.tolist()
        return tuple(values) if isinstance(values, list) else (values,)
    return (int(array),) if array.ndim == 0 else tuple(int(array[i]) for i in range(array.shape[0]))


def axis_of(array: Any, axis: int) -> int:
    """An axis in [0, rank); InvalidArgumentError for one that the array does not have."""
    if not -array.ndim <= axis < array.ndim:
        raise InvalidArgumentError(
            None, None, f"axis {axis} is not in [{-array.ndim}, {array.ndim}), the axes of shape {list(array.shape)}"
        )
    return axis + array.ndim if axis < 0 else axis


def sizes_of(array: Any) -> tuple[int, ...]:
    """The sizes of an input: a vector; InvalidArgumentError for another shape."""
    if array.ndim != 1:
        raise InvalidArgumentError(None, None, f"sizes are a vector of integers, got a shape of {list(array.shape)}")
    return ints(array)


def single(array: Any) -> Any:
    """A scalar that may be given as a vector of one value, as some operations of TensorFlow take it.

    Any other array stays as it is.
    """
    return array[0, ...] if tuple(array.shape) == (1,) else array


def vector(like: Any, values: Any, dtype: DType) -> Any:
    """Python numbers as an array beside `like`."""
    xp = namespace(like)
    return xp.asarray(values, dtype=dtype_in(xp, dtype), device=device(like))


def zeros(like: Any, shape: tuple[int, ...]) -> Any:
    """Zeros (empty strings, False) of the dtype and the device of `like`."""
    if is_text(like):
        return np.full(shape, b"", dtype=object)
    return namespace(like).zeros(shape, dtype=like.dtype, device=device(like))


def one_or_all(outputs: Sequence[Any]) -> Any:
    """The result of a kernel whose number of outputs is an attribute: one output alone, several as a tuple."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def pairwise(function: str, x: Any, y: Any, out: Any = None) -> Any:
    """A function of the namespace on two arrays; InvalidArgumentError if their shapes do not broadcast.

    out: one of them, which may be overwritten: if it is NumPy's and has the shape of the result, it is the result.
    """
    if type(out) is np.ndarray:
        try:
            return getattr(np, function)(x, y, out=out)
        except ValueError:  # before anything is written: the result is larger, or there is none
            pass
    if type(x) is np.ndarray and type(y) is np.ndarray and function in _QUICK:
        return broadcasting(_QUICK[function], x, y)
    return broadcasting(getattr(namespace(x, y), function), x, y)


def broadcasting(function: Callable[..., Any], *arrays: Any) -> Any:
    """A function that broadcasts its arrays; InvalidArgumentError if their shapes do not fit."""
    try:
        return function(*arrays)
    except ValueError:
        try:
            np.broadcast_shapes(*(tuple(array.shape) for array in arrays))
        except ValueError:
            shapes = " vs. ".join(bracket(array.shape) for array in arrays)
            raise InvalidArgumentError(None, None, f"Incompatible shapes: {shapes}") from None
        raise


def sum_to_shape(array: Any, shape: tuple[int, ...]) -> Any:
    """The sum over the axes along which a value of `shape` was repeated to get the shape of `array`."""
    xp = namespace(array)
    extra = array.ndim - len(shape)
    axes = tuple(
        axis for axis, size in enumerate(array.shape) if axis < extra or (shape[axis - extra] == 1 and size != 1)
    )
    if not axes:
        return array
    return xp.reshape(xp.sum(array, axis=axes, dtype=array.dtype, keepdims=True), shape)


def take(array: Any, indices: Any, axis: int) -> Any:
    """The slices of `array` at `indices` (of any rank) along one axis; the indices were checked."""
    xp = namespace(array, indices)
    flat = xp.take(array, xp.reshape(indices, (-1,)), axis=axis)
    return xp.reshape(flat, (*array.shape[:axis], *indices.shape, *array.shape[axis + 1 :]))


def scatter_add(rows: int, indices: Any, updates: Any) -> Any:
    """Zeros of `rows` rows, plus each row of `updates` at its index; indices: [n], updates: [n, ...]."""
    if can_sum_rows(updates):
        return row_sums(rows, indices, updates)
    result = zeros(updates, (rows, *updates.shape[1:]))
    return scatter(result, indices, updates, "add")


def check_indices(indices: Any, size: int, what: str = "indices") -> None:
    """InvalidArgumentError for an index outside of [0, size); names the first one."""
    xp = namespace(indices)
    bad = xp.logical_or(indices < 0, indices >= size)
    if not bool(xp.any(bad)):
        return
    flat = xp.reshape(indices, (-1,))
    place = int(xp.argmax(xp.astype(xp.reshape(bad, (-1,)), xp.int32)))
    where = [int(i) for i in np.unravel_index(place, tuple(indices.shape))]
    named = f"{what}[{','.join(map(str, where))}]" if where else what  # as TensorFlow writes it: indices[0,7]
    raise InvalidArgumentError(None, None, f"{named} = {int(flat[place])} is not in [0, {size})")

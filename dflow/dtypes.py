"""The dtypes of tensors: NumPy's, bfloat16 from ml_dtypes, and text as `string`.

A `string` tensor holds Python `bytes` in a NumPy object array, as in TensorFlow 1.  `DType` compares equal to its
name and to its NumPy dtype, so that `tensor.dtype == "float32"` and `tensor.dtype == np.float32` read as expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np


@dataclass(frozen=True, eq=False)
class DType:
    """A dtype of tensors."""

    name: str

    @property
    def as_numpy_dtype(self) -> type[Any]:
        """The NumPy type of its values, which can be called: `float32.as_numpy_dtype(1)`."""
        return self.numpy_dtype.type

    @cached_property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype that holds it (`object` for `string`)."""
        special: dict[str, Any] = {"string": object, "bfloat16": ml_dtypes.bfloat16}
        found: np.dtype[Any] = np.dtype(special.get(self.name, self.name))
        return found

    @property
    def is_floating(self) -> bool:
        return self.name in ("float16", "bfloat16", "float32", "float64")

    @property
    def is_complex(self) -> bool:
        return self.name in ("complex64", "complex128")

    @property
    def is_integer(self) -> bool:
        return self.name.startswith(("int", "uint"))

    @property
    def is_bool(self) -> bool:
        return self.name == "bool"

    @property
    def is_numeric(self) -> bool:
        return self.name != "string" and not self.is_bool

    @property
    def size(self) -> int:
        """Bytes of one value (of its pointer, for `string`)."""
        return self.numpy_dtype.itemsize

    @property
    def base_dtype(self) -> DType:
        """The dtype itself: dflow has no reference dtypes.  Kept for TensorFlow 1 programs."""
        return self

    @cached_property
    def zero(self) -> Any:
        """What pads and fills: 0, False or the empty string."""
        return b"" if self.name == "string" else self.numpy_dtype.type(0)

    @property
    def min(self) -> Any:
        """The smallest finite value."""
        return _limits(self).min

    @property
    def max(self) -> Any:
        """The largest finite value."""
        return _limits(self).max

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self.name == other.name
        if other is None:
            return False
        try:
            return as_dtype(other).name == self.name
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"dflow.{self.name}"

    def __str__(self) -> str:
        return self.name


def _limits(dtype: DType) -> Any:
    if dtype.is_integer:
        return np.iinfo(dtype.numpy_dtype)
    if dtype.name == "bfloat16":
        return ml_dtypes.finfo(ml_dtypes.bfloat16)
    return np.finfo(dtype.numpy_dtype)


float16 = half = DType("float16")
bfloat16 = DType("bfloat16")
float32 = DType("float32")
float64 = double = DType("float64")
int8 = DType("int8")
int16 = DType("int16")
int32 = DType("int32")
int64 = DType("int64")
uint8 = DType("uint8")
uint16 = DType("uint16")
uint32 = DType("uint32")
uint64 = DType("uint64")
bool_ = DType("bool")
complex64 = DType("complex64")
complex128 = DType("complex128")
string = DType("string")

ALL = (
    float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    bool_, complex64, complex128, string,
)  # fmt: skip
_BY_NAME = {dtype.name: dtype for dtype in ALL} | {"half": float16, "double": float64, "float": float32}


def as_dtype(value: Any) -> DType:
    """The `DType` that `value` names: a DType, a name, a NumPy dtype or type, or `float`, `int`, `bool`, `str`.

    As in TensorFlow, `float` is float32 and `int` is int32.  TypeError for anything else.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]
    if value is float:
        return float32
    if value is int:
        return int32
    if value is bool:
        return bool_
    if value in (str, bytes):
        return string
    try:
        if value is None:
            raise TypeError  # NumPy takes it for float64
        numpy_dtype = np.dtype(value)
    except TypeError:
        raise TypeError(f"{value!r} is no dtype; the dtypes are {', '.join(d.name for d in ALL)}") from None
    if numpy_dtype.kind in "SUO":
        return string
    if numpy_dtype.name in _BY_NAME:
        return _BY_NAME[numpy_dtype.name]
    raise TypeError(f"{value!r} is no dtype of tensors; the dtypes are {', '.join(d.name for d in ALL)}")


def to_array(value: Any, dtype: DType | None = None) -> np.ndarray[Any, Any]:
    """`value` as a NumPy array of `dtype`, or of the dtype that TensorFlow would infer (1.0: float32, 1: int32).

    Text becomes an object array of bytes.  A value that would lose something (1.5 to int32, 300 to uint8), text for a
    number or a number for text is a TypeError, None a ValueError.
    """
    if value is None:
        raise ValueError("None values not supported.")
    if dtype is not None and dtype.name == "string":
        return _to_bytes(value)
    try:
        array = np.asarray(value)
    except UnicodeDecodeError:  # bytes beside str
        array = np.asarray(value, dtype=object)
    except ValueError as error:
        raise ValueError(f"Argument must be a dense tensor: {_short(value)}: {error}") from None
    if array.size == 0 and dtype is not None and not hasattr(value, "__array__"):
        array = array.astype(dtype.numpy_dtype)
    if array.dtype.kind in "SUO":
        if dtype is not None:
            raise TypeError(f"expected {dtype.name}, got {_short(value)}")
        return _to_bytes(value)
    if dtype is None:
        return _infer(value, array)
    return _convert(value, array, dtype)


def _infer(value: Any, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if hasattr(value, "dtype"):
        as_dtype(array.dtype)
        return array
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and (array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)):
        return array.astype(np.int32)
    return array


def _convert(value: Any, array: np.ndarray[Any, Any], dtype: DType) -> np.ndarray[Any, Any]:
    target = dtype.numpy_dtype
    if array.dtype == target:
        return array
    source = as_dtype(array.dtype)
    if source.is_bool != dtype.is_bool:
        raise TypeError(f"expected {dtype.name}, got {_short(value)} of type bool" if source.is_bool else
                        f"expected {dtype.name}, got {_short(value)}")  # fmt: skip
    if dtype.is_integer:
        if not source.is_integer:
            raise TypeError(f"expected {dtype.name}, got {_short(value)} of type {source.name}")
        converted = array.astype(target)
        if not np.array_equal(converted, array):
            raise TypeError(f"{_short(value)} does not fit into {dtype.name} ({dtype.min} to {dtype.max})")
        return converted
    if source.is_complex and not dtype.is_complex:
        raise TypeError(f"expected {dtype.name}, got {_short(value)} of type {source.name}")
    return array.astype(target)


def _to_bytes(value: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(value, dtype=object)
    flat = [_encode(item) for item in array.reshape(-1)]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def _encode(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise TypeError(f"expected string, got {_short(item)} of type {type(item).__name__}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

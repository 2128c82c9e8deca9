"""The dtypes of tensors: NumPy's, bfloat16 from ml_dtypes, and text as `string`.

A `string` tensor holds Python `bytes` in a NumPy object array, as in TensorFlow 1.  `DType` compares equal to its
name and to its NumPy dtype, so that `tensor.dtype == "float32"` and `tensor.dtype == np.float32` read as expected.

The dtypes of `ALL` are those of tensors.  `resource` is that of handles, such as of a TensorArray.  The others, such as
`float32_ref` and `qint8`, exist for programs that name them.
Source: tf.DType of TensorFlow 1.15.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Number
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]

_REF = "_ref"  # the end of the names of reference dtypes
_NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7, "complex64": 8, "int64": 9,
    "bool": 10, "qint8": 11, "quint8": 12, "qint32": 13, "bfloat16": 14, "qint16": 15, "quint16": 16, "uint16": 17,
    "complex128": 18, "float16": 19, "resource": 20, "variant": 21, "uint32": 22, "uint64": 23,
}  # fmt: skip
_NUMBERS |= {f"{name}{_REF}": number + 100 for name, number in _NUMBERS.items()}
_NAMES = {number: name for name, number in _NUMBERS.items()}
_NUMPY: dict[str, Any] = {  # where NumPy has another name
    "string": object,
    "bfloat16": ml_dtypes.bfloat16,
    "variant": object,
    **{f"q{name}": [(f"q{name}", name)] for name in ("int8", "uint8", "int16", "uint16", "int32")},
    "resource": object,
}
_RESOURCE = np.dtype([("resource", np.uint8)])  # TensorFlow's dtype of handles for NumPy


@dataclass(frozen=True, eq=False)
class DType:
    """A dtype of tensors.  name: such as "float32"; or its number in TensorFlow's messages."""

    name: str
    numpy_dtype: np.dtype[Any] = field(init=False, repr=False)  # of the arrays of values (`object` for `string`)
    zero: Any = field(init=False, repr=False)  # the value for padding and filling: 0, False or the empty string

    def __post_init__(self) -> None:
        """Compute the derived fields at once: later, this would need a lock, which a fork may leave locked."""
        name = _NAMES.get(self.name, self.name) if isinstance(self.name, int) else self.name
        if name not in _NUMBERS:
            raise TypeError(f"{name!r} is no name and no number of a dtype")
        object.__setattr__(self, "name", name)
        base = name.removesuffix(_REF)
        object.__setattr__(self, "numpy_dtype", np.dtype(_NUMPY.get(base, base)))
        plain = self.numpy_dtype.names is None and base not in ("resource", "variant")
        object.__setattr__(self, "zero", b"" if base == "string" else self.numpy_dtype.type(0) if plain else None)

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy type of its values.  It can be called: `float32.as_numpy_dtype(1)`.  A quantized one is a dtype."""
        if self.name.removesuffix(_REF) == "resource":
            return _RESOURCE
        return self.numpy_dtype.type if self.numpy_dtype.names is None else self.numpy_dtype

    @property
    def as_datatype_enum(self) -> int:
        """Its number in TensorFlow's messages."""
        return _NUMBERS[self.name]

    @property
    def is_floating(self) -> bool:
        return self.name.removesuffix(_REF) in ("float16", "bfloat16", "float32", "float64")

    @property
    def is_complex(self) -> bool:
        return self.name.removesuffix(_REF) in ("complex64", "complex128")

    @property
    def is_integer(self) -> bool:
        return self.name.startswith(("int", "uint"))

    @property
    def is_bool(self) -> bool:
        return self.name.removesuffix(_REF) == "bool"

    @property
    def is_quantized(self) -> bool:
        return self.name.startswith(("qint", "quint"))

    @property
    def is_unsigned(self) -> bool:
        return self.name.startswith("uint")

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.is_floating or self.is_complex or self.is_quantized

    @property
    def is_numpy_compatible(self) -> bool:
        """Whether NumPy has arrays of its values."""
        return self.name.removesuffix(_REF) not in ("resource", "variant")

    @property
    def size(self) -> int:
        """Bytes of one value (of its pointer, for `string`)."""
        return self.numpy_dtype.itemsize if self.is_numpy_compatible else 1

    @property
    def base_dtype(self) -> DType:
        """The dtype of the values; of a reference dtype, the one without `_ref`."""
        return as_dtype(self.name.removesuffix(_REF)) if self._is_ref_dtype else self

    @property
    def real_dtype(self) -> DType:
        """The dtype of the parts of a complex number; else the base dtype."""
        return as_dtype({"complex64": "float32", "complex128": "float64"}.get(self.base_dtype.name, self.base_dtype))

    @property
    def _is_ref_dtype(self) -> bool:
        return self.name.endswith(_REF)

    @property
    def _as_ref(self) -> DType:
        return as_dtype(f"{self.base_dtype.name}{_REF}")

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor of `other` may be used in the place of one of this dtype: it, or its reference dtype."""
        other = as_dtype(other)
        return self.name in (other.name, other.base_dtype.name)

    @property
    def min(self) -> Any:
        """The smallest finite value; TypeError if there is none."""
        return _limits(self, "minimum").min

    @property
    def max(self) -> Any:
        """The largest finite value; TypeError if there is none."""
        return _limits(self, "maximum").max

    @property
    def limits(self) -> tuple[Any, Any]:
        """The range of the intensities of an image of this dtype, from 0 on."""
        if self.name in ("float32", "float64"):
            return 0, 1
        if self.is_bool:
            return 0, True
        if not self.is_integer:
            raise ValueError(f"{self} does not have defined limits.")
        return 0, self.max

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self.name == other.name
        if other is None or other is int:  # `as_dtype` accepts `int`; TensorFlow knows no such dtype
            return False
        try:
            return as_dtype(other).name == self.name
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"


def _limits(dtype: DType, what: str) -> Any:
    if not (dtype.is_integer or dtype.is_floating):
        raise TypeError(f"Cannot find {what} value of {dtype}.")
    if dtype.is_integer:
        return np.iinfo(dtype.numpy_dtype)
    if dtype.base_dtype.name == "bfloat16":
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
resource = DType("resource")  # handles, such as that of a TensorArray

ALL = (
    float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    bool_, complex64, complex128, string,
)  # fmt: skip
quint8, quint16, qint8, qint16, qint32, variant = (
    DType(name) for name in ("quint8", "quint16", "qint8", "qint16", "qint32", "variant")
)
_OTHERS = (quint8, quint16, qint8, qint16, qint32, resource, variant)
_REFS = tuple(DType(f"{dtype.name}{_REF}") for dtype in (*ALL, *_OTHERS))
globals().update({dtype.name: dtype for dtype in _REFS})  # float32_ref and so on
half_ref, double_ref = (next(dtype for dtype in _REFS if dtype.name == name) for name in ("float16_ref", "float64_ref"))

QUANTIZED_DTYPES = frozenset(dtype for dtype in (*_OTHERS, *_REFS) if dtype.is_quantized)

_BY_NAME = {dtype.name: dtype for dtype in (*ALL, *_OTHERS, *_REFS)}
_BY_NAME |= {"half": float16, "double": float64, "float": float32}
_BY_NAME |= {f"{name}{_REF}": _BY_NAME[f"{dtype.name}{_REF}"] for name, dtype in list(_BY_NAME.items()) if dtype in ALL}
_STRUCTURED = {dtype.numpy_dtype: dtype for dtype in _OTHERS if dtype.numpy_dtype.names} | {_RESOURCE: resource}
_BY_NUMPY_DTYPE = {dtype.numpy_dtype: dtype for dtype in ALL}  # most look-ups are those of arrays


def as_dtype(type_value: Any) -> DType:
    """The `DType` that `type_value` names: a DType, a name, a NumPy dtype or type, or `float`, `int`, `bool`, `str`.

    As in TensorFlow, `float` is float32 and `int` is int32.  Also its number in TensorFlow's messages, and an object
    with such a dtype.  TypeError for anything else.
    """
    if isinstance(type_value, DType):
        return _BY_NAME[type_value.name]
    if isinstance(type_value, np.dtype) and type_value in _BY_NUMPY_DTYPE:
        return _BY_NUMPY_DTYPE[type_value]
    if isinstance(type_value, str) and type_value in _BY_NAME:
        return _BY_NAME[type_value]
    if type_value is float:
        return float32
    if type_value is int:
        return int32
    if type_value is bool:
        return bool_
    if type_value in (str, bytes):
        return string
    if isinstance(type_value, int) and type_value in _NAMES:
        return _BY_NAME[_NAMES[type_value]]
    if isinstance(inner := getattr(type_value, "dtype", None), (DType, str, np.dtype)):
        return as_dtype(inner)
    try:
        if type_value is None:
            raise TypeError  # NumPy takes it for float64
        numpy_dtype = np.dtype(type_value)
    except TypeError:
        raise TypeError(_no_dtype(type_value)) from None
    if numpy_dtype.kind in "SUO":
        return string
    if numpy_dtype in _STRUCTURED:
        return _STRUCTURED[numpy_dtype]
    if numpy_dtype.name in _BY_NAME:
        return _BY_NAME[numpy_dtype.name]
    raise TypeError(_no_dtype(type_value))


def _no_dtype(value: Any) -> str:
    names = ", ".join(dtype.name for dtype in ALL)
    return f"Cannot convert value {value!r} to a TensorFlow DType. The dtypes are {names}"


def to_array(value: Any, dtype: DType | None = None) -> Array:
    """`value` as a NumPy array of `dtype`, or of the dtype that TensorFlow would infer (1.0: float32, 1: int32).

    An array is cast as NumPy casts it: 1.5 becomes an int32 of 1, 300 a uint8 of 44.  Text becomes an object array of
    bytes.  TypeError for Python numbers that would lose something (1.5 to int32, 300 to uint8, 1 to bool), for text in
    place of a number and a number in place of text; ValueError for None.
    """
    if value is None:
        raise ValueError("None values not supported.")
    if dtype is not None and dtype.name == "string":
        return _to_bytes(value)
    array = _plain_array(value)
    if dtype is None:
        if array.dtype.kind == "O":
            _check_text(value, array)
        return _to_bytes(value) if array.dtype.kind in "SUO" else _infer(value, array)
    if array.size == 0:
        return array.astype(dtype.numpy_dtype)
    if hasattr(value, "dtype"):
        return _cast(value, array, dtype)
    return _convert(value, array, dtype)


def to_array_without_loss(value: Any, dtype: DType) -> Array:
    """`value` as a NumPy array of `dtype`: for values that a program computed, such as those that it feeds.

    Numbers and bool pass if they keep their value: 2.0 or True for an integer, 1 for a bool, also as objects.  Floating
    numbers may be rounded.  TypeError for all else.
    """
    if dtype.name == "string":
        return _to_bytes(value)
    array = _plain_array(value)
    if array.dtype.kind in "SUO":
        return _from_objects(value, array, dtype, exact=dtype.is_integer or dtype.is_bool)
    if array.dtype == dtype.numpy_dtype:
        return array
    if _may_be_rounded(value, array, dtype):
        return _from_objects(value, np.asarray(value, dtype=object), dtype, exact=True)
    source = as_dtype(array.dtype)
    if source.is_complex and not dtype.is_complex and not array.imag.any():
        array, source = array.real, as_dtype(array.real.dtype)
    converted = _astype(array, dtype)
    exact = dtype.is_integer or dtype.is_bool or (source.is_complex and not dtype.is_complex)
    if exact and not np.array_equal(converted, array):
        raise TypeError(f"expected {dtype.name}, got {_short(value)} of type {source.name}")
    return converted


def _plain_array(value: Any) -> Array:
    """`value` as NumPy takes it, in the byte order of this machine."""
    try:
        array = np.asarray(value)
    except UnicodeDecodeError:  # bytes beside str
        array = np.asarray(value, dtype=object)
    except ValueError as error:
        raise ValueError(f"Argument must be a dense tensor: {_short(value)}: {error}") from None
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _may_be_rounded(value: Any, array: Array, dtype: DType) -> bool:
    """True if NumPy made float64 of Python numbers that are to become integers, as where one of them needs 64 bits."""
    return dtype.is_integer and array.dtype.kind == "f" and not hasattr(value, "dtype")


def _all_of(objects: Array, kinds: tuple[type, ...]) -> bool:
    return all(isinstance(item, kinds) for item in objects.reshape(-1).tolist())


def _from_objects(value: Any, array: Array, dtype: DType, exact: bool) -> Array:
    """An array of objects that are numbers, each converted by itself: none passes through the dtype of another one.

    TypeError for other objects, for text, for values that the dtype cannot hold, and if `exact` for values that it
    would change.
    """
    items = array.reshape(-1).tolist()
    if not _all_of(array, (Number, np.bool_)):
        raise TypeError(f"expected numbers, got {_short(value)}")
    through = np.float64 if dtype.name == "bfloat16" else dtype.numpy_dtype  # bfloat16 takes no decimals
    try:
        with np.errstate(over="ignore"):
            converted = array.astype(through).astype(dtype.numpy_dtype, copy=False)
    except (OverflowError, ValueError, TypeError) as error:
        raise TypeError(f"expected {dtype.name}, got {_short(value)}: {error}") from None
    if exact and converted.reshape(-1).tolist() != items:
        raise TypeError(f"expected {dtype.name}, got {_short(value)}, which would be changed")
    return converted


def _infer(value: Any, array: Array) -> Array:
    if hasattr(value, "dtype"):
        as_dtype(array.dtype)
        return array
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and (array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)):
        return array.astype(np.int32)
    return array


def _cast(value: Any, array: Array, dtype: DType) -> Array:
    """Cast an array to another dtype, even if that loses information; objects have to be numbers."""
    if array.dtype.kind in "SUO":
        return _from_objects(value, array, dtype, exact=False)
    as_dtype(array.dtype)
    return array if array.dtype == dtype.numpy_dtype else _astype(array, dtype)


def _astype(array: Array, dtype: DType) -> Array:
    """Cast without NumPy's warnings: the caller allows lossy casts, or detects them itself."""
    with np.errstate(invalid="ignore", over="ignore"):
        loses_a_part = array.dtype.kind == "c" and not (dtype.is_complex or dtype.is_bool)
        return (array.real if loses_a_part else array).astype(dtype.numpy_dtype)


def _convert(value: Any, array: Array, dtype: DType) -> Array:
    """Python numbers in a dtype that can hold them."""
    if array.dtype.kind == "O" and (dtype.is_floating or dtype.is_complex) and _all_of(array, (int, float)):
        return _from_objects(value, array, dtype, exact=False)  # an integer of more than 64 bits is among them
    if array.dtype.kind in "SUO":
        raise _unexpected(value, dtype)
    if _may_be_rounded(value, array, dtype):
        objects = np.asarray(value, dtype=object)
        if _all_of(objects, (int, np.integer)):
            return _from_objects(value, objects, dtype, exact=True)
    source = as_dtype(array.dtype)
    fits = (
        source == dtype
        or source.is_bool
        or (source.is_integer and dtype.is_numeric)
        or (source.is_floating and (dtype.is_floating or dtype.is_complex))
        or (source.is_complex and dtype.is_complex)
    )
    if not fits:
        raise _unexpected(value, dtype)
    converted = array.astype(dtype.numpy_dtype, copy=False)
    if dtype.is_integer and not np.array_equal(converted, array):
        raise TypeError(f"{_short(value)} does not fit into {dtype.name} ({dtype.min} to {dtype.max})")
    return converted


def _unexpected(value: Any, dtype: DType) -> TypeError:
    """The error for Python values that a dtype does not take: it names the first one."""
    items = np.asarray(value, dtype=object).reshape(-1).tolist() if isinstance(value, (list, tuple)) else ()
    odd = next((item for item in items if not _takes(dtype, item)), value)
    return TypeError(f"Expected {dtype.name}, got {_short(odd)} of type '{type(odd).__name__}' instead.")


def _takes(dtype: DType, item: Any) -> bool:
    try:
        _convert(item, np.asarray(item), dtype)
    except TypeError:
        return False
    return True


def _check_text(value: Any, array: Array) -> None:
    """TypeError, which names the first one, for objects of which none is text."""
    items = array.reshape(-1).tolist()
    if items and not any(isinstance(item, (str, bytes)) for item in items):
        odd = [item for item in items if not isinstance(item, (int, float))]
        if odd:
            raise TypeError(
                f"Failed to convert object of type {type(value)} to Tensor. Contents: {_short(value)}. Consider "
                f"casting elements to a supported type: {_short(odd[0])} is none"
            )
        raise TypeError(f"{_short(max(items, key=abs))} does not fit into any dtype of integers, of 64 bits at most")


def _to_bytes(value: Any) -> Array:
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
    raise TypeError(f"Expected string, got {_short(item)} of type '{type(item).__name__}' instead.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

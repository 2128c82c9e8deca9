"""TensorProto: a tensor as a message, with the bytes that TensorFlow writes; `make_tensor_proto`, `make_ndarray`.

Source: tf.make_tensor_proto and tf.make_ndarray of TensorFlow 1.15; the messages of its tensor.proto,
tensor_shape.proto and types.proto.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow import dtypes
from dflow.dtypes import DType, as_dtype, to_array
from dflow.protos import messages
from dflow.shapes import as_shape

Array = np.ndarray[Any, Any]

_CODES = {
    dtypes.float32: ("DT_FLOAT", 1, "float_val"),
    dtypes.float64: ("DT_DOUBLE", 2, "double_val"),
    dtypes.int32: ("DT_INT32", 3, "int_val"),
    dtypes.uint8: ("DT_UINT8", 4, "int_val"),
    dtypes.int16: ("DT_INT16", 5, "int_val"),
    dtypes.int8: ("DT_INT8", 6, "int_val"),
    dtypes.string: ("DT_STRING", 7, "string_val"),
    dtypes.complex64: ("DT_COMPLEX64", 8, "scomplex_val"),
    dtypes.int64: ("DT_INT64", 9, "int64_val"),
    dtypes.bool_: ("DT_BOOL", 10, "bool_val"),
    dtypes.bfloat16: ("DT_BFLOAT16", 14, "half_val"),
    dtypes.uint16: ("DT_UINT16", 17, "int_val"),
    dtypes.complex128: ("DT_COMPLEX128", 18, "dcomplex_val"),
    dtypes.float16: ("DT_HALF", 19, "half_val"),
    dtypes.uint32: ("DT_UINT32", 22, "uint32_val"),
    dtypes.uint64: ("DT_UINT64", 23, "uint64_val"),
}
DATA_TYPES: dict[DType, int] = {dtype: code for dtype, (_, code, _) in _CODES.items()}  # the numbers of DataType
_DTYPES = {code: dtype for dtype, code in DATA_TYPES.items()}
_OTHERS = {"DT_QINT8": 11, "DT_QUINT8": 12, "DT_QINT32": 13, "DT_QINT16": 15, "DT_QUINT16": 16, "DT_RESOURCE": 20,
           "DT_VARIANT": 21}  # fmt: skip
_DATA_TYPE = {"DT_INVALID": 0} | {name: code for name, code, _ in _CODES.values()} | _OTHERS
_DATA_TYPE |= {f"{name}_REF": code + 100 for name, code in _DATA_TYPE.items() if code}
_VALUES = {code for name, code in _DATA_TYPE.items() if code and not name.endswith("_REF")}
NAMES = {0: "invalid"} | {code: name.removeprefix("DT_").lower() for name, code in _DATA_TYPE.items() if code}

TensorShapeProto, _, TensorProto = messages(
    "tensor.proto",
    {
        "TensorShapeProto": [("dim", 2, "repeated TensorShapeProto.Dim"), ("unknown_rank", 3, "bool")],
        "TensorShapeProto.Dim": [("size", 1, "int64"), ("name", 2, "string")],
        "TensorProto": [
            ("dtype", 1, "DataType"),
            ("tensor_shape", 2, "TensorShapeProto"),
            ("version_number", 3, "int32"),
            ("tensor_content", 4, "bytes"),
            ("float_val", 5, "repeated float"),
            ("double_val", 6, "repeated double"),
            ("int_val", 7, "repeated int32"),
            ("string_val", 8, "repeated bytes"),
            ("scomplex_val", 9, "repeated float"),
            ("int64_val", 10, "repeated int64"),
            ("bool_val", 11, "repeated bool"),
            ("dcomplex_val", 12, "repeated double"),
            ("half_val", 13, "repeated int32"),
            ("uint32_val", 16, "repeated uint32"),
            ("uint64_val", 17, "repeated uint64"),
        ],
    },
    __name__,
    enums={"DataType": _DATA_TYPE},
)

_IN_LISTS = {dtypes.string, dtypes.bool_, dtypes.complex64, dtypes.complex128, dtypes.uint16}  # never as their bytes
_MOST = 1 << 28  # the largest number of values that an array is filled up to


def make_tensor_proto(
    values: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False, allow_broadcast: bool = False
) -> Any:
    """A TensorProto of a Python or NumPy value; a TensorProto as it is.

    dtype: as given, else that of `constant`; an array is cast to it.
    shape: the values are reshaped; fewer than that mean that the last one goes on to the end.  verify_shape: values of
        another shape are a TypeError; allow_broadcast: so are those that are neither of that size nor a single one.
    """
    if verify_shape and allow_broadcast:
        raise ValueError("allow_broadcast and verify_shape are not both allowed.")
    if isinstance(values, TensorProto):
        return values
    if hasattr(values, "graph"):
        raise TypeError(f"make_tensor_proto needs a value that is known now, got {values!r}")
    array = _as_array(values, None if dtype is None else as_dtype(dtype))
    dims = array.shape if shape is None else tuple(size or 0 for size in as_shape(shape).as_list())
    size = math.prod(dims)
    wrong = array.shape != dims if verify_shape else array.size not in (1, size) if allow_broadcast else False
    if wrong:
        raise TypeError(f"Expected Tensor's shape: {dims}, but got {array.shape}.")
    if array.size > size:
        raise ValueError(f"Too many elements provided. Takes at most {size}, but got {array.size}.")
    kind = as_dtype(array.dtype)
    return proto_of(array, kind, dims, as_bytes=array.size == size > 1 and kind not in _IN_LISTS)


def make_ndarray(tensor: Any) -> Array:
    """The value of a TensorProto; TypeError if its dtype is none of dflow's."""
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise TypeError(f"Unsupported tensor type: {NAMES.get(tensor.dtype, tensor.dtype)}")
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if any(size < 0 for size in shape) or tensor.tensor_shape.unknown_rank:
        raise ValueError(f"the shape must be known, got {list(shape)}")
    if tensor.tensor_content:
        return content_of(tensor.tensor_content, dtype).reshape(shape)
    return _filled(_values(tensor, dtype), math.prod(shape)).reshape(shape)


def serialized(array: Array) -> bytes:
    """An array as the bytes of a TensorProto, as `serialize_tensor` gives them."""
    dtype = as_dtype(array.dtype)
    data: bytes = proto_of(array, dtype, array.shape, as_bytes=dtype != dtypes.string).SerializeToString()
    return data


def parsed(data: bytes, dtype: DType) -> Array:
    """The array that the bytes of a TensorProto hold.  ValueError if they are none, or of another dtype."""
    try:
        tensor = TensorProto.FromString(data)
    except DecodeError:
        raise ValueError(f"Could not parse `serialized` as TensorProto: {_shown(data)}") from None
    if tensor.dtype not in _VALUES:
        raise ValueError(f"Cannot parse tensor from proto: its dtype is {NAMES.get(tensor.dtype, tensor.dtype)}")
    if tensor.dtype != DATA_TYPES[dtype]:
        actual, expected = NAMES[tensor.dtype], NAMES[DATA_TYPES[dtype]]
        raise ValueError(f"Type mismatch between parsed tensor ({actual}) and dtype ({expected})")
    try:
        return make_ndarray(tensor)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"Cannot parse tensor from proto: {error}") from None


# -- arrays to messages


def dtype_of(data: bytes) -> DType | None:
    """The dtype of a serialized TensorProto; None for other bytes."""
    try:
        return _DTYPES.get(TensorProto.FromString(data).dtype)
    except DecodeError:
        return None


def _as_array(values: Any, dtype: DType | None) -> Array:
    if isinstance(values, (np.ndarray, np.generic)) and dtype is not None and values.dtype.kind not in "SUO":
        return np.asarray(values).astype(dtype.numpy_dtype)
    return to_array(values, dtype)


def proto_of(array: Array, dtype: DType, shape: tuple[int, ...], as_bytes: bool) -> Any:
    tensor = TensorProto(dtype=DATA_TYPES[dtype])
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    if as_bytes:
        tensor.tensor_content = swapped(np.ascontiguousarray(array, dtype.numpy_dtype)).tobytes()
    else:
        getattr(tensor, _CODES[dtype][2]).extend(_to_list(array.reshape(-1), dtype))
    return tensor


def _to_list(flat: Array, dtype: DType) -> list[Any]:
    if dtype.is_complex:
        flat = np.ascontiguousarray(flat).view(np.float32 if dtype == dtypes.complex64 else np.float64)
    elif dtype in (dtypes.float16, dtypes.bfloat16):
        flat = np.ascontiguousarray(flat).view(np.uint16)
    numbers: list[Any] = flat.tolist()
    return numbers


# -- messages to arrays


def content_of(data: bytes, dtype: DType) -> Array:
    """The values of a tensor_content; ValueError for bytes that are no values of this dtype."""
    if dtype == dtypes.string:
        raise ValueError("a tensor of strings has no tensor_content")
    if dtype.is_bool and data.strip(b"\0\1"):
        raise ValueError("a byte of tensor_content is neither false nor true")
    return swapped(np.frombuffer(data, dtype.numpy_dtype)).copy()


def _values(tensor: Any, dtype: DType) -> Array:
    numbers = getattr(tensor, _CODES[dtype][2])
    if dtype.is_complex:
        pairs = np.array(numbers, np.float32 if dtype == dtypes.complex64 else np.float64)
        return pairs[: len(pairs) // 2 * 2].view(dtype.numpy_dtype)
    if dtype in (dtypes.float16, dtypes.bfloat16):
        return np.array(numbers, np.int32).astype(np.uint16).view(dtype.numpy_dtype)
    if dtype.is_integer and dtype.size < 4:
        return np.array(numbers, np.int32).astype(dtype.numpy_dtype)
    values = np.empty(len(numbers), dtype.numpy_dtype)
    values[:] = numbers
    return values


def _filled(values: Array, size: int) -> Array:
    """`size` values: the last one goes on to the end; none mean zeros or empty strings."""
    if size > max(len(values), _MOST):
        raise ValueError(f"it has {len(values)} values for a shape of {size}")
    if len(values) >= size:
        return values[:size]
    rest = values[-1:] if len(values) else np.array([as_dtype(values.dtype).zero], values.dtype)
    return np.concatenate([values, np.repeat(rest, size - len(values))])


def swapped(array: Array) -> Array:
    """The array in little-endian order, which is the order of bytes in messages, or back from it."""
    return array if sys.byteorder == "little" else array.byteswap()


def _shown(data: bytes) -> str:
    text = repr(data if len(data) <= 60 else data[:57] + b"...")
    return text.removeprefix("b")

"""TensorProtos that have all their values as bytes, strings too, as TensorFlow's kernels for sparse tensors make them.

Why the messages are put together and taken apart by hand: a batch of sparse tensors has three of them for each example,
and their headers, the bytes before the values, repeat.  Messages of another form are left to `tensor_proto`.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow import varint
from dflow.dtypes import DType, as_dtype, string
from dflow.tensor_proto import DATA_TYPES, TensorProto, content_of, parsed, proto_of, swapped

Array = np.ndarray[Any, Any]

_CONTENT = b'"'  # the tag of `tensor_content`


def to_bytes(array: Array) -> bytes:
    """The bytes of the message."""
    if array.dtype == object:
        items = array.reshape(-1).tolist()
        content = b"".join([*(varint.encoded(len(item)) for item in items), *items])
    else:
        content = swapped(array).tobytes()
    header = _header(as_dtype(array.dtype), array.shape)
    return header + _CONTENT + varint.encoded(len(content)) + content if content else header


def from_bytes(data: bytes, dtype: DType) -> Array:
    """The array; ValueError for bytes that are no message of an array of this dtype."""
    parts = _parts(data, dtype)
    if parts is None:
        return parsed(data, dtype)
    shape, content = parts
    try:
        flat = _strings(content, math.prod(shape)) if dtype == string else content_of(content, dtype)
        return flat.reshape(shape)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"Cannot parse tensor from proto: {error}") from None


def _parts(data: bytes, dtype: DType) -> tuple[tuple[int, ...], bytes] | None:
    """The shape and the values of a message as `to_bytes` makes it; None for another one."""
    try:
        length, start = varint.decoded(data, 3)  # behind the dtype and the tag of the shape
        end = start + length
        shape = _shape(data[:end], dtype) if data[end : end + 1] == _CONTENT else None
        length, start = varint.decoded(data, end + 1)
    except ValueError:
        return None
    return (shape, data[start:]) if shape is not None and len(data) - start == length else None


@lru_cache(maxsize=1024)
def _header(dtype: DType, shape: tuple[int, ...]) -> bytes:
    data: bytes = proto_of(np.empty(0, dtype.numpy_dtype), dtype, shape, as_bytes=False).SerializeToString()
    return data


@lru_cache(maxsize=1024)
def _shape(header: bytes, dtype: DType) -> tuple[int, ...] | None:
    """The shape in a header; None for bytes that are no header of this dtype."""
    try:
        tensor = TensorProto.FromString(header)
    except DecodeError:
        return None
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    return shape if tensor.dtype == DATA_TYPES[dtype] and header == _header(dtype, shape) else None


def _strings(data: bytes, count: int) -> Array:
    """Strings, from their lengths followed by their bytes; ValueError for bytes that are no such list."""
    lengths, place = [], 0
    for _ in range(count):
        length, place = varint.decoded(data, place)
        lengths.append(length)
    ends = list(itertools.accumulate(lengths, initial=place))
    if ends[-1] != len(data):
        raise ValueError(f"{count} strings end at byte {ends[-1]} of {len(data)}")
    values = np.empty(count, object)
    values[:] = [data[start:end] for start, end in itertools.pairwise(ends)]
    return values

"""Decoding strings that hold the bytes of numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.batching import Attrs, Kernel, each
from dflow.readers.records import Matrix, Records
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]


def decode_raw(input_bytes: Any, out_type: Any, little_endian: bool = True, name: str | None = None) -> Tensor:
    """The bytes of strings as numbers: a tensor of shape `input_bytes.shape + [count]`.

    input_bytes: strings, of any shape, all of one length.  out_type: the numbers' dtype (no string: TypeError).
    little_endian: is the lowest byte of each number the first one?
    A run raises InvalidArgumentError if the lengths differ or are no multiple of the dtype's size.
    Source: tf.decode_raw of TensorFlow 1.15.
    """
    dtype = as_dtype(out_type)
    if dtype == string:
        raise TypeError("decode_raw: out_type must be numeric or bool, got string")
    inputs = convert_to_tensor(input_bytes, string, name="input_bytes")
    tensor: Tensor = add_op("DecodeRaw", inputs, name=name, out_type=dtype, little_endian=bool(little_endian))
    return tensor


def _spec(inputs: TensorSpec, *, out_type: DType, little_endian: bool) -> TensorSpec:
    if inputs.dtype != string:
        raise DTypeError(f"input_bytes must be string, got {inputs.dtype.name}")
    return TensorSpec(inputs.shape.concatenate(TensorShape([None])), out_type)


def _kernel(inputs: Any, *, out_type: DType, little_endian: bool) -> Array:
    lengths = _lengths(inputs)
    length = int(lengths[0]) if len(lengths) else 0
    others = np.flatnonzero(lengths != length)
    if len(others):
        fact = f"DecodeRaw requires input strings to all be the same size, but element {others[0]} has size "
        raise InvalidArgumentError(None, None, f"{fact}{lengths[others[0]]} != {length}")
    if length % out_type.size:
        fact = f"Input to DecodeRaw has length {length} that is not a multiple of {out_type.size}, the size of "
        raise InvalidArgumentError(None, None, fact + out_type.name)
    # bool: any byte but 0 is true, and must not stay in the array as it is
    wanted = np.dtype(np.uint8) if out_type.is_bool else out_type.numpy_dtype
    numbers = _bytes(inputs, length).view(wanted).reshape(*inputs.shape, length // out_type.size)
    if little_endian != (sys.byteorder == "little"):
        numbers = numbers.byteswap()
    return numbers.astype(out_type.numpy_dtype, copy=False)


def _lengths(inputs: Any) -> Array:
    if isinstance(inputs, Records):
        return inputs.ends - inputs.starts
    return np.array([len(text) for text in inputs.reshape(-1).tolist()], np.int64)


def _bytes(inputs: Any, length: int) -> Array:
    """The bytes of strings of one length, [n, length].  No object is made for a record."""
    if isinstance(inputs, Records) and len(inputs):
        data = np.frombuffer(inputs.block.data, np.uint8)
        return Matrix(data, inputs.starts, length).part(0, length).copy()
    return np.frombuffer(b"".join(inputs.reshape(-1).tolist()), np.uint8).reshape(inputs.size, length)


def _batch(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """The lengths are equal in each step; usually in all of them."""
    lengths = _lengths(arrays[0])
    alike = bool((lengths == lengths[:1]).all())
    return kernel(*arrays, **attrs) if alike else each(kernel, arrays, batched, attrs)


define(
    "DecodeRaw",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("bytes have no gradient"),
    batch=_batch,
    host_only=True,
)

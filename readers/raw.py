"""Decoding strings that hold the bytes of numbers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.readers.records import Matrix, Records
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]


def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
    fixed_length: int | None = None,
) -> Tensor:
    """The bytes of strings as numbers: a tensor of shape `input_bytes.shape + [count]`.

    input_bytes: strings, of any shape, all of one length.  bytes: its older name.
    out_type: the numbers' dtype (no string: TypeError).
    little_endian: whether the lowest byte of each number is the first one.
    fixed_length: the bytes to use of each string, a multiple of the dtype's size: longer ones are cut off, shorter ones
        filled up with zeros.  None: a run raises InvalidArgumentError if the lengths differ or are no such multiple.
    Source: tf.decode_raw of TensorFlow 1.15; fixed_length: tf.io.decode_raw of its version 2.
    """
    if input_bytes is not None and bytes is not None:
        raise ValueError("Cannot specify both 'bytes' and 'input_bytes'.")
    if out_type is None:
        raise ValueError("decode_raw() needs 'out_type': the dtype of the numbers")
    dtype = as_dtype(out_type)
    if dtype == string:
        raise TypeError("decode_raw: out_type must be numeric or bool, got string")
    if fixed_length is not None and (fixed_length <= 0 or fixed_length % dtype.size):
        fact = f"a positive multiple of {dtype.size}, the size of {dtype.name}"
        raise ValueError(f"decode_raw: fixed_length must be {fact}, got {fixed_length}")
    inputs = convert_to_tensor(bytes if input_bytes is None else input_bytes, string, name="input_bytes")
    attrs = {"out_type": dtype, "little_endian": bool(little_endian), "fixed_length": fixed_length}
    tensor: Tensor = add_op("DecodeRaw", inputs, name=name, **attrs)
    return tensor


def _spec(inputs: TensorSpec, *, out_type: DType, little_endian: bool, fixed_length: int | None) -> TensorSpec:
    if inputs.dtype != string:
        raise DTypeError(f"input_bytes must be string, got {inputs.dtype.name}")
    count = None if fixed_length is None else fixed_length // out_type.size
    return TensorSpec(inputs.shape.concatenate(TensorShape([count])), out_type)


def _kernel(inputs: Any, *, out_type: DType, little_endian: bool, fixed_length: int | None = None) -> Array:
    length, data = _padded(inputs, fixed_length) if fixed_length else _alike(inputs, out_type)
    # bool: any byte but 0 is true, and must not stay in the array as it is
    dtype = np.dtype(np.uint8) if out_type.is_bool else out_type.numpy_dtype
    numbers = data.view(dtype).reshape(*inputs.shape, length // out_type.size)
    if little_endian != (sys.byteorder == "little"):
        numbers = numbers.byteswap()
    return numbers.astype(out_type.numpy_dtype, copy=False)


def _padded(inputs: Any, length: int) -> tuple[int, Array]:
    """The first bytes of each string, [n, length]."""
    texts = [text[:length].ljust(length, b"\0") for text in inputs.reshape(-1).tolist()]
    return length, np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), length)


def _alike(inputs: Any, out_type: DType) -> tuple[int, Array]:
    """The bytes of strings of one length, [n, length]."""
    lengths = _lengths(inputs)
    length = int(lengths[0]) if len(lengths) else 0
    different = np.flatnonzero(lengths != length)
    if len(different):
        fact = f"DecodeRaw requires input strings to all be the same size, but element {different[0]} has size "
        raise InvalidArgumentError(None, None, f"{fact}{lengths[different[0]]} != {length}")
    if length % out_type.size:
        fact = f"Input to DecodeRaw has length {length} that is not a multiple of {out_type.size}, the size of "
        raise InvalidArgumentError(None, None, fact + out_type.name)
    return length, _bytes(inputs, length)


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
    """The batch rule: the lengths are equal in each step; usually in all of them."""
    if attrs.get("fixed_length"):
        return kernel(*arrays, **attrs)
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

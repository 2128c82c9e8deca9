"""Tensors as strings: `serialize_tensor` and `parse_tensor`, in the bytes of TensorFlow's TensorProto."""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import each
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec
from dflow.tensor_content import from_bytes
from dflow.tensor_proto import serialized

Array = np.ndarray[Any, Any]


def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Tensor:
    """The tensor of a serialized TensorProto, of dtype `out_type`; its static shape is unknown.

    serialized: a scalar string, from `serialize_tensor` or `make_tensor_proto(...).SerializeToString()`.
    A run raises InvalidArgumentError for bytes that are none, and for a tensor of another dtype.
    Source: tf.parse_tensor of TensorFlow 1.15.
    """
    inputs = convert_to_tensor(serialized, string, name="serialized")
    tensor: Tensor = add_op("ParseTensor", inputs, name=name, out_type=as_dtype(out_type))
    return tensor


def serialize_tensor(tensor: Any, name: str | None = None) -> Tensor:
    """A tensor as a scalar string: the bytes of a TensorProto, which `parse_tensor` reads.

    Source: tf.serialize_tensor of TensorFlow 1.15.
    """
    result: Tensor = add_op("SerializeTensor", convert_to_tensor(tensor, name="tensor"), name=name)
    return result


def _parse_spec(text: TensorSpec, *, out_type: DType) -> TensorSpec:
    if text.dtype != string:
        raise DTypeError(f"serialized must be string, got {text.dtype.name}")
    return TensorSpec(UNKNOWN_SHAPE, out_type)


def _parse_kernel(text: Array, *, out_type: DType) -> Array:
    if text.ndim:
        fact = f"Expected `serialized` to be a scalar, got shape: {list(text.shape)}"
        raise InvalidArgumentError(None, None, fact)
    try:
        return from_bytes(text.item(), out_type)
    except ValueError as error:
        raise InvalidArgumentError(None, None, str(error)) from None


def _serialize_spec(tensor: TensorSpec) -> TensorSpec:
    return TensorSpec(TensorShape([]), string)


def _serialize_kernel(tensor: Any) -> Array:
    return np.array(serialized(np.asarray(tensor)), object)


define(
    "ParseTensor",
    spec=_parse_spec,
    kernel=_parse_kernel,
    gradient=no_gradient("a string has no gradient"),
    batch=each,
    host_only=True,
)
define(
    "SerializeTensor",
    spec=_serialize_spec,
    kernel=_serialize_kernel,
    gradient=no_gradient("a string has no gradient"),
    batch=each,
    host_only=True,
)

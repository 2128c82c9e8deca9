"""Values in another dtype.

Source: math_ops.cast of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.rules.arrays import dtype_in, is_complex, namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.entries import of_entries
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = [
    "cast",
    "to_bfloat16",
    "to_complex128",
    "to_complex64",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
]


@of_entries
def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """x in another dtype: floating numbers lose their fraction on the way to integers, numbers become `x != 0`.

    x itself if it has the dtype.  Strings are no numbers: decode them.
    """
    target = as_dtype(dtype)
    tensor = convert_to_tensor(x)
    if tensor.dtype == target:
        return tensor
    result: Tensor = add_op("Cast", tensor, name=name, dtype=target)
    return result


def _cast_spec(x: TensorSpec, dtype: DType) -> TensorSpec:
    only(x, x.dtype.name != "string", f"numbers and bool to cast to {dtype.name}; decode strings")
    only(TensorSpec(x.shape, dtype), dtype.name != "string", f"numbers and bool to cast {x.dtype.name} to")
    return TensorSpec(x.shape, dtype)


def _cast_kernel(x: Any, dtype: DType) -> Any:
    xp = namespace(x)
    if not dtype.is_complex and is_complex(x):
        x = xp.real(x)
    return xp.astype(x, dtype_in(xp, dtype), copy=False)


def _cast_gradient(op: Operation, dy: Tensor) -> Tensor | None:
    source = op.inputs[0].dtype
    return cast(dy, source) if source.is_floating or source.is_complex else None


define("Cast", spec=_cast_spec, kernel=_cast_kernel, gradient=_cast_gradient, batch=elementwise)


def to_float(x: Any, name: str = "ToFloat") -> Tensor:
    """x as float32."""
    return cast(x, "float32", name=name)


def to_double(x: Any, name: str = "ToDouble") -> Tensor:
    """x as float64."""
    return cast(x, "float64", name=name)


def to_int32(x: Any, name: str = "ToInt32") -> Tensor:
    """x as int32."""
    return cast(x, "int32", name=name)


def to_int64(x: Any, name: str = "ToInt64") -> Tensor:
    """x as int64."""
    return cast(x, "int64", name=name)


def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Tensor:
    """x as bfloat16."""
    return cast(x, "bfloat16", name=name)


def to_complex64(x: Any, name: str = "ToComplex64") -> Tensor:
    """x as complex64."""
    return cast(x, "complex64", name=name)


def to_complex128(x: Any, name: str = "ToComplex128") -> Tensor:
    """x as complex128."""
    return cast(x, "complex128", name=name)

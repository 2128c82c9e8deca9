"""Functions that are made of sums and products: accumulate_n, scalar_mul, polyval.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import as_dtype
from dflow.errors import DTypeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.array.constants import constant
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import as_tensor, operands
from dflow.registry import OPS, define
from dflow.shapes import TensorShape, as_shape
from dflow.specs import TensorSpec

__all__ = ["accumulate_n", "polyval", "scalar_mul"]


def accumulate_n(inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Tensor:
    """The sum of tensors of one dtype and one shape, which do not broadcast.

    shape, tensor_dtype: their shape and dtype, where these are not known or for a check.
    ValueError for no tensors or other shapes; TypeError for another dtype.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    tensors = [as_tensor(item, beside=inputs) for item in inputs]
    if any(tensor.dtype != tensors[0].dtype for tensor in tensors):
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    if tensor_dtype is not None and as_dtype(tensor_dtype) != tensors[0].dtype:
        raise DTypeError(f"tensor_dtype is {as_dtype(tensor_dtype).name}, but input is of type {tensors[0].dtype.name}")
    common = as_shape(shape)
    for tensor in tensors:
        common = common.merge_with(tensor.shape)
    if len(tensors) == 1:
        return tensors[0] if name is None else identity(tensors[0], name=name)
    result: Tensor = add_op("AccumulateNV2", *tensors, name=name, shape=common)
    return result


def _accumulate_spec(*inputs: TensorSpec, shape: TensorShape) -> TensorSpec:
    merged: TensorSpec = OPS["AddN"].spec(*inputs)  # type: ignore[assignment]
    return TensorSpec(merged.shape.merge_with(shape), merged.dtype)


define(
    "AccumulateNV2",
    spec=_accumulate_spec,
    kernel=lambda *arrays, shape: OPS["AddN"].kernel(*arrays),
    gradient=lambda op, dy: [dy] * len(op.inputs),
    owns_outputs=True,
)


def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Tensor:
    """scalar * x, in the dtype of x.  ValueError for a scalar that is known to be none."""
    tensor = as_tensor(x, beside=(scalar,))
    factor = operands((tensor, scalar), ("x", "scalar"), "Mul")[1]
    if factor.shape.ndims not in (0, None):
        raise ValueError(f"Only scalar multiply works, got shape {factor.shape}")
    return multiply(factor, tensor, name)


def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """The polynomial coeffs[0] * x**n + coeffs[1] * x**(n - 1) + ... + coeffs[n], by Horner's rule.

    coeffs: a list of tensors or numbers, which broadcast with x; an empty list stands for 0.
    """
    if not isinstance(coeffs, list):
        raise ValueError(f"Argument coeffs must be list type found {type(coeffs)}.")
    with scope_of((x, *coeffs), name, "polyval"):
        x = convert_to_tensor(x, name="x")
        if not coeffs:
            return multiply(x, constant(0, x.dtype))
        first, *others = (convert_to_tensor(coeff, name=f"coeff_{i}") for i, coeff in enumerate(coeffs))
        total: Tensor = first
        for coeff in others:
            total = add(coeff, multiply(total, x))
        return total

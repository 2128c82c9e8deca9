"""Weights of losses and metrics: which shapes they may have beside the values that they weigh.

Weights are a scalar, or they have the rank of the values, with each size equal to that of the values or 1.
Source: weights_broadcast_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import bool_
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.fill import ones_like
from dflow.ops.array.shape import shape
from dflow.ops.control import Assert, no_op
from dflow.ops.math.arithmetic import multiply
from dflow.ops.rules.blocks import named
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import TensorSpec

__all__ = ["assert_broadcastable", "broadcast_weights"]

_WRONG = "weights can not be broadcast to values."


def assert_broadcastable(weights: Any, values: Any) -> Operation:
    """An operation that fails with InvalidArgumentError unless the weights fit the values.

    ShapeError (a ValueError) if static shapes tell already that they do not.
    """
    with named(None, "assert_broadcastable", (weights, values)) as scope:
        weights = convert_to_tensor(weights, name="weights")
        values = convert_to_tensor(values, name="values")
        if weights.shape.ndims == 0:
            return no_op(name="static_scalar_check_success")
        if weights.shape.ndims is not None and values.shape.ndims is not None:
            _check_static(weights.shape, values.shape)
            if weights.shape.is_fully_defined() and values.shape.is_fully_defined():
                return no_op(name="static_dims_check_success")
        sizes = shape(weights, name="weights/shape"), shape(values, name="values/shape")
        fit: Tensor = add_op("WeightsFit", *sizes, name="is_valid_shape")
        data = (_WRONG, "weights.shape=", sizes[0], "values.shape=", sizes[1])
        return Assert(fit, data, summarize=-1, name=f"{scope}AssertGuard/Assert/")


def _check_static(weights: TensorShape, values: TensorShape) -> None:
    shapes = f"values.shape={values}. weights.shape={weights}."
    if weights.ndims != values.ndims:
        raise ShapeError(f"{_WRONG} values.rank={values.ndims}. weights.rank={weights.ndims}. {shapes}")
    for place, (weight, value) in enumerate(zip(weights, values, strict=True)):
        if weight is not None and value is not None and weight not in (1, value):
            raise ShapeError(f"{_WRONG} Mismatch at dim {place}. {shapes}")


def _fit_kernel(weights: Any, values: Any) -> Any:
    sizes, wanted = np.asarray(weights).tolist(), np.asarray(values).tolist()
    fit = not sizes or (len(sizes) == len(wanted) and all(a in (1, b) for a, b in zip(sizes, wanted, strict=True)))
    return np.asarray(fit)


define(
    "WeightsFit",
    spec=lambda weights, values: TensorSpec(SCALAR, bool_),
    kernel=_fit_kernel,
    gradient=no_gradient("its result is a bool"),
    host_only=True,
)


def broadcast_weights(weights: Any, values: Any) -> Tensor:
    """The weights, repeated to the shape of the values.  Errors: as `assert_broadcastable`."""
    with named(None, "broadcast_weights", (weights, values)) as scope:
        values = convert_to_tensor(values, name="values")
        heavy = convert_to_tensor(weights, values.dtype, name="weights")
        known = heavy.shape.is_fully_defined() and values.shape.is_fully_defined()
        if known and heavy.shape.is_compatible_with(values.shape):
            return heavy
        with heavy.graph.control_dependencies((assert_broadcastable(heavy, values),)):
            return multiply(heavy, ones_like(values, dtype=heavy.dtype), name=scope)

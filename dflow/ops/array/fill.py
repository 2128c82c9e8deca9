"""Tensors of one repeated value: fill, zeros, ones, broadcast_to.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.constants import constant
from dflow.ops.array.shape import reshape
from dflow.ops.rules.arrays import dtype_in, ints, is_text, namespace, single, sizes_of
from dflow.ops.rules.arrays import zeros as zeros_array
from dflow.ops.rules.batching import Attrs, Kernel, each, elementwise
from dflow.ops.rules.like import only_first, sum_like
from dflow.ops.rules.static import (
    Axes,
    graph_of,
    is_symbolic,
    known_shape,
    known_sizes,
    only,
    shape_argument,
    target_spec,
)
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["broadcast_to", "fill", "ones", "ones_like", "zeros", "zeros_like"]


def _repeated_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    """The batch rule for a shape that is the same for all steps."""
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    x, target = arrays[0], attrs["shape"]
    if x.ndim - 1 > len(target):  # it does not fit
        return each(kernel, arrays, batched, attrs)
    xp = namespace(x)
    x = xp.reshape(x, (x.shape[0], *(1,) * (len(target) - x.ndim + 1), *x.shape[1:]))
    return xp.asarray(xp.broadcast_to(x, (x.shape[0], *target)), copy=True)


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """The tensor repeated to a shape that it broadcasts to; shape: sizes as numbers or as a tensor."""
    sizes, inputs = shape_argument(shape)
    result: Tensor = add_op("BroadcastTo", input, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


def _broadcast_to_spec(x: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    target = target_spec(x, shape, sizes)
    if x.shape.dims is not None and target.shape.dims is not None:
        dims = target.shape.dims[len(target.shape.dims) - len(x.shape.dims) :]
        fits = len(dims) == len(x.shape.dims)
        if not fits or any(a not in (1, None, b) and b is not None for a, b in zip(x.shape.dims, dims, strict=True)):
            raise ShapeError(f"shape {x.shape} does not broadcast to {target.shape}")
    return target


def _broadcast_to_kernel(x: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    target = sizes_of(sizes) if shape is None else shape
    xp = namespace(x)
    try:
        return xp.asarray(xp.broadcast_to(x, target), copy=True)  # a value of its own, which may become a variable's
    except ValueError:
        raise InvalidArgumentError(
            None, None, f"Incompatible shapes: {list(x.shape)} does not broadcast to {list(target)}"
        ) from None


define(
    "BroadcastTo",
    spec=_broadcast_to_spec,
    kernel=_broadcast_to_kernel,
    gradient=lambda op, dy: only_first(op, sum_like(dy, op.inputs[0])),
    batch=_repeated_batch,
)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of one value; dims: its sizes, as numbers or as a tensor."""
    sizes, inputs = shape_argument(dims)
    result: Tensor = add_op("Fill", value, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


def _fill_sizes(sizes: Any) -> tuple[int, ...]:
    """The sizes of an input: a vector, or a scalar of unknown static rank, which TensorFlow takes for a vector."""
    return ints(sizes) if sizes.ndim == 0 else sizes_of(sizes)


def _fill_spec(value: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    if value.shape.ndims not in (0, None):
        raise ShapeError(f"the value must be a scalar, its shape is {value.shape}")
    return target_spec(value, shape, sizes)


def _fill_kernel(value: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    value = single(value)
    if value.ndim:
        raise InvalidArgumentError(None, None, f"value must be a scalar, its shape is {list(value.shape)}")
    target = _fill_sizes(sizes) if shape is None else shape
    if min(target, default=0) < 0:
        raise InvalidArgumentError(None, None, f"Dimensions must be >= 0, got {list(target)}")
    xp = namespace(value)
    return xp.asarray(xp.broadcast_to(value, target), copy=True)  # a value of its own, which may become a variable's


define(
    "Fill",
    spec=_fill_spec,
    kernel=_fill_kernel,
    gradient=lambda op, dy: only_first(op, sum_like(dy, op.inputs[0])),
    batch=_repeated_batch,
)


def zeros(shape: Any, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """A tensor of zeros (False, empty strings); shape: sizes as numbers or as a tensor."""
    return _repeated(shape, as_dtype(dtype).zero, as_dtype(dtype), name or "zeros")


def ones(shape: Any, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """A tensor of ones (True); shape: sizes as numbers or as a tensor."""
    target_dtype = as_dtype(dtype)
    _of_numbers(target_dtype)
    return _repeated(shape, target_dtype.numpy_dtype.type(1), target_dtype, name or "ones")


def _of_numbers(dtype: DType) -> None:
    only(TensorSpec(UNKNOWN_SHAPE, dtype), dtype.name != "string", "numbers and bool")


_SMALL = 1000  # values: up to here a constant, which gradients and shapes can look into


def _repeated(shape: Any, value: Any, dtype: DType, name: str) -> Tensor:
    if not is_symbolic(shape):
        static_shape = known_sizes(shape)
        count = static_shape.num_elements()
        if count is not None and count < _SMALL:
            return constant(
                value if count else np.empty(static_shape.as_list(), dtype.numpy_dtype), dtype, static_shape, name
            )
    elif convert_to_tensor(shape).shape.ndims != 1:
        shape = reshape(shape, [-1])
    graph = graph_of([shape])
    with scopes.building_in(graph), graph.name_scope(name) as scope:
        return fill(shape, constant(value, dtype), name=scope)


def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Zeros (False, empty strings) in the shape of a tensor, of its dtype or of `dtype`; dense for a SparseTensor.

    optimize: if the static shape is fully defined, the tensor need not be computed or fed.
    """
    if isinstance(tensor, SparseTensor):
        return zeros(tensor.dense_shape, tensor.dtype if dtype is None else dtype, name or "zeros_like")
    return _repeated_like("ZerosLike", tensor, dtype, name or "zeros_like", zeros if optimize else None)


def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Ones (True) in the shape of a tensor, of its dtype or of `dtype`.  optimize: as for `zeros_like`."""
    return _repeated_like("OnesLike", tensor, dtype, name or "ones_like", ones if optimize else None)


def _repeated_like(kind: str, value: Any, dtype: Any, name: str, make: Callable[..., Tensor] | None) -> Tensor:
    x = convert_to_tensor(value)
    if make is not None and x.shape.is_fully_defined():
        with scopes.building_in(x.graph):
            return make(x.shape, x.dtype if dtype is None else dtype, name)
    result: Tensor = add_op(kind, x, name=name, dtype=x.dtype if dtype is None else as_dtype(dtype))
    return result


def _like_kernel(x: Any, value: Any, dtype: DType) -> Any:
    if dtype.name == "string":
        return zeros_array(np.empty(0, dtype=object), tuple(x.shape))
    xp = namespace(x)
    if is_text(x):
        return np.full(x.shape, value, dtype.numpy_dtype)
    return xp.full_like(x, value, dtype=dtype_in(xp, dtype))


def _ones_like_spec(x: TensorSpec, dtype: DType) -> TensorSpec:
    _of_numbers(dtype)
    return TensorSpec(x.shape, dtype)


define(
    "ZerosLike",
    spec=lambda x, dtype: TensorSpec(x.shape, dtype),
    kernel=lambda x, dtype: _like_kernel(x, False if dtype.is_bool else 0, dtype),
    gradient=lambda op, dy: None,
    batch=elementwise,
)
define(
    "OnesLike",
    spec=_ones_like_spec,
    kernel=lambda x, dtype: _like_kernel(x, True if dtype.is_bool else 1, dtype),
    gradient=lambda op, dy: None,
    batch=elementwise,
)

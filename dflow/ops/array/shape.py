"""The shape of a tensor at run time, and other shapes for its values: reshape, expand_dims, squeeze.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, create_op, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.rules.arrays import ints, is_text, namespace, one_or_all, vector
from dflow.ops.rules.batching import along_axes, behind, each, steps
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import only_first, reshape_like
from dflow.ops.rules.ranks import bracketed
from dflow.ops.rules.static import (
    Axes,
    is_symbolic,
    known_shape,
    normal_axes,
    normal_axis,
    same_dtype,
    shape_argument,
    spec_of,
    target_spec,
)
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.sparse_tensor import SparseTensor, SparseTensorValue
from dflow.specs import TensorSpec

__all__ = ["expand_dims", "rank", "reshape", "shape", "shape_n", "size", "squeeze"]


# -- shape, size and rank


def shape(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The sizes of a tensor at run time: a vector of int32, or of `out_type`.

    A constant if the static shape is fully defined: then the tensor need not be computed or fed.
    Of a SparseTensor, its dense shape.
    """
    if isinstance(input, (SparseTensor, SparseTensorValue)):
        return cast(input.dense_shape, out_type, name)
    x = convert_to_tensor(input)
    if x.shape.is_fully_defined():
        return _known(x, x.shape.as_list(), out_type, name or "Shape")
    tensor: Tensor = add_op("Shape", x, name=name, out_type=as_dtype(out_type))
    return tensor


def shape_n(input: Sequence[Any], out_type: Any = int32, name: str | None = None) -> list[Tensor]:
    """The sizes of several tensors at run time, each a vector of `out_type`, int32 or int64."""
    if not isinstance(input, (list, tuple)):
        raise TypeError(f"Expected list for 'input' argument to 'shape_n' Op, not {input!r}.")
    return list(create_op("ShapeN", *input, name=name, out_type=as_dtype(out_type)).outputs)


def size(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The number of values of a tensor at run time: a scalar of int32, or of `out_type`.  A constant, as `shape`.

    Of a SparseTensor, that of the dense tensor.
    """
    if isinstance(input, (SparseTensor, SparseTensorValue)):
        product: Tensor = add_op("Prod", cast(input.dense_shape, out_type), name=name, axis=None, keepdims=False)
        return product
    x = convert_to_tensor(input)
    if x.shape.is_fully_defined():
        return _known(x, x.shape.num_elements(), out_type, name or "Size")
    tensor: Tensor = add_op("Size", x, name=name, out_type=as_dtype(out_type))
    return tensor


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of axes of a tensor at run time: an int32 scalar.  A constant if it is known from the static shape."""
    if isinstance(input, (SparseTensor, SparseTensorValue)):
        return size(input.dense_shape, name)
    x = convert_to_tensor(input)
    if x.shape.ndims is not None:
        return _known(x, x.shape.ndims, int32, name or "Rank")
    tensor: Tensor = add_op("Rank", x, name=name)
    return tensor


def _known(x: Tensor, value: Any, dtype: Any, name: str) -> Tensor:
    """A constant in the graph of `x`, which need not be the default graph."""
    with scopes.building_in(x.graph):
        return constant(value, dtype, name=name)


def _sizes(x: Any, values: Any, dtype: DType) -> Any:
    if is_text(x):  # an object array of NumPy
        return np.asarray(values, dtype=dtype.numpy_dtype)
    return vector(x, values, dtype)


def _sizes_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    """The batch rule: the steps are stacked, so they have one shape, whose sizes are repeated."""
    single = kernel(arrays[0][0, ...], **attrs)
    return namespace(single).broadcast_to(single, (steps(arrays, batched), *single.shape))


_OF_INTEGERS = no_gradient("a shape is made of integers")

define(
    "Shape",
    spec=lambda x, out_type: spec_of([x.shape.ndims], out_type),
    kernel=lambda x, out_type: _sizes(x, list(x.shape), out_type),
    gradient=_OF_INTEGERS,
    batch=_sizes_batch,
)


def _shapes_spec(*inputs: TensorSpec, out_type: DType) -> list[TensorSpec]:
    same_dtype(*inputs)
    return [spec_of([x.shape.ndims], out_type) for x in inputs]


define(
    "ShapeN",
    spec=_shapes_spec,
    kernel=lambda *arrays, out_type: one_or_all([_sizes(x, list(x.shape), out_type) for x in arrays]),
    gradient=_OF_INTEGERS,
)
define(
    "Size",
    spec=lambda x, out_type: TensorSpec(SCALAR, out_type),
    kernel=lambda x, out_type: _sizes(x, x.size, out_type),
    gradient=_OF_INTEGERS,
    batch=_sizes_batch,
)
define(
    "Rank",
    spec=lambda x: TensorSpec(SCALAR, int32),
    kernel=lambda x: _sizes(x, x.ndim, int32),
    gradient=_OF_INTEGERS,
    batch=_sizes_batch,
)

# -- reshape


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The values of a tensor, in row-major order, in another shape.

    shape: sizes, of which one may be -1 (computed from the others), as numbers or as a tensor.
    ShapeError, or InvalidArgumentError at run time, if the numbers of values differ.
    """
    sizes, inputs = shape_argument(shape)
    result: Tensor = add_op("Reshape", tensor, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(_filled_in(known_shape(inputs[0]), result.op.inputs[0].shape))
    return result


def _filled_in(target: TensorShape, source: TensorShape) -> TensorShape:
    """`target` with its one unknown size computed, if the number of values is known."""
    total = source.num_elements()
    if total is None or target.dims is None or target.dims.count(None) != 1:
        return target
    rest = int(np.prod([dim for dim in target.dims if dim is not None], dtype=np.int64))
    if rest == 0 or total % rest:
        return target
    return TensorShape(total // rest if dim is None else dim for dim in target.dims)


def _misfit(count: int, shape: Axes, target_count: int | None) -> str:
    """Why so many values do not fit into a shape."""
    if target_count is None:
        rest = int(np.prod([size for size in shape if size != -1], dtype=np.int64))
        return f"Dimension size must be evenly divisible by {rest} but is {count}"
    return f"Cannot reshape a tensor with {count} elements to shape {bracketed(shape)} ({target_count} elements)"


def _reshape_spec(x: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    if shape is None:
        return target_spec(x, None, sizes)
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise ShapeError(f"Only one input size may be -1, and no size less than that, got {list(shape)}")
    result = _filled_in(TensorShape(None if dim == -1 else dim for dim in shape), x.shape)
    count, target_count = x.shape.num_elements(), result.num_elements()
    if count is not None and (count != target_count if target_count is not None else -1 in shape and count > 0):
        raise ShapeError(_misfit(count, shape, target_count))
    partial_count = int(np.prod([dim for dim in x.shape.dims or () if dim is not None], dtype=np.int64))
    if count is None and target_count and (partial_count == 0 or target_count % partial_count):
        raise ShapeError(f"cannot reshape a tensor of shape {x.shape} to shape {list(shape)}: {target_count} elements")
    return TensorSpec(result, x.dtype)


def _reshape_kernel(x: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    target = ints(sizes) if shape is None else shape
    try:
        return namespace(x).reshape(x, _without_unknown(target, x.shape))
    except ValueError:
        raise InvalidArgumentError(
            None, None, f"Input to reshape is a tensor with {x.size} values, but the requested shape is {list(target)}"
        ) from None


def _without_unknown(sizes: Sequence[int], source: Sequence[int]) -> tuple[int, ...]:
    """The sizes with a number in the place of -1.

    Why zeros are left out on both sides if a size is 0: an empty batch keeps the size of its items, as in TensorFlow.
    """
    empty = 0 in sizes
    total = prod(size for size in source if size or not empty)
    partial_total = prod(size for size in sizes if size != -1 and (size or not empty))
    return tuple(total // partial_total if size == -1 else size for size in sizes)


def _reshape_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if len(arrays) > 1 and batched[1]:
        return each(kernel, arrays, batched, attrs)
    target = ints(arrays[1]) if attrs["shape"] is None else attrs["shape"]
    return kernel(arrays[0], shape=(arrays[0].shape[0], *target))


define(
    "Reshape",
    spec=_reshape_spec,
    kernel=_reshape_kernel,
    gradient=lambda op, dy: only_first(op, reshape_like(dy, op.inputs[0])),
    batch=_reshape_batch,
)


# -- axes of size 1


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """The tensor with a new axis of size 1 at `axis`, counted in the result; a negative one from its end.

    axis: a number or a tensor.
    """
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim'")
    place = dim if axis is None else axis
    if place is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    if not is_symbolic(place) and np.size(place) != 1:
        raise ShapeError(f"'dim' input must be a tensor with a single value, got {place!r}")
    if is_symbolic(place) and convert_to_tensor(place).shape.ndims != 0:
        place = reshape(place, ())  # a vector of one number is accepted
    number, inputs = late(np.reshape(place, ()) if isinstance(place, (list, tuple, np.ndarray)) else place)
    result: Tensor = add_op("ExpandDims", input, *inputs, name=name, axis=number)
    return result


def _expand_dims_spec(x: TensorSpec, axis: int) -> TensorSpec:
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    rank = x.shape.ndims
    place = normal_axis(axis, rank + 1, f"dim {axis} not in the interval [{-rank - 1}, {rank}].")
    dims = x.shape.as_list()
    return spec_of([*dims[:place], 1, *dims[place:]], x.dtype)


def _expand_dims_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    return kernel(arrays[0], axis=behind(attrs["axis"]))


def _expand_dims_kernel(x: Any, axis: int) -> Any:
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise InvalidArgumentError(
            None, None, f"Tried to expand dim index {axis} for tensor with {x.ndim} dimensions, shape {list(x.shape)}"
        )
    return namespace(x).expand_dims(x, axis=axis)


define(
    "ExpandDims",
    **late_rules(
        "axis",
        spec=_expand_dims_spec,
        unknown=lambda x: spec_of(None if x.shape.ndims is None else [None] * (x.shape.ndims + 1), x.dtype),
        kernel=_expand_dims_kernel,
        batch=_expand_dims_batch,
    ),
    gradient=lambda op, dy: only_first(op, reshape_like(dy, op.inputs[0])),
)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """The tensor without axes of size 1: without all of them, or without those named by `axis`.

    ShapeError, or InvalidArgumentError at run time, for an axis of another size.
    """
    if axis is not None and squeeze_dims is not None:
        raise ValueError("Cannot specify both 'axis' and 'squeeze_dims'")
    named = squeeze_dims if axis is None else axis
    axes = None if named is None else tuple(int(item) for item in np.asarray(named).reshape(-1))
    result: Tensor = add_op("Squeeze", input, name=name, axis=axes or None)
    return result


def _squeeze_spec(x: TensorSpec, axis: Axes | None) -> TensorSpec:
    if x.shape.ndims is None or (axis is None and not x.shape.is_fully_defined()):
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    dims = x.shape.as_list()
    if axis is None:
        return spec_of([dim for dim in dims if dim != 1], x.dtype)
    dropped = normal_axes(axis, len(dims))
    for place in dropped:
        if dims[place] not in (1, None):
            raise ShapeError(f"Can not squeeze dim[{place}], expected a dimension of 1, got {dims[place]}")
    return spec_of([dim for place, dim in enumerate(dims) if place not in dropped], x.dtype)


def _squeeze_kernel(x: Any, axis: Axes | None) -> Any:
    if axis is None:
        axis = tuple(place for place, size in enumerate(x.shape) if size == 1)
    for place in axis:  # negative ones and those named twice, too
        if not -x.ndim <= place < x.ndim or x.shape[place] != 1:
            raise InvalidArgumentError(
                None, None, f"Can not squeeze dim[{place}], expected a dimension of 1, the shape is {list(x.shape)}"
            )
    return namespace(x).squeeze(x, axis=normal_axes(axis, x.ndim))


def _squeeze_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if attrs["axis"] is None:
        x = arrays[0]
        return kernel(x, axis=tuple(place for place in range(1, x.ndim) if x.shape[place] == 1))
    return along_axes(kernel, arrays, batched, attrs)


define(
    "Squeeze",
    spec=_squeeze_spec,
    kernel=_squeeze_kernel,
    gradient=lambda op, dy: reshape_like(dy, op.inputs[0]),
    batch=_squeeze_batch,
)

"""Operations about the shape of a tensor, and tensors of one repeated value.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow import scopes
from dflow.dtypes import DType, as_dtype, int32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.arrays import dtype_in, ints, is_integral, is_text, namespace, vector
from dflow.ops.arrays import zeros as zeros_array
from dflow.ops.batching import along_axes, behind, each, elementwise, steps
from dflow.ops.constants import constant
from dflow.ops.like import reshape_like, sum_like
from dflow.ops.static import (
    graph_of,
    is_symbolic,
    known_shape,
    known_sizes,
    known_value,
    normal_axes,
    normal_axis,
    number_or_tensor,
    only,
    operands,
    same_dtype,
    spec_of,
)
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "broadcast_to",
    "expand_dims",
    "fill",
    "invert_permutation",
    "ones",
    "ones_like",
    "range",
    "rank",
    "reshape",
    "shape",
    "size",
    "squeeze",
    "transpose",
    "zeros",
    "zeros_like",
]

Axes = tuple[int, ...]

# -- what a shape is


def shape(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The sizes of a tensor at run time: a vector of int32, or of `out_type`."""
    tensor: Tensor = add_op("Shape", input, name=name, out_type=as_dtype(out_type))
    return tensor


def size(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The number of values of a tensor at run time: a scalar of int32, or of `out_type`."""
    tensor: Tensor = add_op("Size", input, name=name, out_type=as_dtype(out_type))
    return tensor


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of axes of a tensor at run time: an int32 scalar."""
    tensor: Tensor = add_op("Rank", input, name=name)
    return tensor


def _sizes(x: Any, values: Any, dtype: DType) -> Any:
    if is_text(x):  # its dtype is no dtype of numbers, but it is NumPy's array
        return np.asarray(values, dtype=dtype.as_numpy_dtype)
    return vector(x, values, dtype)


def _sizes_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    """All steps have one shape, since they came stacked: one answer, repeated."""
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

    shape: sizes, of which one may be -1 (as many as are left), as numbers or as a tensor.
    ShapeError, or InvalidArgumentError at run time, if the numbers of values differ.
    """
    sizes, inputs = shape_argument(shape)
    result: Tensor = add_op("Reshape", tensor, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(_filled_in(known_shape(inputs[0]), result.op.inputs[0].shape))
    return result


def shape_argument(shape: Any) -> tuple[Axes | None, tuple[Tensor, ...]]:
    """As `number_or_tensor`; a single number is a shape of rank 1."""
    if isinstance(shape, TensorShape):
        shape = [-1 if dim is None else dim for dim in shape.known]
    sizes, inputs = number_or_tensor(shape)
    return (sizes,) if isinstance(sizes, int) else sizes, inputs


def _filled_in(wanted: TensorShape, given: TensorShape) -> TensorShape:
    """`wanted` with its one unknown size computed, if the number of values is known."""
    total = given.num_elements()
    if total is None or wanted.dims is None or wanted.dims.count(None) != 1:
        return wanted
    rest = int(np.prod([dim for dim in wanted.dims if dim is not None], dtype=np.int64))
    if rest == 0 or total % rest:
        return wanted
    return TensorShape(total // rest if dim is None else dim for dim in wanted.dims)


def _reshape_spec(x: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    if shape is None:
        length = sizes.shape[0] if sizes is not None and sizes.shape.ndims == 1 else None
        return spec_of(UNKNOWN_SHAPE if length is None else [None] * length, x.dtype)
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise ShapeError(f"a shape has no negative sizes but one -1, got {list(shape)}")
    result = _filled_in(TensorShape(None if dim == -1 else dim for dim in shape), x.shape)
    given, wanted = x.shape.num_elements(), result.num_elements()
    if given is not None and (given != wanted if wanted is not None else -1 in shape and given > 0):
        raise ShapeError(f"cannot reshape a tensor with {given} elements, of shape {x.shape}, to shape {list(shape)}")
    return TensorSpec(result, x.dtype)


def _reshape_kernel(x: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    wanted = ints(sizes) if shape is None else shape
    try:
        return namespace(x).reshape(x, wanted)
    except ValueError:
        raise InvalidArgumentError(
            None, None, f"Input to reshape is a tensor with {x.size} values, but the requested shape is {list(wanted)}"
        ) from None


def _reshape_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if len(arrays) > 1 and batched[1]:
        return each(kernel, arrays, batched, attrs)
    wanted = ints(arrays[1]) if attrs["shape"] is None else attrs["shape"]
    return kernel(arrays[0], shape=(arrays[0].shape[0], *wanted))


def _only_first(op: Operation, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
    """The gradients of an op whose first input alone holds values."""
    return (gradient, *(None for _ in op.inputs[1:]))


define(
    "Reshape",
    spec=_reshape_spec,
    kernel=_reshape_kernel,
    gradient=lambda op, dy: _only_first(op, reshape_like(dy, op.inputs[0])),
    batch=_reshape_batch,
)

# -- transpose


def transpose(a: Any, perm: Any = None, name: str | None = None, conjugate: bool = False) -> Tensor:
    """The axes of a tensor in another order: axis i of the result is axis perm[i] of `a`.

    perm: numbers or a tensor; None reverses the axes.
    """
    axes, inputs = (None, ()) if perm is None else number_or_tensor(perm)
    result: Tensor = add_op("Transpose", a, *inputs, name=name or "transpose", perm=axes)
    return result


def _transpose_spec(x: TensorSpec, axes: TensorSpec | None = None, *, perm: Axes | None) -> TensorSpec:
    if axes is not None:
        return spec_of(UNKNOWN_SHAPE if x.shape.ndims is None else [None] * x.shape.ndims, x.dtype)
    if x.shape.ndims is None:
        return spec_of(UNKNOWN_SHAPE if perm is None else [None] * len(perm), x.dtype)
    order = tuple(reversed(builtins.range(x.shape.ndims))) if perm is None else perm
    if sorted(order) != list(builtins.range(x.shape.ndims)):
        raise ShapeError(f"perm {list(order)} is no order of the axes of shape {x.shape}")
    return spec_of([x.shape[axis] for axis in order], x.dtype)


def _transpose_kernel(x: Any, axes: Any = None, *, perm: Axes | None) -> Any:
    if axes is not None:
        perm = ints(axes)
    order = tuple(reversed(builtins.range(x.ndim))) if perm is None else perm
    if sorted(order) != list(builtins.range(x.ndim)):
        raise InvalidArgumentError(None, None, f"perm {list(order)} is no order of the axes of shape {list(x.shape)}")
    return namespace(x).permute_dims(x, order)


def _transpose_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if len(arrays) > 1 and batched[1]:
        return each(kernel, arrays, batched, attrs)
    perm = ints(arrays[1]) if len(arrays) > 1 else attrs["perm"]
    if perm is None:
        perm = tuple(reversed(builtins.range(arrays[0].ndim - 1)))
    return kernel(arrays[0], perm=(0, *(axis + 1 for axis in perm)))


def _transpose_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    perm = op.attrs["perm"]
    if len(op.inputs) > 1:
        back: Any = invert_permutation(op.inputs[1])
    else:
        back = None if perm is None else tuple(int(place) for place in np.argsort(perm))
    return _only_first(op, transpose(dy, back))


define(
    "Transpose",
    spec=_transpose_spec,
    kernel=_transpose_kernel,
    gradient=_transpose_gradient,
    batch=_transpose_batch,
)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """Where each number is: result[x[i]] = i.  x: a vector that holds 0 to n - 1, each once."""
    result: Tensor = add_op("InvertPermutation", x, name=name)
    return result


define(
    "InvertPermutation",
    spec=lambda perm: perm,
    kernel=lambda perm: namespace(perm).astype(namespace(perm).argsort(perm), perm.dtype),
    gradient=no_gradient("a permutation is made of integers"),
)

# -- axes of size 1


def expand_dims(input: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """The tensor with a new axis of size 1 at `axis`, counted in the result; a negative one from its end."""
    place = dim if axis is None else axis
    if place is None:
        raise ValueError("expand_dims needs an axis")
    result: Tensor = add_op("ExpandDims", input, name=name, axis=static_axis(place))
    return result


def static_axis(axis: Any) -> int:
    """An axis as a number: from a number or a tensor that is known while the graph is built."""
    value = known_value(convert_to_tensor(axis)) if is_symbolic(axis) else np.asarray(axis)
    if value is None or value.size != 1 or value.dtype.kind not in "iu":
        raise ValueError(f"the axis must be one integer that is known while the graph is built, got {axis!r}")
    return int(value.reshape(()))


def _expand_dims_spec(x: TensorSpec, axis: int) -> TensorSpec:
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    place = normal_axis(axis, x.shape.ndims + 1)
    dims = x.shape.as_list()
    return spec_of([*dims[:place], 1, *dims[place:]], x.dtype)


def _expand_dims_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    return kernel(arrays[0], axis=behind(attrs["axis"]))


define(
    "ExpandDims",
    spec=_expand_dims_spec,
    kernel=lambda x, axis: namespace(x).expand_dims(x, axis=axis),
    gradient=lambda op, dy: reshape_like(dy, op.inputs[0]),
    batch=_expand_dims_batch,
)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """The tensor without axes of size 1: without all of them, or without those named by `axis`.

    ShapeError, or InvalidArgumentError at run time, for an axis of another size.
    """
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
            raise ShapeError(f"cannot squeeze axis {place} of shape {x.shape}: its size is not 1")
    return spec_of([dim for place, dim in enumerate(dims) if place not in dropped], x.dtype)


def _squeeze_kernel(x: Any, axis: Axes | None) -> Any:
    if axis is None:
        axis = tuple(place for place, size in enumerate(x.shape) if size == 1)
    for place in axis:
        if not -x.ndim <= place < x.ndim or x.shape[place] != 1:
            raise InvalidArgumentError(
                None, None, f"Can not squeeze dim[{place}], expected a dimension of 1, the shape is {list(x.shape)}"
            )
    return namespace(x).squeeze(x, axis=axis)


def _squeeze_batch(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    if attrs["axis"] is None:
        x = arrays[0]
        return kernel(x, axis=tuple(place for place in builtins.range(1, x.ndim) if x.shape[place] == 1))
    return along_axes(kernel, arrays, batched, attrs)


define(
    "Squeeze",
    spec=_squeeze_spec,
    kernel=_squeeze_kernel,
    gradient=lambda op, dy: reshape_like(dy, op.inputs[0]),
    batch=_squeeze_batch,
)

# -- one value, many times


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """The tensor repeated to a shape that it broadcasts to; shape: sizes as numbers or as a tensor."""
    sizes, inputs = shape_argument(shape)
    result: Tensor = add_op("BroadcastTo", input, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


def target_spec(x: TensorSpec, shape: Axes | None, sizes: TensorSpec | None) -> TensorSpec:
    if shape is not None:
        return TensorSpec(TensorShape(shape), x.dtype)
    length = sizes.shape[0] if sizes is not None and sizes.shape.ndims == 1 else None
    return spec_of(UNKNOWN_SHAPE if length is None else [None] * length, x.dtype)


def _broadcast_to_spec(x: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    target = target_spec(x, shape, sizes)
    if x.shape.dims is not None and target.shape.dims is not None:
        dims = target.shape.dims[len(target.shape.dims) - len(x.shape.dims) :]
        fits = len(dims) == len(x.shape.dims)
        if not fits or any(a not in (1, None, b) and b is not None for a, b in zip(x.shape.dims, dims, strict=True)):
            raise ShapeError(f"shape {x.shape} does not broadcast to {target.shape}")
    return target


def _broadcast_to_kernel(x: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    wanted = ints(sizes) if shape is None else shape
    xp = namespace(x)
    try:
        return xp.asarray(xp.broadcast_to(x, wanted), copy=True)  # a value of its own, which may become a variable's
    except ValueError:
        raise InvalidArgumentError(
            None, None, f"Incompatible shapes: {list(x.shape)} does not broadcast to {list(wanted)}"
        ) from None


define(
    "BroadcastTo",
    spec=_broadcast_to_spec,
    kernel=_broadcast_to_kernel,
    gradient=lambda op, dy: _only_first(op, sum_like(dy, op.inputs[0])),
    batch=each,
)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of one value; dims: its sizes, as numbers or as a tensor."""
    sizes, inputs = shape_argument(dims)
    result: Tensor = add_op("Fill", value, *inputs, name=name, shape=sizes)
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


def _fill_spec(value: TensorSpec, sizes: TensorSpec | None = None, *, shape: Axes | None) -> TensorSpec:
    if value.shape.ndims not in (0, None):
        raise ShapeError(f"the value must be a scalar, its shape is {value.shape}")
    return target_spec(value, shape, sizes)


def _fill_kernel(value: Any, sizes: Any = None, *, shape: Axes | None) -> Any:
    wanted = ints(sizes) if shape is None else shape
    if min(wanted, default=0) < 0:
        raise InvalidArgumentError(None, None, f"Dimensions must be >= 0, got {list(wanted)}")
    xp = namespace(value)
    return xp.asarray(xp.broadcast_to(value, wanted), copy=True)  # a value of its own, which may become a variable's


define(
    "Fill",
    spec=_fill_spec,
    kernel=_fill_kernel,
    gradient=lambda op, dy: _only_first(op, sum_like(dy, op.inputs[0])),
    batch=each,
)


def zeros(shape: Any, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """A tensor of zeros (False, empty strings); shape: sizes as numbers or as a tensor."""
    return _repeated(shape, as_dtype(dtype).zero, as_dtype(dtype), name or "zeros")


def ones(shape: Any, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """A tensor of ones (True); shape: sizes as numbers or as a tensor."""
    return _repeated(shape, as_dtype(dtype).as_numpy_dtype.type(1), as_dtype(dtype), name or "ones")


_SMALL = 1000  # values: up to here a constant, which gradients and shapes can look into


def _repeated(shape: Any, value: Any, dtype: DType, name: str) -> Tensor:
    if not is_symbolic(shape):
        known = known_sizes(shape)
        count = known.num_elements()
        if count is not None and count < _SMALL:
            return constant(np.full(known.as_list(), value, dtype.as_numpy_dtype), dtype, name=name)
    graph = graph_of([shape])
    with scopes.building_in(graph), graph.name_scope(name) as scope:
        return fill(shape, constant(value, dtype), name=scope)


def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Zeros (False, empty strings) in the shape of a tensor, of its dtype or of `dtype`."""
    return _repeated_like("ZerosLike", tensor, dtype, name or "zeros_like")


def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Ones (True) in the shape of a tensor, of its dtype or of `dtype`."""
    return _repeated_like("OnesLike", tensor, dtype, name or "ones_like")


def _repeated_like(kind: str, value: Any, dtype: Any, name: str) -> Tensor:
    x = convert_to_tensor(value)
    result: Tensor = add_op(kind, x, name=name, dtype=x.dtype if dtype is None else as_dtype(dtype))
    return result


def _like_kernel(x: Any, value: Any, dtype: DType) -> Any:
    if dtype.name == "string":
        return zeros_array(np.empty(0, dtype=object), tuple(x.shape))
    xp = namespace(x)
    if is_text(x):
        return np.full(x.shape, value, dtype.as_numpy_dtype)
    return xp.full_like(x, value, dtype=dtype_in(xp, dtype))


def _ones_like_spec(x: TensorSpec, dtype: DType) -> TensorSpec:
    only(TensorSpec(x.shape, dtype), dtype.name != "string", "numbers and bool")
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

# -- numbers in a row


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None) -> Tensor:
    """The numbers start, start + delta, ... up to `limit`, which is left out; `range(limit)` starts at 0.

    Each may be a scalar tensor.  dtype: as given, else that of the arguments.  InvalidArgumentError at run time for a
    delta of 0 or of the wrong sign.
    """
    if limit is None:
        start, limit = 0, start
    values = [start, limit, delta]
    if dtype is not None:
        values = [item if is_symbolic(item) else np.asarray(item, as_dtype(dtype).as_numpy_dtype) for item in values]
    elif not any(is_symbolic(item) for item in values) and any(isinstance(item, float) for item in values):
        values = [np.asarray(item, np.float32) for item in values]
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name or "range") as scope:
        result: Tensor = add_op("Range", *operands(values, ("start", "limit", "delta"), "Range"), name=scope)
    count = _known_count([known_value(item) for item in result.op.inputs])
    if count is not None:
        result.set_shape([count])
    return result


def _known_count(values: Sequence[Any]) -> int | None:
    if any(value is None for value in values):
        return None
    start, limit, delta = (value.reshape(()).item() for value in values)
    if delta == 0 or (limit - start) * delta < 0:
        raise ShapeError(
            f"range({start}, {limit}, {delta}): Requires start <= limit when delta > 0, start >= limit when delta < 0"
        )
    return _count(start, limit, delta)


def _count(start: Any, limit: Any, delta: Any) -> int:
    return (
        max(0, int(np.ceil((limit - start) / delta)))
        if isinstance(delta, float)
        else len(builtins.range(start, limit, delta))
    )


def _range_spec(start: TensorSpec, limit: TensorSpec, delta: TensorSpec) -> TensorSpec:
    same_dtype(start, limit, delta)
    only(start, start.dtype.is_integer or start.dtype.is_floating, "integers and floating numbers")
    for spec in (start, limit, delta):
        if spec.shape.ndims not in (0, None):
            raise ShapeError(f"start, limit and delta are scalars, got a shape of {spec.shape}")
    return spec_of([None], start.dtype)


def _range_kernel(start: Any, limit: Any, delta: Any) -> Any:
    xp = namespace(start)
    number = int if is_integral(start) else float
    first, last, step = number(start), number(limit), number(delta)
    if step == 0 or (last - first) * step < 0:
        raise InvalidArgumentError(
            None, None, f"Requires start <= limit when delta > 0, got start {first}, limit {last}, delta {step}"
        )
    places = xp.arange(_count(first, last, step), device=device(start))
    return start + xp.astype(places, start.dtype) * delta


define("Range", spec=_range_spec, kernel=_range_kernel, gradient=no_gradient("a range is a row of numbers"))

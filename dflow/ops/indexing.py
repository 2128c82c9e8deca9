"""Parts of tensors: slices, `tensor[...]`, gather, one_hot, boolean_mask.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array import reshape, shape, static_axis
from dflow.ops.arrays import check_indices, dtype_in, ints, namespace, scatter_add, take, zeros
from dflow.ops.batching import Attrs, Kernel, along_axis, behind, each
from dflow.ops.compare import where
from dflow.ops.static import (
    is_symbolic,
    known_shape,
    known_value,
    normal_axis,
    number_or_tensor,
    only,
    spec_of,
)
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["boolean_mask", "gather", "one_hot", "slice", "strided_slice"]

# -- tensor[...]


@dataclass(frozen=True, slots=True)
class FromInput:
    """A number of a key that is known only at run time: the value of an input of the operation."""

    place: int


Key = tuple[Any, ...]  # of integers, slices, None, Ellipsis; a number may be FromInput


def get_item(tensor: Any, key: Any, name: str | None = None) -> Tensor:
    """`tensor[key]`: integers, slices with steps, `...` and None (a new axis); numbers may be scalar integer tensors.

    ShapeError, or InvalidArgumentError at run time, for an index that is out of range; TypeError for anything else.
    """
    inputs: list[Tensor] = []
    items = tuple(_item(item, inputs) for item in (key if isinstance(key, tuple) else (key,)))
    if items.count(Ellipsis) > 1:
        raise ValueError("Multiple ellipses not allowed")
    result: Tensor = add_op("StridedSlice", tensor, *inputs, name=name or "strided_slice", key=items)
    return result


def _item(item: Any, inputs: list[Tensor]) -> Any:
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, builtins.slice):
        parts = (None if part is None else _number(part, inputs) for part in (item.start, item.stop, item.step))
        return builtins.slice(*parts)
    return _number(item, inputs)


def _number(value: Any, inputs: list[Tensor]) -> Any:
    if is_symbolic(value):
        tensor = convert_to_tensor(value)
        if not tensor.dtype.is_integer or tensor.shape.ndims not in (0, None):
            raise TypeError(f"an index is an integer scalar, got {tensor!r}; gather() takes several")
        inputs.append(tensor)
        return FromInput(len(inputs) - 1)
    if isinstance(value, bool) or not hasattr(value, "__index__") or np.ndim(value):
        raise TypeError(
            "Only integers, slices (`:`), ellipsis (`...`), newaxis (None) and scalar integer tensors are valid "
            f"indices, got {value!r}"
        )
    return int(value.__index__())


def _full_key(key: Key, rank: int) -> list[Any]:
    """The key with its ellipsis, or its end, filled up with `:` so that it names each axis once."""
    named = sum(item is not None and item is not Ellipsis for item in key)
    if named > rank:
        raise ShapeError(f"Index out of range using input dim {rank}; input has only {rank} dims")
    rest = [builtins.slice(None)] * (rank - named)
    if Ellipsis in key:
        place = key.index(Ellipsis)
        return [*key[:place], *rest, *key[place + 1 :]]
    return [*key, *rest]


def _strided_slice_spec(x: TensorSpec, *numbers: TensorSpec, key: Key) -> TensorSpec:
    for item in key:
        if isinstance(item, builtins.slice) and item.step == 0:
            raise ShapeError("strides must be non-zero")
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    sizes = iter(x.shape)
    dims: list[int | None] = []
    for place, item in enumerate(_full_key(key, x.shape.ndims)):
        if item is None:
            dims.append(1)
            continue
        size = next(sizes)
        if isinstance(item, builtins.slice):
            dims.append(_slice_size(item, size))
        elif isinstance(item, int) and size is not None and not -size <= item < size:
            raise ShapeError(f"slice index {item} of dimension {place} out of bounds of shape {x.shape}")
    return spec_of(dims, x.dtype)


def _slice_size(item: Any, size: int | None) -> int | None:
    if item == builtins.slice(None):
        return size
    if size is None or any(isinstance(part, FromInput) for part in (item.start, item.stop, item.step)):
        return None
    return len(range(*item.indices(size)))


def _concrete_key(key: Key, numbers: Sequence[Any], sizes: Sequence[int]) -> tuple[Any, ...]:
    """The key with its inputs' values and with bounds inside of the sizes, one item an axis, new axes between."""
    try:
        full = _full_key(tuple(_with_values(item, numbers) for item in key), len(sizes))
    except ShapeError as error:
        raise InvalidArgumentError(None, None, str(error)) from None
    remaining = enumerate(sizes)
    return tuple(None if item is None else _bounded(item, *next(remaining)) for item in full)


def _with_values(item: Any, numbers: Sequence[Any]) -> Any:
    if isinstance(item, FromInput):
        return int(numbers[item.place])
    if isinstance(item, builtins.slice):
        return builtins.slice(*(_with_values(part, numbers) for part in (item.start, item.stop, item.step)))
    return item


def _bounded(item: Any, place: int, size: int) -> Any:
    if isinstance(item, builtins.slice):
        if item.step == 0:
            raise InvalidArgumentError(None, None, f"strides[{place}] must be non-zero")
        start, stop, step = item.indices(size)
        if not range(start, stop, step):
            return builtins.slice(0, 0, 1)
        return builtins.slice(start, None if stop < 0 else stop, step)
    if not -size <= item < size:
        raise InvalidArgumentError(None, None, f"slice index {item} of dimension {place} out of bounds.")
    return item % size


def _strided_slice_kernel(x: Any, *numbers: Any, key: Key) -> Any:
    return x[(*_concrete_key(key, numbers, x.shape), ...)]


def _strided_slice_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if any(batched[1:]):
        return each(kernel, arrays, batched, attrs)
    return kernel(*arrays, key=(builtins.slice(None), *attrs["key"]))


def _strided_slice_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, *numbers = op.inputs
    return (add_op("StridedSliceGrad", dy, x, *numbers, key=op.attrs["key"]), *(None for _ in numbers))


def _strided_slice_grad_kernel(y: Any, x: Any, *numbers: Any, key: Key) -> Any:
    result = zeros(y, tuple(x.shape))
    place = tuple(item for item in _concrete_key(key, numbers, x.shape) if item is not None)
    full = tuple(builtins.slice(item, item + 1) if isinstance(item, int) else item for item in place)
    shape = tuple(len(range(*item.indices(size))) for item, size in zip(full, x.shape, strict=True))
    result[(*full, ...)] = namespace(y).reshape(y, shape)
    return result


define(
    "StridedSlice",
    spec=_strided_slice_spec,
    kernel=_strided_slice_kernel,
    gradient=_strided_slice_gradient,
    batch=_strided_slice_batch,
)
define(
    "StridedSliceGrad",
    spec=lambda y, x, *numbers, key: TensorSpec(x.shape, y.dtype),
    kernel=_strided_slice_grad_kernel,
    gradient=lambda op, dx: (
        add_op("StridedSlice", dx, *op.inputs[2:], key=op.attrs["key"]),
        *(None for _ in op.inputs[1:]),
    ),
)


def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """`input_[begin[0]:end[0]:strides[0], ...]`; bit i of a mask changes item i.

    begin, end, strides: numbers, or tensors whose length is known.  begin_mask, end_mask: without that bound;
    ellipsis_mask: it is `...`; new_axis_mask: it is a new axis; shrink_axis_mask: it is the integer begin[i].
    """
    starts, ends = _numbers_of(begin), _numbers_of(end)
    steps = [1] * len(starts) if strides is None else _numbers_of(strides)
    key: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(starts, ends, steps, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            key.append(Ellipsis)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(start)
        else:
            key.append(builtins.slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    return get_item(input_, tuple(key), name or "StridedSlice")


def _numbers_of(value: Any) -> list[Any]:
    """A vector as Python integers, or as one scalar tensor each."""
    if not is_symbolic(value):
        return [int(item) for item in np.asarray(value).reshape(-1)]
    tensor = convert_to_tensor(value)
    known = known_value(tensor)
    if known is not None:
        return [int(item) for item in known.reshape(-1)]
    length = tensor.shape[0] if tensor.shape.ndims == 1 else None
    if length is None:
        raise ValueError(f"the number of axes must be known while the graph is built: the shape of {tensor!r} is not")
    return [get_item(tensor, i) for i in range(length)]


# -- slice


def slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The part of `size` values along each axis that starts at `begin`; a size of -1: up to the end.

    begin, size: one number an axis, or tensors.  ShapeError, or InvalidArgumentError at run time, for a part that is
    not inside.
    """
    starts, first = number_or_tensor(begin)
    sizes, second = number_or_tensor(size)
    if not first and not second:
        result: Tensor = add_op("Slice", input_, name=name, begin=starts, size=sizes)
        return result
    result = add_op("Slice", input_, begin, size, name=name, begin=None, size=None)
    wanted = known_shape(convert_to_tensor(size))
    result.set_shape(wanted)
    return result


def _slice_spec(
    x: TensorSpec,
    starts: TensorSpec | None = None,
    sizes: TensorSpec | None = None,
    *,
    begin: tuple[int, ...] | None,
    size: tuple[int, ...] | None,
) -> TensorSpec:
    if begin is None or size is None:
        return spec_of(None if x.shape.ndims is None else [None] * x.shape.ndims, x.dtype)
    if len(begin) != len(size):
        raise ShapeError(f"begin and size have one number an axis each, got {list(begin)} and {list(size)}")
    shape = x.shape.with_rank(len(begin))
    for total, start, count in zip(shape, begin, size, strict=True):
        if start < 0 or count < -1 or (total is not None and start + max(count, 0) > total):
            raise ShapeError(f"the slice at {list(begin)} of size {list(size)} is not inside of shape {x.shape}")
    dims = [
        (None if total is None else total - start) if count == -1 else count
        for total, start, count in zip(shape, begin, size, strict=True)
    ]
    return spec_of(dims, x.dtype)


def _slice_kernel(x: Any, starts: Any = None, sizes: Any = None, *, begin: Any, size: Any) -> Any:
    if begin is None:
        begin, size = ints(starts), ints(sizes)
    if len(begin) != x.ndim or len(size) != x.ndim:
        raise InvalidArgumentError(
            None, None, f"Expected begin and size to be of length {x.ndim}, got {list(begin)} and {list(size)}"
        )
    key = []
    for place, (total, start, count) in enumerate(zip(x.shape, begin, size, strict=True)):
        end = total if count == -1 else start + count
        if not 0 <= start <= end <= total:
            raise InvalidArgumentError(
                None, None, f"Expected begin[{place}] in [0, {total}] and size up to the end, got {start} and {count}"
            )
        key.append(builtins.slice(start, end))
    return x[(*key, ...)]


def _slice_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    return kernel(arrays[0], begin=(0, *attrs["begin"]), size=(-1, *attrs["size"]))


def _slice_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, *numbers = op.inputs
    return (add_op("SliceGrad", dy, x, *numbers, begin=op.attrs["begin"]), *(None for _ in numbers))


def _slice_grad_kernel(y: Any, x: Any, starts: Any = None, sizes: Any = None, *, begin: Any) -> Any:
    result = zeros(y, tuple(x.shape))
    first = ints(starts) if begin is None else begin
    key = tuple(builtins.slice(start, start + count) for start, count in zip(first, y.shape, strict=True))
    result[(*key, ...)] = y
    return result


def _slice_grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    begin = op.attrs["begin"]
    start = op.inputs[2] if begin is None else begin
    return slice(dx, start, shape(op.inputs[0])), *(None for _ in op.inputs[1:])


define("Slice", spec=_slice_spec, kernel=_slice_kernel, gradient=_slice_gradient, batch=_slice_batch)
define(
    "SliceGrad",
    spec=lambda y, x, *numbers, begin: TensorSpec(x.shape, y.dtype),
    kernel=_slice_grad_kernel,
    gradient=_slice_grad_gradient,
)

# -- gather


def gather(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """The slices of `params` along an axis (0 if none is named) at `indices`, integers of any shape.

    params: [..., n, ...], indices: [i, ...] -> [..., i, ..., ...].  InvalidArgumentError at run time for an index that
    is not in [0, n).  The gradient is dense: each slice's gradient added at its index.  `batch_dims` is not offered.
    """
    if batch_dims:
        raise NotImplementedError("gather with batch_dims is not offered")
    values = params if hasattr(params, "_as_tensor") else convert_to_tensor(params)
    place = 0 if axis is None else static_axis(axis)
    result: Tensor = add_op("GatherV2", values, indices, name=name, axis=place)
    return result


def _gather_spec(params: TensorSpec, indices: TensorSpec, axis: int) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if params.shape.ndims is None or indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, params.dtype)
    if params.shape.ndims == 0:
        raise ShapeError("params must be at least a vector, got a scalar")
    place = normal_axis(axis, params.shape.ndims)
    dims = params.shape.as_list()
    return spec_of([*dims[:place], *indices.shape, *dims[place + 1 :]], params.dtype)


def _gather_kernel(params: Any, indices: Any, axis: int) -> Any:
    place = axis % params.ndim
    check_indices(indices, params.shape[place])
    return take(params, indices, place)


def _gather_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    params, indices = arrays
    if not batched[0] and attrs["axis"] in (0, -params.ndim):
        return kernel(params, indices, axis=0)
    if not batched[1]:
        return kernel(params, indices, axis=behind(attrs["axis"]))
    return each(kernel, arrays, batched, attrs)


def _gather_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return add_op("GatherGrad", dy, *op.inputs, axis=op.attrs["axis"]), None


def _gather_grad_kernel(y: Any, params: Any, indices: Any, axis: int) -> Any:
    xp = namespace(y, params)
    place = axis % params.ndim
    before, after = params.shape[:place], params.shape[place + 1 :]
    rows = xp.reshape(y, (*before, indices.size, *after))
    first = xp.moveaxis(rows, place, 0)
    total = scatter_add(params.shape[place], xp.reshape(indices, (-1,)), first)
    return xp.moveaxis(total, 0, place)


define("GatherV2", spec=_gather_spec, kernel=_gather_kernel, gradient=_gather_gradient, batch=_gather_batch)
define(
    "GatherGrad",
    spec=lambda y, params, indices, axis: TensorSpec(params.shape, y.dtype),
    kernel=_gather_grad_kernel,
    gradient=lambda op, dx: (gather(dx, op.inputs[2], axis=op.attrs["axis"]), None, None),
)

# -- one_hot


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """A new axis of `depth` values (the last one, or `axis`): on_value at the index, off_value elsewhere.

    indices: integers of any shape; one outside of [0, depth) gives off_value everywhere.  on_value and off_value:
    numbers, 1 and 0 if not given.  dtype: as given, else that of the values, else float32.
    """
    depth_value = known_value(convert_to_tensor(depth))
    if depth_value is None:
        raise ValueError("depth must be known while the graph is built")
    values = [1 if on_value is None else on_value, 0 if off_value is None else off_value]
    known = [known_value(convert_to_tensor(item)) if is_symbolic(item) else item for item in values]
    if any(item is None for item in known):
        raise ValueError("on_value and off_value must be known while the graph is built")
    target = as_dtype(dtype) if dtype is not None else _dtype_of_values(on_value, off_value)
    on, off = (np.asarray(item).astype(target.as_numpy_dtype).item() for item in known)
    result: Tensor = add_op(
        "OneHot",
        indices,
        name=name or "one_hot",
        depth=int(depth_value),
        on_value=on,
        off_value=off,
        axis=-1 if axis is None else int(axis),
        dtype=target,
    )
    return result


def _dtype_of_values(*values: Any) -> DType:
    given = [value for value in values if value is not None]
    return convert_to_tensor(given[0]).dtype if given else as_dtype("float32")


def _one_hot_spec(
    indices: TensorSpec, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType
) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if depth < 0:
        raise ShapeError(f"depth must be non-negative, got: {depth}")
    if indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, dtype)
    place = normal_axis(axis, indices.shape.ndims + 1)
    dims = indices.shape.as_list()
    return spec_of([*dims[:place], depth, *dims[place:]], dtype)


def _one_hot_kernel(indices: Any, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType) -> Any:
    xp = namespace(indices)
    place = axis % (indices.ndim + 1)
    classes = xp.reshape(
        xp.arange(depth, dtype=indices.dtype, device=device(indices)),
        (*(1,) * place, depth, *(1,) * (indices.ndim - place)),
    )
    hit = xp.expand_dims(indices, axis=place) == classes
    kind = dtype_in(xp, dtype)
    if (on_value, off_value) == (1, 0):
        return xp.astype(hit, kind)
    on, off = (xp.asarray(value, dtype=kind, device=device(indices)) for value in (on_value, off_value))
    return xp.where(hit, on, off)


define(
    "OneHot",
    spec=_one_hot_spec,
    kernel=_one_hot_kernel,
    gradient=no_gradient("an index is an integer"),
    batch=along_axis,
)

# -- boolean_mask


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The slices of a tensor where the mask is true, along the axes of the mask, which become one.

    tensor: [n, ..., *rest], mask: bool [n, ...], of known rank -> [count, *rest].  `axis` may only be 0.
    """
    x, chosen = convert_to_tensor(tensor), convert_to_tensor(mask)
    only(chosen.spec, chosen.dtype.is_bool, "a bool mask")
    if axis not in (None, 0):
        raise NotImplementedError("boolean_mask along another axis than 0 is not offered")
    if chosen.shape.ndims is None:
        raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.")
    if chosen.shape.ndims == 0:
        raise ValueError("mask cannot be scalar.")
    if x.shape.ndims is not None:
        TensorShape(x.shape.known[: chosen.shape.ndims]).merge_with(chosen.shape)
    with x.graph.as_default(), x.graph.name_scope(name):
        flat = _one_axis_less(x, chosen.shape.ndims)
        places = reshape(where(reshape(chosen, [-1])), [-1])
        return gather(flat, places)


def _one_axis_less(x: Tensor, axes: int) -> Tensor:
    """The tensor with its first `axes` axes made one."""
    if axes == 1:
        return x
    rest = x.shape[axes:]
    if rest.is_fully_defined():
        return reshape(x, [-1, *rest.known])
    from dflow.ops.joining import concat

    return reshape(x, concat([[-1], get_item(shape(x), builtins.slice(axes, None))], 0))

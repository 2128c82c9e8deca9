"""`tensor[...]`: integers, slices with steps, new axes.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.fill import ones_like
from dflow.ops.rules.arrays import ints, namespace, zeros
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.static import is_symbolic, known_value, only, spec_of
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["newaxis", "strided_slice"]


@dataclass(frozen=True, slots=True)
class FromInput:
    """A number of a key that is known only at run time: the value of an input of the operation."""

    place: int


_SLICE_TYPE_ERROR = (
    "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors are "
    "valid indices"
)

newaxis = None  # in an index: a new axis

Key = tuple[Any, ...]  # of integers, slices, None, Ellipsis; a number may be FromInput


@dataclass(frozen=True, slots=True)
class Masks:
    """The kinds of the items of a key: bit i of each mask is for item i.

    Used in place of a key whose number of items is known only at run time; its numbers are inputs, three vectors.
    """

    begin: int
    end: int
    ellipsis: int
    new_axis: int
    shrink_axis: int

    def key(self, starts: Sequence[Any], stops: Sequence[Any], steps: Sequence[Any]) -> Key:
        """The key; ValueError if the numbers are not for the same items."""
        if not len(starts) == len(stops) == len(steps):
            raise ValueError(f"begin, end and strides are of lengths {len(starts)}, {len(stops)} and {len(steps)}")
        key = tuple(self._item(1 << i, *item) for i, item in enumerate(zip(starts, stops, steps, strict=True)))
        if key.count(Ellipsis) > 1:
            raise ValueError("Multiple ellipses not allowed")
        return key

    def _item(self, bit: int, start: Any, stop: Any, step: Any) -> Any:
        if self.ellipsis & bit:
            return Ellipsis
        if self.new_axis & bit:
            return None
        if self.shrink_axis & bit:
            return start
        return slice(None if self.begin & bit else start, None if self.end & bit else stop, step)

    def key_of(self, vectors: Sequence[Any]) -> Key:
        """The key of three inputs; InvalidArgumentError if they make none."""
        if any(vector.ndim != 1 for vector in vectors):
            shapes = [list(vector.shape) for vector in vectors]
            raise InvalidArgumentError(None, None, f"begin, end and strides are vectors, their shapes are {shapes}")
        try:
            return self.key(*map(ints, vectors))
        except ValueError as error:
            raise InvalidArgumentError(None, None, str(error)) from None


def get_item(tensor: Any, key: Any, name: str | None = None) -> Tensor:
    """`tensor[key]`: integers, slices with steps, `...` and None (a new axis); numbers may be scalar integer tensors.

    A list is a tuple: `tensor[[0, 1]]` is `tensor[0, 1]`.

    ShapeError, or InvalidArgumentError at run time, for an index that is out of range; TypeError for anything else.
    """
    inputs: list[Tensor] = []
    items = tuple(_item(item, inputs) for item in (key if isinstance(key, (tuple, list)) else (key,)))
    if items.count(Ellipsis) > 1:
        raise ValueError("Multiple ellipses not allowed")
    result: Tensor = add_op("StridedSlice", tensor, *inputs, name=name or "strided_slice", key=items)
    if inputs:
        numbers = [known_value(item) for item in result.op.inputs[1:]]
        static_key = tuple(_with_values(item, numbers) for item in items)
        result.set_shape(strided_slice_spec(result.op.inputs[0].spec, key=static_key).shape)
    return result


def _item(item: Any, inputs: list[Tensor]) -> Any:
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        parts = (None if part is None else _number(part, inputs) for part in (item.start, item.stop, item.step))
        return slice(*parts)
    return _number(item, inputs)


def _number(value: Any, inputs: list[Tensor]) -> Any:
    if is_symbolic(value):
        tensor = convert_to_tensor(value)
        if not tensor.dtype.is_integer or tensor.shape.ndims not in (0, None):
            raise TypeError(f"{_SLICE_TYPE_ERROR}, got {tensor!r}; gather() takes several")
        inputs.append(tensor)
        return FromInput(len(inputs) - 1)
    if isinstance(value, bool) or not hasattr(value, "__index__") or np.ndim(value):
        raise TypeError(f"{_SLICE_TYPE_ERROR}, got {value!r}")
    return int(value.__index__())


def _full_key(key: Key, rank: int) -> list[Any]:
    """The key with its ellipsis, or its end, filled up with `:` so that it names each axis once."""
    named = sum(item is not None and item is not Ellipsis for item in key)
    if named > rank:
        raise ShapeError(f"Index out of range using input dim {rank}; input has only {rank} dims")
    rest = [slice(None)] * (rank - named)
    if Ellipsis in key:
        place = key.index(Ellipsis)
        return [*key[:place], *rest, *key[place + 1 :]]
    return [*key, *rest]


def strided_slice_spec(x: TensorSpec, *numbers: TensorSpec, key: Key | Masks) -> TensorSpec:
    if isinstance(key, Masks):
        for vector in numbers:
            only(vector, vector.dtype.is_integer, "integers as begin, end and strides")
            vector.shape.with_rank(1)
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    for place, item in enumerate(key):
        if isinstance(item, slice) and item.step == 0:
            raise ShapeError(f"strides[{place}] must be non-zero")
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    sizes = iter(x.shape)
    dims: list[int | None] = []
    for place, item in enumerate(_full_key(key, x.shape.ndims)):
        if item is None:
            dims.append(1)
            continue
        size = next(sizes)
        if isinstance(item, slice):
            dims.append(_slice_size(item, size))
        elif isinstance(item, int) and size is not None and not -size <= item < size:
            index = item if item >= 0 else item + size
            raise ShapeError(f"slice index {index} of dimension {place} out of bounds.")
    return spec_of(dims, x.dtype)


def _slice_size(item: Any, size: int | None) -> int | None:
    if item == slice(None):
        return size
    if size is None or any(isinstance(part, FromInput) for part in (item.start, item.stop, item.step)):
        return None
    return len(range(*item.indices(size)))


def concrete_key(key: Key | Masks, numbers: Sequence[Any], sizes: Sequence[int]) -> tuple[Any, ...]:
    """The key with its inputs' values and with bounds inside of the sizes, one item an axis, new axes between."""
    if isinstance(key, Masks):
        key = key.key_of(numbers)
    try:
        full = _full_key(tuple(_with_values(item, numbers) for item in key), len(sizes))
    except ShapeError as error:
        raise InvalidArgumentError(None, None, str(error)) from None
    remaining = enumerate(sizes)
    return tuple(None if item is None else _bounded(item, *next(remaining)) for item in full)


def _with_values(item: Any, numbers: Sequence[Any]) -> Any:
    """An item of a key, with those values of its inputs that are known."""
    if isinstance(item, FromInput):
        number = numbers[item.place]
        return item if number is None else int(number)
    if isinstance(item, slice):
        return slice(*(_with_values(part, numbers) for part in (item.start, item.stop, item.step)))
    return item


def _bounded(item: Any, place: int, size: int) -> Any:
    if isinstance(item, slice):
        if item.step == 0:
            raise InvalidArgumentError(None, None, f"strides[{place}] must be non-zero")
        start, stop, step = item.indices(size)
        if not range(start, stop, step):
            return slice(0, 0, 1)
        return slice(start, None if stop < 0 else stop, step)
    if not -size <= item < size:
        raise InvalidArgumentError(None, None, f"slice index {item} of dimension {place} out of bounds.")
    return item % size


def _strided_slice_kernel(x: Any, *numbers: Any, key: Key | Masks) -> Any:
    return x[(*concrete_key(key, numbers, x.shape), ...)]


def _strided_slice_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if any(batched[1:]):
        return each(kernel, arrays, batched, attrs)
    key = attrs["key"]
    if isinstance(key, Masks):
        arrays, key = arrays[:1], key.key_of(arrays[1:])
    return kernel(*arrays, key=(slice(None), *key))


def _strided_slice_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    shape, inputs = shape_input(op.inputs[0])
    return only_first(op, add_op("StridedSliceGrad", dy, *inputs, *op.inputs[1:], key=op.attrs["key"], shape=shape))


def _strided_slice_grad_kernel(y: Any, *arrays: Any, key: Key | Masks, shape: Sizes | None) -> Any:
    sizes, numbers = take_shape(shape, arrays)
    result = zeros(y, sizes)
    place = tuple(item for item in concrete_key(key, numbers, sizes) if item is not None)
    full = tuple(slice(item, item + 1) if isinstance(item, int) else item for item in place)
    part = tuple(len(range(*item.indices(size))) for item, size in zip(full, sizes, strict=True))
    result[(*full, ...)] = namespace(y).reshape(y, part)
    return result


def _strided_slice_grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    numbers = op.inputs[1 if op.attrs["shape"] is not None else 2 :]
    return only_first(op, add_op("StridedSlice", dx, *numbers, key=op.attrs["key"]))


define(
    "StridedSlice",
    spec=strided_slice_spec,
    kernel=_strided_slice_kernel,
    gradient=_strided_slice_gradient,
    batch=_strided_slice_batch,
)
define(
    "StridedSliceGrad",
    spec=like_spec,
    kernel=_strided_slice_grad_kernel,
    gradient=_strided_slice_grad_gradient,
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

    begin, end, strides: numbers or tensors of them.  begin_mask, end_mask: the item has no such bound; ellipsis_mask:
    it is `...`; new_axis_mask: it is a new axis; shrink_axis_mask: it is the integer begin[i].
    """
    masks = Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    starts, stops = _numbers_of(begin), _numbers_of(end)
    if strides is None:
        strides = ones_like(begin) if starts is None else [1] * len(starts)
    steps = _numbers_of(strides)
    if starts is not None and stops is not None and steps is not None:
        return get_item(input_, masks.key(starts, stops, steps), name or "StridedSlice")
    result: Tensor = add_op("StridedSlice", input_, begin, end, strides, name=name, key=masks)
    return result


def _numbers_of(value: Any) -> list[Any] | None:
    """A vector as Python integers, or as one scalar tensor each; None if its size is known only at run time."""
    if not is_symbolic(value):
        return [int(item) for item in np.asarray(value).reshape(-1)]
    tensor = convert_to_tensor(value)
    static = known_value(tensor)
    if static is not None:
        return [int(item) for item in static.reshape(-1)]
    length = tensor.spec.shape[0] if tensor.shape.ndims == 1 else None
    return None if length is None else [get_item(tensor, i) for i in range(length)]

"""Tensors concatenated along an axis, and split again.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, create_op
from dflow.ops.control import identity
from dflow.ops.rules.arrays import axis_of, ints, namespace, one_or_all
from dflow.ops.rules.batching import Attrs, Kernel, along_axis, each
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import only_first
from dflow.ops.rules.ranks import bracketed
from dflow.ops.rules.static import items_of, known_value, normal_axis, number_or_tensor, same_dtype, spec_of
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["concat", "split"]


# -- concat


def concat(values: Any, axis: Any, name: str | None = None) -> Tensor:
    """Tensors of one dtype concatenated along an axis, a number or a tensor; their other sizes agree."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise ValueError("List argument 'values' to 'ConcatV2' Op with length 0 shorter than minimum length 2.")
    tensors = items_of(values, kind="ConcatV2", beside=(axis,))
    place, inputs = late(axis)
    if len(tensors) == 1:
        return identity(tensors[0], name=name)
    result: Tensor = add_op("ConcatV2", *tensors, *inputs, name=name or "concat", axis=place)
    return result


def _concat_spec(*inputs: TensorSpec, axis: int) -> TensorSpec:
    rank = _concat_rank(*inputs)
    if rank is None:
        return TensorSpec(UNKNOWN_SHAPE, inputs[0].dtype)
    place = normal_axis(
        axis, rank, f"Shape must be at least rank {axis + 1 if axis >= 0 else -axis} but is rank {rank}"
    )
    before, after = TensorShape([None] * place), TensorShape([None] * (rank - place - 1))
    sizes = []
    for spec in inputs:
        shape = spec.shape.with_rank(rank)
        before, after = before.merge_with(shape[:place]), after.merge_with(shape[place + 1 :])
        sizes.append(shape[place])
    return spec_of([*before, None if None in sizes else sum(sizes), *after], inputs[0].dtype)


def _concat_rank(*inputs: TensorSpec) -> int | None:
    same_dtype(*inputs)
    rank = next((spec.shape.ndims for spec in inputs if spec.shape.ndims is not None), None)
    if rank == 0:
        raise ShapeError("Can't concatenate scalars (use tf.stack instead)")
    return rank


def _concat_unknown(*inputs: TensorSpec) -> TensorSpec:
    rank = _concat_rank(*inputs)
    return spec_of(UNKNOWN_SHAPE if rank is None else [None] * rank, inputs[0].dtype)


def _concat_kernel(*arrays: Any, axis: int) -> Any:
    axis_of(arrays[0], axis)
    try:
        return namespace(*arrays).concat(list(arrays), axis=axis)
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise InvalidArgumentError(
            None, None, f"ConcatOp : Dimensions of inputs should match, along axis {axis}: {shapes}"
        ) from None


def _concat_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    axis, sizes = op.attrs["axis"], [None]
    if axis is not None and all(x.shape.ndims is not None for x in op.inputs):
        sizes = [x.spec.shape[axis] for x in op.inputs]
    if None not in sizes:  # then the concatenated tensors need not be computed
        return list(create_op("SplitV", dy, axis=axis, sizes=tuple(sizes), num=len(sizes)).outputs)
    pieces = create_op("SplitLike", dy, *op.inputs, axis=axis).outputs
    return [*pieces, *[None] * (len(op.inputs) - len(pieces))]


define(
    "ConcatV2",
    **late_rules(
        "axis", spec=_concat_spec, unknown=_concat_unknown, kernel=_concat_kernel, batch=along_axis, vector=True
    ),
    gradient=_concat_gradient,
)


def _split_like_kernel(y: Any, *like: Any, axis: int) -> Any:
    return _pieces(y, [array.shape[axis] for array in like], axis)


def _split_like_spec(y: TensorSpec, *like: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    return [TensorSpec(spec.shape, y.dtype) for spec in like]


define(
    "SplitLike",
    **late_rules("axis", spec=_split_like_spec, unknown=_split_like_spec, kernel=_split_like_kernel, vector=True),
    gradient=lambda op, *pieces: only_first(op, _concat_along(op, pieces)),
)


def _concat_along(op: Operation, pieces: Sequence[Tensor]) -> Tensor:
    """Pieces put together along the axis of an operation, which may be its last input."""
    axis = op.attrs["axis"]
    return concat(list(pieces), op.inputs[-1] if axis is None else axis)


# -- split


def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """A tensor split along an axis, into a number of equal pieces, or into pieces of given sizes.

    num_or_size_splits: a number, sizes (one may be -1: the rest), or a vector of sizes, whose length is `num` if its
    static shape is unknown.  axis: a number or a tensor.  ShapeError, or InvalidArgumentError at run time, for sizes
    that do not add up; ValueError for a `num` that is not their number, and for a scalar tensor.
    """
    place, last = late(axis)
    sizes, inputs = number_or_tensor(num_or_size_splits)
    if isinstance(sizes, int):
        return list(create_op("Split", value, *last, name=name, axis=place, num=sizes).outputs)
    pieces = _number_of_pieces(sizes, inputs, num)
    op = create_op("SplitV", value, *inputs, *last, name=name, axis=place, sizes=sizes, num=pieces)
    static_sizes = known_value(inputs[0]) if inputs else None
    if static_sizes is not None and place is not None:
        specs = _split_v_spec(op.inputs[0].spec, axis=place, sizes=ints(static_sizes), num=pieces)
        for piece, spec in zip(op.outputs, specs, strict=True):
            piece.set_shape(spec.shape)
    return list(op.outputs)


def _number_of_pieces(sizes: tuple[int, ...] | None, inputs: Sequence[Tensor], num: int | None) -> int:
    if inputs and inputs[0].shape.ndims == 0:
        raise ValueError("a scalar tensor is not supported as the number of pieces; give a number, or a vector")
    length: int | None = inputs[0].spec.shape.with_rank(1)[0] if inputs else len(sizes or ())
    if length is None and num is None:
        raise ValueError(f"Cannot infer num from shape of the sizes, {inputs[0]!r}")
    if num is not None and length not in (None, num):
        raise ValueError(f"num is {num}, but there are {length} sizes")
    return int(num if length is None else length)  # type: ignore[arg-type]


def _split_unknown(x: TensorSpec, *sizes: TensorSpec, num: int, **attrs: Any) -> list[TensorSpec]:
    return [spec_of(UNKNOWN_SHAPE if x.shape.ndims is None else [None] * x.shape.ndims, x.dtype)] * num


def _split_spec(x: TensorSpec, axis: int, num: int) -> list[TensorSpec]:
    if num < 1:
        raise ShapeError(
            f"Attr 'num_split' of 'Split' Op passed {num} less than minimum 1. Number of ways to split should be > 0, "
            f"but got {num}"
        )
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    place = normal_axis(axis, x.shape.ndims, _wrong_axis(axis, x.shape.ndims))
    size = x.shape[place]
    if size is not None and size % num:
        raise ShapeError(f"Dimension size must be evenly divisible by {num} but is {size}")
    dims = x.shape.as_list()
    dims[place] = None if size is None else size // num
    return [spec_of(dims, x.dtype)] * num


def _wrong_axis(axis: int, rank: int) -> str:
    return f"Dimension size, given by scalar input {axis} must be in range [-{rank}, {rank})"


def _split_kernel(x: Any, axis: int, num: int) -> Any:
    size = x.shape[axis_of(x, axis)]
    if size % num:
        raise InvalidArgumentError(
            None,
            None,
            f"Number of ways to split should evenly divide the split dimension, but got split_dim {axis} (size = "
            f"{size}) and num_split {num}",
        )
    return _pieces(x, [size // num] * num, axis)


def _pieces(x: Any, sizes: Sequence[int], axis: int) -> Any:
    before = (slice(None),) * (axis % x.ndim)
    ends = list(itertools.accumulate(sizes))
    return one_or_all([x[(*before, slice(end - size, end), ...)] for end, size in zip(ends, sizes, strict=True)])


def _split_v_spec(
    x: TensorSpec, split_sizes: TensorSpec | None = None, *, axis: int, sizes: tuple[int, ...] | None, num: int
) -> list[TensorSpec]:
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    place = normal_axis(axis, x.shape.ndims, _wrong_axis(axis, x.shape.ndims))
    total = x.shape[place]
    lengths: list[int | None] = [None] * num if sizes is None else [None if size < 0 else size for size in sizes]
    if sizes is not None and total is not None:
        lengths = list(_checked_sizes(sizes, total, ShapeError))
    before, after = x.shape.as_list()[:place], x.shape.as_list()[place + 1 :]
    return [spec_of([*before, length, *after], x.dtype) for length in lengths]


def _checked_sizes(sizes: Sequence[int], total: int, error: Any) -> tuple[int, ...]:
    """The sizes with their one -1 filled in."""
    rest = total - sum(size for size in sizes if size != -1)
    filled = tuple(rest if size == -1 else size for size in sizes)
    if sizes.count(-1) > 1 or min(filled, default=0) < 0 or sum(filled) != total:
        fact = f"can't split axis of size {total} into pieces of size {bracketed(sizes)}"
        if sizes.count(-1) > 1:
            fact = "size_splits can only have one -1"
        raise error(fact) if error is ShapeError else error(None, None, fact)
    return filled


def _split_v_kernel(
    x: Any, split_sizes: Any = None, *, axis: int, sizes: tuple[int, ...] | None, num: int
) -> tuple[Any, ...]:
    piece_sizes = ints(split_sizes) if sizes is None else sizes
    if len(piece_sizes) != num or (split_sizes is not None and split_sizes.ndim != 1):
        raise InvalidArgumentError(None, None, f"{num} sizes were expected, got {list(piece_sizes)}")
    total = x.shape[axis_of(x, axis)]
    pieces: tuple[Any, ...] = _pieces(x, _checked_sizes(piece_sizes, total, InvalidArgumentError), axis)
    return pieces


def _split_gradient(op: Operation, *pieces: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, _concat_along(op, pieces))


def _split_v_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    rule = along_axis if len(arrays) == 1 else each
    return rule(kernel, arrays, batched, attrs)


define(
    "Split",
    **late_rules("axis", spec=_split_spec, unknown=_split_unknown, kernel=_split_kernel, batch=along_axis),
    gradient=_split_gradient,
)
define(
    "SplitV",
    **late_rules(
        "axis", spec=_split_v_spec, unknown=_split_unknown, kernel=_split_v_kernel, batch=_split_v_batch, vector=True
    ),
    gradient=_split_gradient,
)

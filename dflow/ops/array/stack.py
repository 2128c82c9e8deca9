"""Tensors stacked on a new axis, and unstacked along an axis.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, create_op
from dflow.ops.rules.arrays import axis_of, namespace, one_or_all
from dflow.ops.rules.batching import along_axis
from dflow.ops.rules.static import is_symbolic, items_of, normal_axis, same_dtype, spec_of
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["parallel_stack", "stack", "unstack"]


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape and dtype as one, with a new axis of their number at `axis`, counted in the result."""
    items = list(values) if isinstance(values, (list, tuple)) else unstack(values)
    if not items:
        raise ValueError("stack needs at least one tensor")
    if int(axis) == 0 and not is_symbolic(items) and not any(isinstance(item, np.ndarray) for item in items):
        return convert_to_tensor(items, name=name)  # Python numbers have one dtype together: [1, 2.0] is floating
    tensors = items_of(items, kind="Pack")
    if tensors[0].shape.ndims is not None:
        _check_axis(int(axis), tensors[0].shape.ndims + 1)
    result: Tensor = add_op("Pack", *tensors, name=name, axis=int(axis))
    return result


def _check_axis(axis: int, rank: int) -> None:
    if not -rank <= axis < rank:
        raise ValueError(f"axis = {axis} not in [{-rank}, {rank})")


def parallel_stack(values: Sequence[Any], name: str = "parallel_stack") -> Tensor:
    """As `stack` along axis 0."""
    return stack(values, name=name)


def _pack_spec(*inputs: TensorSpec, axis: int) -> TensorSpec:
    same_dtype(*inputs)
    merged = inputs[0].shape
    for spec in inputs[1:]:
        merged = merged.merge_with(spec.shape)
    if merged.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, inputs[0].dtype)
    place = normal_axis(axis, merged.ndims + 1)
    dims = merged.as_list()
    return spec_of([*dims[:place], len(inputs), *dims[place:]], inputs[0].dtype)


def _pack_kernel(*arrays: Any, axis: int) -> Any:
    try:
        return namespace(*arrays).stack(list(arrays), axis=axis)
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise InvalidArgumentError(None, None, f"Shapes of all inputs must match: {shapes}") from None


define(
    "Pack",
    spec=_pack_spec,
    kernel=_pack_kernel,
    gradient=lambda op, dy: unstack(dy, len(op.inputs), op.attrs["axis"]),
    batch=along_axis,
)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices of a tensor along an axis, which they do not have.

    num: their number; ValueError if it is None and unknown from the static shape.
    """
    x = convert_to_tensor(value)
    if num is None:
        if x.shape.ndims is None:
            raise ValueError(f"Cannot infer num from shape {x.shape}")
        _check_axis(axis, x.shape.ndims)
        num = x.shape.known[axis]
        if num is None:
            raise ValueError(f"Cannot infer num from shape {x.shape}")
    return list(create_op("Unpack", x, name=name, num=int(num), axis=int(axis)).outputs)


def _unpack_spec(x: TensorSpec, num: int, axis: int) -> list[TensorSpec]:
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    rank = x.shape.ndims
    place = normal_axis(axis, rank, f"Invalid axis: {axis}; must be in [{-rank},{rank})")
    if x.shape[place] not in (None, num):
        raise ShapeError(f"Dimension must be {num} but is {x.shape[place]}: axis {axis} of shape {x.shape}")
    return [spec_of([size for i, size in enumerate(x.shape) if i != place], x.dtype)] * num


def _unpack_kernel(x: Any, num: int, axis: int) -> Any:
    place = axis_of(x, axis)
    if x.shape[place] != num:
        raise InvalidArgumentError(None, None, f"axis {axis} of shape {list(x.shape)} does not have size {num}")
    before = (slice(None),) * place
    return one_or_all([x[(*before, i, ...)] for i in range(num)])


define(
    "Unpack",
    spec=_unpack_spec,
    kernel=_unpack_kernel,
    gradient=lambda op, *dys: stack(list(dys), op.attrs["axis"]),
    batch=along_axis,
)

"""Slices of a tensor sorted into several tensors by their numbers, and put together again.

Tensors of every dtype pass through, `string` too.
Source: data_flow_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from array_api_compat import device

from dflow.dtypes import int32
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, create_op, scopes
from dflow.ops.array.gather import gather
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import reshape, shape, size
from dflow.ops.rules.arrays import check_indices, namespace, one_or_all, zeros
from dflow.ops.rules.ranks import bracketed, prefix, require
from dflow.ops.rules.scatter import scatter
from dflow.ops.rules.static import graph_of, known_value, only, same_dtype
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["dynamic_partition", "dynamic_stitch", "parallel_dynamic_stitch"]


def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Tensor]:
    """The slices of `data` in as many tensors as there are partitions, each in their order.

    data: [*partitions, ...]; partitions: int32, each in [0, num_partitions) -> tensors of shape [count, ...].
    InvalidArgumentError at run time for a number out of range.
    """
    count = int(num_partitions)
    with scopes.building_in(graph_of((data, partitions))):
        numbers = convert_to_tensor(partitions, None if hasattr(partitions, "graph") else int32)
        return list(create_op("DynamicPartition", data, numbers, name=name, num=count).outputs)


def _partition_spec(data: TensorSpec, partitions: TensorSpec, num: int) -> list[TensorSpec]:
    only(partitions, partitions.dtype == int32, "partitions of int32")
    if num < 1:
        raise ShapeError(f"num_partitions must be at least 1, got {num}")
    rest = prefix(data.shape, partitions.shape)
    return [TensorSpec(TensorShape([None]).concatenate(rest), data.dtype)] * num


def _partition_kernel(data: Any, partitions: Any, num: int) -> Any:
    rank = partitions.ndim
    require(
        tuple(data.shape[:rank]) == tuple(partitions.shape),
        f"data.shape must start with partitions.shape, got data.shape = {bracketed(data.shape)}, "
        f"partitions.shape = {bracketed(partitions.shape)}",
    )
    check_indices(partitions, num, "partitions")
    xp = namespace(partitions)
    flat = xp.reshape(partitions, (-1,))
    if num < 1 << 15:
        flat = xp.astype(flat, xp.int16)  # NumPy sorts these faster
    order = xp.argsort(flat, stable=True)
    bounds = xp.arange(num + 1, dtype=flat.dtype, device=device(flat))
    ends = xp.searchsorted(xp.take(flat, order), bounds)
    slices = namespace(data).reshape(data, (flat.shape[0], *data.shape[rank:]))
    rows = namespace(data).take(slices, order, axis=0)
    return one_or_all([rows[int(ends[i]) : int(ends[i + 1]), ...] for i in range(num)])


def _partition_gradient(op: Operation, *dys: Tensor) -> tuple[Tensor | None, ...]:
    data, partitions = op.inputs
    places = reshape(range_(size(partitions)), shape(partitions))
    parts = dynamic_partition(places, partitions, op.attrs["num"])
    return reshape(parallel_dynamic_stitch(parts, list(dys)), shape(data)), None


define("DynamicPartition", spec=_partition_spec, kernel=_partition_kernel, gradient=_partition_gradient)


# -- stitch


def dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], name: str | None = None) -> Tensor:
    """One tensor of the slices of several: slice data[m][i, ...] at indices[m][i].

    indices: int32 tensors; data[m]: [*indices[m], ...] -> [largest index + 1, ...].  Of slices with one index, the last
    one stays; an index that is missing has zeros.
    """
    return _stitched("DynamicStitch", indices, data, name)


def parallel_dynamic_stitch(indices: Sequence[Any], data: Sequence[Any], name: str | None = None) -> Tensor:
    """As `dynamic_stitch`, for indices of which none comes twice."""
    return _stitched("ParallelDynamicStitch", indices, data, name)


def _stitched(kind: str, indices: Sequence[Any], data: Sequence[Any], name: str | None) -> Tensor:
    if not isinstance(indices, (list, tuple)) or not isinstance(data, (list, tuple)):
        raise TypeError(f"Expected lists for 'indices' and 'data' of {kind!r} Op, not {indices!r} and {data!r}")
    if len(indices) != len(data):
        raise ValueError(f"List argument 'data' to {kind!r} Op with length {len(data)} must match {len(indices)}.")
    if not indices:
        raise ValueError(f"List argument 'indices' to {kind!r} Op with length 0 shorter than minimum length 1.")
    result: Tensor = add_op(kind, *indices, *data, name=name)
    known = [known_value(item) for item in result.op.inputs[: len(indices)]]
    if result.shape.ndims is not None and all(item is not None for item in known):
        largest = max((int(item.max()) for item in known if item is not None and item.size), default=-1)
        result.set_shape([largest + 1, *result.shape.known[1:]])
    return result


def _stitch_spec(*inputs: TensorSpec) -> TensorSpec:
    half = len(inputs) // 2
    indices, data = inputs[:half], inputs[half:]
    same_dtype(*data)
    rest = TensorShape(None)
    for places, values in zip(indices, data, strict=True):
        only(places, places.dtype == int32, "indices of int32")
        rest = rest.merge_with(prefix(values.shape, places.shape))
    return TensorSpec(TensorShape([None]).concatenate(rest), data[0].dtype)


def _stitch_kernel(*arrays: Any) -> Any:
    half = len(arrays) // 2
    indices, data = arrays[:half], arrays[half:]
    rest = tuple(data[0].shape[indices[0].ndim :])
    xp = namespace(*indices)
    flat, slices = [], []
    for i, (places, values) in enumerate(zip(indices, data, strict=True)):
        require(
            tuple(values.shape) == (*places.shape, *rest),
            f"data[{i}].shape = {bracketed(values.shape)} does not start with indices[{i}].shape = "
            f"{bracketed(places.shape)}, or has other slices than data[0]: {bracketed(rest)}",
        )
        flat.append(xp.reshape(places, (-1,)))
        slices.append(namespace(values).reshape(values, (math.prod(places.shape), *rest)))
    every = flat[0] if half == 1 else xp.concat(flat)
    rows = int(xp.max(every)) + 1 if every.shape[0] else 0
    for i, places in enumerate(indices):
        check_indices(places, rows, f"indices[{i}]")
    result = zeros(data[0], (rows, *rest))
    return scatter(result, every, slices[0] if half == 1 else namespace(*data).concat(slices), "update")


def _stitch_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    half = len(op.inputs) // 2
    return (*(None for _ in range(half)), *(gather(dy, places) for places in op.inputs[:half]))


define("DynamicStitch", spec=_stitch_spec, kernel=_stitch_kernel, gradient=_stitch_gradient)
define("ParallelDynamicStitch", spec=_stitch_spec, kernel=_stitch_kernel, gradient=_stitch_gradient)

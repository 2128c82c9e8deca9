"""Rows of a table by their numbers.

A table may be cut into parts: with "mod", row i is row i // n of part i % n; with "div", the parts are pieces of nearly
equal length, one after the other.
Source: tf.nn.embedding_lookup of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from dflow.dtypes import int32
from dflow.graph import Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.gather import gather
from dflow.ops.array.partition import dynamic_partition, parallel_dynamic_stitch
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank, reshape, shape, size
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import add_n, maximum, subtract
from dflow.ops.math.compare import less, where
from dflow.ops.math.division import floordiv, floormod
from dflow.ops.nn.clip import clip_by_norm
from dflow.ops.rules.blocks import named
from dflow.shapes import TensorShape

__all__ = ["embedding_lookup"]


def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """The rows of a table: ids [...] -> [..., *row].

    params: the table, a partitioned variable, or the list of its parts; ids: int32 or int64; partition_strategy: "mod"
    or "div".  max_norm: rows of a larger norm are scaled down to it.  validate_indices: accepted for TensorFlow 1
    programs: numbers are always checked.
    ValueError for no part and for another strategy; InvalidArgumentError at run time for a number out of range.
    """
    parts = parts_of(params)
    with named(name, "embedding_lookup", (*parts, ids)) as scope:
        ids = convert_to_tensor(ids, name="ids")
        if len(parts) == 1:
            with _beside(parts[0]):
                rows = _clipped(gather(parts[0], ids, name=scope), ids, max_norm)
                return identity(rows)
        flat = reshape(ids, [-1])
        part, place = _assigned(parts, flat, partition_strategy)
        part = cast(part, int32)
        places = dynamic_partition(place, part, len(parts))
        origins = dynamic_partition(range_(size(flat)), part, len(parts))
        found = []
        for table, chosen in zip(parts, places, strict=True):
            with _beside(table):
                found.append(gather(table, chosen))
        rows = parallel_dynamic_stitch(origins, found, name=scope)
        return _clipped(_shaped(rows, ids, parts), ids, max_norm)


def parts_of(params: Any) -> list[Any]:
    """The parts of a table.  ValueError if there is none."""
    if params is None or (isinstance(params, (list, tuple)) and not params):
        raise ValueError("Need at least one param")
    if isinstance(params, (list, tuple)) or hasattr(params, "_variable_list"):
        return list(params)
    return [params]


def _beside(table: Any) -> AbstractContextManager[None]:
    op = getattr(table, "op", None)
    return get_default_graph().colocate_with(op, ignore_existing=op is None)


def _assigned(parts: Sequence[Any], ids: Tensor, strategy: str) -> tuple[Tensor, Tensor]:
    """The part, and the row in it, of each number."""
    count = convert_to_tensor(len(parts), ids.dtype)
    if strategy == "mod":
        return floormod(ids, count), floordiv(ids, count)
    if strategy != "div":
        raise ValueError(f"Unrecognized partition strategy: {strategy}")
    total = _total_rows(parts, ids)
    length, extras = floordiv(total, count), floormod(total, count)
    # The first `extras` parts have one row more.
    part = maximum(floordiv(ids, length + 1), floordiv(subtract(ids, extras), length))
    in_longer = less(part, extras)
    return part, where(in_longer, floormod(ids, length + 1), floormod(subtract(ids, extras), length))


def _total_rows(parts: Sequence[Any], ids: Tensor) -> Tensor:
    sizes = [
        spec.shape[0] if spec.shape.ndims is not None else None
        for spec in (convert_to_tensor(part).spec for part in parts)
    ]
    known = [int(size) for size in sizes if size is not None]
    if len(known) == len(parts):
        return convert_to_tensor(sum(known), ids.dtype)
    return cast(add_n([get_item(shape(part), 0) for part in parts]), ids.dtype)


def _shaped(rows: Tensor, ids: Tensor, parts: Sequence[Any]) -> Tensor:
    """Rows in the order of the flat numbers, in the shape of the numbers."""
    row = convert_to_tensor(parts[0]).shape[1:]
    for part in parts[1:]:
        row = row.merge_with(convert_to_tensor(part).shape[1:])
    tail: Any = row.as_list() if row.is_fully_defined() else get_item(shape(parts[0]), slice(1, None))
    result = reshape(rows, concat([shape(ids), convert_to_tensor(tail, int32)], 0))
    result.set_shape(ids.shape.concatenate(row) if ids.shape.ndims is not None else TensorShape(None))
    return result


def _clipped(rows: Tensor, ids: Tensor, max_norm: Any) -> Tensor:
    if max_norm is None:
        return rows
    known = ids.shape.ndims is not None and rows.shape.ndims is not None
    axes: Any = list(range(len(ids.shape), len(rows.shape))) if known else range_(rank(ids), rank(rows))
    clipped: Tensor = clip_by_norm(rows, max_norm, axes=axes)
    return clipped

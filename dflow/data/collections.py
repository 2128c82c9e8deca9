"""The partitions of Dask collections, and the columns or arrays of a partition that become components of elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd

from dflow.data.rows import ArrayRows, Component, FrameRows, ItemRows, Pick, Rows
from dflow.errors import ShapeError
from dflow.shapes import as_shape
from dflow.specs import QueueSpec


@dataclass(frozen=True, slots=True)
class Source:
    """The partitions of a collection."""

    rows: Rows
    parts: list[tuple[Any, ...]]  # the arguments for `rows` of each partition, as `dask.delayed` objects


def take_apart(collection: Any, spec: QueueSpec, components: Sequence[Component], columns: Any) -> Source:
    """The partitions of a collection for a queue.

    TypeError for another object; DTypeError, ShapeError or ValueError for a collection that cannot be the queue's
    elements, as far as it knows its dtypes and shapes.
    """
    if isinstance(collection, dd.Series):
        collection = collection.to_frame(collection.name if collection.name is not None else "0")
    if isinstance(collection, dd.DataFrame):
        frame_rows = FrameRows(_frame_picks(columns, spec, list(collection.columns)))
        frame_rows.check(collection.dtypes, components)
        return Source(frame_rows, [(part,) for part in _only(collection, frame_rows.picks).to_delayed()])
    if isinstance(collection, db.Bag):
        picks = None if columns is None and spec.names is None else _picks(columns, spec)
        return Source(ItemRows(picks), [(part,) for part in collection.to_delayed()])
    arrays = _arrays(collection, spec)
    if columns is not None:
        raise ValueError("columns are names in a DataFrame, or keys of a Bag's items; a list of arrays needs none")
    return Source(ArrayRows(), _blocks(arrays, components))


# -- columns


def _frame_picks(columns: Any, spec: QueueSpec, names: list[Any]) -> tuple[Pick, ...]:
    if columns is None and spec.names is None:
        columns = names
        if len(names) != len(spec.dtypes):
            raise ValueError(
                f"the DataFrame has {len(names)} columns, but an element has {len(spec.dtypes)} components; say which "
                'columns make which component: columns=[["x", "y"], "label"]'
            )
    picks = _picks(columns, spec)
    unknown = [name for pick in picks for name in (pick if isinstance(pick, tuple) else (pick,)) if name not in names]
    if unknown:
        raise ValueError(f"the DataFrame has no columns {unknown}; it has {names}")
    return picks


def _picks(columns: Any, spec: QueueSpec) -> tuple[Pick, ...]:
    """One column, or a tuple of columns, per component."""
    if columns is None:
        columns = spec.names
    if isinstance(columns, Mapping):
        if spec.names is None or set(columns) != set(spec.names):
            raise ValueError(
                f"columns is a dict of {list(columns)}, but the queue's components are called {spec.names}"
            )
        columns = [columns[name] for name in spec.names]
    picks = list(columns) if isinstance(columns, (list, tuple)) else [columns]
    if len(picks) != len(spec.dtypes):
        raise ValueError(f"columns has {len(picks)} entries, but an element has {len(spec.dtypes)} components")
    return tuple(tuple(pick) if isinstance(pick, list) else pick for pick in picks)


def _only(frame: Any, picks: tuple[Pick, ...]) -> Any:
    """The picked columns of a DataFrame: a reader of Parquet files reads no others."""
    names = [name for pick in picks for name in (pick if isinstance(pick, tuple) else (pick,))]
    return frame[list(dict.fromkeys(names))]


# -- arrays


def _arrays(collection: Any, spec: QueueSpec) -> list[Any]:
    """One array per component."""
    if isinstance(collection, Mapping):
        if spec.names is None or set(collection) != set(spec.names):
            raise ValueError(f"a dict of {list(collection)}, but the queue's components are called {spec.names}")
        collection = [collection[name] for name in spec.names]
    arrays = list(collection) if isinstance(collection, (list, tuple)) else [collection]
    if not all(isinstance(array, da.Array) for array in arrays):
        kind = type(next(array for array in arrays if not isinstance(array, da.Array))).__name__
        raise TypeError(
            f"expected a Dask DataFrame, Series, Bag or Array, or a list of Arrays, got {kind}; "
            "dask.dataframe.from_pandas, dask.array.from_array and dask.bag.from_sequence make them"
        )
    if len(arrays) != len(spec.dtypes):
        raise ValueError(f"there are {len(arrays)} arrays, but an element has {len(spec.dtypes)} components")
    return arrays


def _blocks(arrays: list[Any], components: Sequence[Component]) -> list[tuple[Any, ...]]:
    """The blocks of rows, one of each array."""
    for i, (array, component) in enumerate(zip(arrays, components, strict=True)):
        if array.ndim == 0:
            raise ShapeError(f"array {i} is a scalar; its first axis would be the rows")
        component.check_dtype(array.dtype, f"array {i}")
        sizes = [None if size != size else int(size) for size in array.shape[1:]]  # unknown sizes are nan
        component.check_shape(as_shape(sizes), f"array {i}")
    chunks = [str(array.chunks[0]) for array in arrays]
    for i, other in enumerate(chunks):
        if other != chunks[0]:
            raise ValueError(
                f"the rows of array 0 are in chunks {chunks[0]}, those of array {i} in {other}; rechunk it"
            )
    whole = [array.rechunk(dict.fromkeys(range(1, array.ndim), -1)) for array in arrays]
    columns = [array.to_delayed(optimize_graph=False).reshape(-1) for array in dask.optimize(*whole)]
    return list(zip(*columns, strict=True))

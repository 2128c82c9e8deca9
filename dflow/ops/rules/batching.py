"""Batch rules, by which an op computes n steps at once, for the loop-batching pass.

A rule is `rule(kernel, arrays, batched, attrs)`: `arrays[i]` has a leading axis of n where `batched[i]`, at least one
does, and every output gets one.  `each` is right for any kernel without state; the others are faster.
Steps whose outputs differ in shape have no array with a leading axis: they are `Rows`, which only `each` takes.

Why attributes are those of a single step: the rule knows the meaning of an axis, the pass does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.ops.rules.arrays import is_text, namespace

Kernel = Callable[..., Any]
Attrs = dict[str, Any]


class Rows:
    """The arrays of n steps, of one dtype, whose shapes differ."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.dtype = values[0].dtype

    def __len__(self) -> int:
        return len(self.values)

    def alike(self, start: int) -> int:
        """The end of the run of steps that have the shape of step `start`."""
        shape = self.values[start].shape
        return next((i for i in range(start, len(self)) if self.values[i].shape != shape), len(self))

    def stacked(self, start: int, stop: int) -> Any:
        """Steps `start` to `stop`, which are of one shape, with a leading axis."""
        return _stacked(self.values[start:stop])


def each(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """One step after the other, stacked; `Rows` of outputs that differ in shape."""
    columns = [_single_steps(array) if is_batched else None for array, is_batched in zip(arrays, batched, strict=True)]
    results = [
        kernel(
            *(array if column is None else column[i] for array, column in zip(arrays, columns, strict=True)), **attrs
        )
        for i in range(steps(arrays, batched))
    ]
    if isinstance(results[0], (tuple, list)):
        return tuple(stack_steps(outputs) for outputs in zip(*results, strict=True))
    return stack_steps(results)


def _single_steps(array: Any) -> Sequence[Any]:
    if isinstance(array, Rows):
        return array.values
    if is_text(array):  # it may have to make its objects first
        array = np.asarray(array)
    return [array[i, ...] for i in range(array.shape[0])]


def stack_steps(values: Sequence[Any]) -> Any:
    """The results of n steps, with a leading axis; `Rows` if the shapes differ."""
    shape = values[0].shape
    return _stacked(values) if all(value.shape == shape for value in values) else Rows(values)


def _stacked(values: Sequence[Any]) -> Any:
    return namespace(*values).stack(list(values))


def steps(arrays: Sequence[Any], batched: Sequence[bool]) -> int:
    """The number of steps: the size of the leading axis."""
    first = next(array for array, is_batched in zip(arrays, batched, strict=True) if is_batched)
    return len(first) if isinstance(first, Rows) else int(first.shape[0])


def step_shapes(arrays: Sequence[Any], batched: Sequence[bool]) -> list[tuple[int, ...]]:
    """The shape of each array in a single step."""
    return [tuple(array.shape)[is_batched:] for array, is_batched in zip(arrays, batched, strict=True)]


def aligned(arrays: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """The arrays with their ranks made equal behind the leading axis, so that they broadcast as single steps do."""
    ranks = [array.ndim - is_batched for array, is_batched in zip(arrays, batched, strict=True)]
    rank = max(ranks)
    return [
        namespace(array).reshape(array, (array.shape[0], *(1,) * (rank - own), *array.shape[1:]))
        if is_batched and own < rank
        else array
        for array, is_batched, own in zip(arrays, batched, ranks, strict=True)
    ]


def elementwise(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """For kernels that broadcast: one call with a leading axis."""
    return kernel(*aligned(arrays, batched), **attrs)


def spread(arrays: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """The arrays, each with the leading axis: those without it are repeated (as views)."""
    n = steps(arrays, batched)
    return [
        array if is_batched else namespace(array).broadcast_to(array, (n, *array.shape))
        for array, is_batched in zip(arrays, batched, strict=True)
    ]


def behind(axis: int) -> int:
    """An axis of a single step as one of the batch: a negative one stays, it counts from the end."""
    return axis + 1 if axis >= 0 else axis


def along_axis(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """For kernels that take their inputs, of equal rank, along the static axis `axis`."""
    return kernel(*spread(arrays, batched), **{**attrs, "axis": behind(attrs["axis"])})


def along_axes(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """For kernels of one input and a static `axis`: a number, several, or None for all."""
    axis = attrs.get("axis")
    if len(arrays) != 1:
        return each(kernel, arrays, batched, attrs)
    if axis is None:
        axis = tuple(range(1, arrays[0].ndim))
    elif isinstance(axis, int):
        axis = behind(axis)
    else:
        axis = tuple(behind(item) for item in axis)
    return kernel(arrays[0], **{**attrs, "axis": axis})

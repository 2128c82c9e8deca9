"""Batch rules: how an op computes n steps at once, as the loop-batching pass asks for.

A rule is `rule(kernel, arrays, batched, attrs)`: `arrays[i]` has a leading axis of n where `batched[i]`, at least one
does, and every output gets one.  `each` is right for any kernel without state; the others are faster.

Why attributes are given in single-step terms: the rule knows what an axis means, the pass does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow.ops.arrays import namespace

Kernel = Callable[..., Any]
Attrs = dict[str, Any]


def each(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """One step after the other, stacked.  ValueError if the steps' outputs differ in shape."""
    n = steps(arrays, batched)
    results = [
        kernel(
            *(array[i, ...] if is_batched else array for array, is_batched in zip(arrays, batched, strict=True)),
            **attrs,
        )
        for i in range(n)
    ]
    if isinstance(results[0], (tuple, list)):
        return tuple(_stack(list(outputs)) for outputs in zip(*results, strict=True))
    return _stack(results)


def _stack(values: list[Any]) -> Any:
    return namespace(*values).stack(values)


def steps(arrays: Sequence[Any], batched: Sequence[bool]) -> int:
    """The number of steps: the size of the leading axis."""
    return int(next(array.shape[0] for array, is_batched in zip(arrays, batched, strict=True) if is_batched))


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

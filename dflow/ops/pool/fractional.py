"""Pooling by windows of random sizes, whose mean size is a fraction.

Source: nn_ops.fractional_max_pool of TensorFlow 1.15; Graham, "Fractional Max-Pooling".
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import int64
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.random import get_seed
from dflow.ops.rules.static import only, spec_of
from dflow.ops.sampling.stream import Seeds, generator_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["fractional_avg_pool", "fractional_max_pool"]

FractionalMaxPool = namedtuple("FractionalMaxPool", ["output", "row_pooling_sequence", "col_pooling_sequence"])
FractionalAvgPool = namedtuple("FractionalAvgPool", ["output", "row_pooling_sequence", "col_pooling_sequence"])
Array = np.ndarray[Any, Any]


def fractional_max_pool(
    value: Any,
    pooling_ratio: Sequence[float],
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> Any:
    """The largest value of each window of images, whose heights and widths are random.

    value: real numbers, [n, height, width, c]; pooling_ratio: four numbers of at least 1, the mean sizes of windows
    -> output [n, floor(height / ratio), floor(width / ratio), c], and int64 row_pooling_sequence and
    col_pooling_sequence, where windows begin and end.  pseudo_random: sizes differ by 1 at most, in a regular order.
    overlapping: a window has the first values of the next one, too.  deterministic: each run draws the same windows.
    Source: tf.nn.fractional_max_pool.
    """
    how = pseudo_random, overlapping, deterministic
    return FractionalMaxPool(*_pooled("FractionalMaxPool", value, pooling_ratio, how, (seed, seed2), name))


def fractional_avg_pool(
    value: Any,
    pooling_ratio: Sequence[float],
    pseudo_random: bool = False,
    overlapping: bool = False,
    deterministic: bool = False,
    seed: int = 0,
    seed2: int = 0,
    name: str | None = None,
) -> Any:
    """The mean of each window of images, whose heights and widths are random.  Arguments: as `fractional_max_pool`.

    Source: tf.nn.fractional_avg_pool.
    """
    how = pseudo_random, overlapping, deterministic
    return FractionalAvgPool(*_pooled("FractionalAvgPool", value, pooling_ratio, how, (seed, seed2), name))


def _pooled(
    kind: str,
    value: Any,
    ratio: Sequence[float],
    how: tuple[bool, bool, bool],
    seeds: Seeds,
    name: str | None,
) -> Any:
    pseudo_random, overlapping, deterministic = how
    x = convert_to_tensor(value)
    with scopes.building_in(x.graph):
        drawn = seeds if any(seeds) else get_seed(1 if deterministic else None)
    return add_op(
        kind,
        x,
        name=name,
        pooling_ratio=tuple(float(number) for number in ratio),
        pseudo_random=bool(pseudo_random),
        overlapping=bool(overlapping),
        deterministic=bool(deterministic),
        seeds=drawn,
    )


def _spec(x: TensorSpec, pooling_ratio: Sequence[float], **attrs: Any) -> list[TensorSpec]:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    sizes = x.shape.with_rank(4).known
    if len(pooling_ratio) != 4 or min(pooling_ratio) < 1:
        raise ShapeError(f"pooling_ratio has four numbers of at least 1, got {list(pooling_ratio)}")
    if pooling_ratio[0] != 1 or pooling_ratio[3] != 1:
        raise ShapeError("Fractional pooling is not yet supported on the batch nor channel dimension.")
    outs = [None if n is None else math.floor(n / r) for n, r in zip(sizes, pooling_ratio, strict=True)]
    ends = [None if n is None else n + 1 for n in outs[1:3]]
    return [spec_of(outs, x.dtype), spec_of([ends[0]], int64), spec_of([ends[1]], int64)]


# -- where windows begin and end


def _sequence(generator: np.random.Generator, size: int, ratio: float, pseudo_random: bool) -> Array:
    """The first value of each window along an axis, and the end of the last one."""
    count = math.floor(size / ratio)
    if count < 1:
        raise InvalidArgumentError(None, None, f"pooling ratio {ratio} is larger than the axis of size {size}")
    least = size // count
    if size % count == 0:
        return np.arange(count + 1, dtype=np.int64) * least
    if not pseudo_random:
        lengths = np.full(count, least)
        lengths[: size % count] += 1
        return np.concatenate([[0], np.cumsum(generator.permutation(lengths))]).astype(np.int64)
    alpha = size / count
    most = min((least + 2) / alpha - 1, (size + 1 - least) / alpha - (count - 1))
    inner = np.ceil(alpha * (np.arange(1, count) + generator.uniform(0, most)))
    return np.concatenate([[0], inner - 1, [size]]).astype(np.int64)


def _generator(context: KernelContext, seeds: Seeds, deterministic: bool) -> np.random.Generator:
    return (
        np.random.Generator(np.random.Philox(np.random.SeedSequence(seeds)))
        if deterministic
        else generator_of(context, seeds)
    )


def _windows(
    rows: Any, columns: Any, sizes: Sequence[int], overlapping: bool
) -> Iterator[tuple[int, int, slice, slice]]:
    """Each window: its row and column, and the rows and columns of the image that it has."""
    ends = [
        [min(int(end) + overlapping, size) for end in sequence[1:]]
        for sequence, size in zip((rows, columns), sizes, strict=True)
    ]
    for i, (top, bottom) in enumerate(zip(rows[:-1], ends[0], strict=True)):
        for j, (left, right) in enumerate(zip(columns[:-1], ends[1], strict=True)):
            yield i, j, slice(int(top), bottom), slice(int(left), right)


def _kernel_of(largest: bool) -> Any:
    def kernel(
        context: KernelContext,
        x: Any,
        pooling_ratio: Sequence[float],
        pseudo_random: bool,
        overlapping: bool,
        deterministic: bool,
        seeds: Seeds,
    ) -> tuple[Any, Any, Any]:
        if x.ndim != 4:
            raise InvalidArgumentError(None, None, f"tensor_in must be 4-dimensional, got a shape of {list(x.shape)}")
        generator = _generator(context, seeds, deterministic)
        rows, columns = (_sequence(generator, x.shape[i], pooling_ratio[i], pseudo_random) for i in (1, 2))
        y = np.zeros((x.shape[0], len(rows) - 1, len(columns) - 1, x.shape[3]), x.dtype)
        for i, j, down, across in _windows(rows, columns, x.shape[1:3], overlapping):
            part = x[:, down, across]
            y[:, i, j] = part.max(axis=(1, 2)) if largest else part.mean(axis=(1, 2))
        return y, rows, columns

    return kernel


# -- gradients


def _max_grad_kernel(x: Any, y: Any, dy: Any, rows: Any, columns: Any, overlapping: bool) -> Any:
    dx = np.zeros_like(x)
    for i, j, down, across in _windows(rows, columns, x.shape[1:3], overlapping):
        part = x[:, down, across]
        flat = part.reshape(part.shape[0], -1, part.shape[3])
        first = flat.argmax(axis=1)
        n, c = np.indices(first.shape)
        row, column = np.divmod(first, part.shape[2])
        np.add.at(dx, (n, down.start + row, across.start + column, c), dy[:, i, j])
    return dx


def _avg_grad_kernel(x: Any, dy: Any, rows: Any, columns: Any, overlapping: bool) -> Any:
    dx = np.zeros_like(x)
    for i, j, down, across in _windows(rows, columns, x.shape[1:3], overlapping):
        count = (down.stop - down.start) * (across.stop - across.start)
        dx[:, down, across] += (dy[:, i, j] / count)[:, None, None]
    return dx


def _max_gradient(op: Operation, dy: Tensor, *_: Any) -> Tensor:
    overlapping = op.attrs["overlapping"]
    result: Tensor = add_op(
        "FractionalMaxPoolGrad", op.inputs[0], op.outputs[0], dy, *op.outputs[1:], overlapping=overlapping
    )
    return result


def _avg_gradient(op: Operation, dy: Tensor, *_: Any) -> Tensor:
    result: Tensor = add_op(
        "FractionalAvgPoolGrad", op.inputs[0], dy, *op.outputs[1:], overlapping=op.attrs["overlapping"]
    )
    return result


_NONE = no_gradient("TensorFlow has no second gradient of it either")

define("FractionalMaxPool", spec=_spec, kernel=_kernel_of(True), gradient=_max_gradient, stateful=True, host_only=True)
define("FractionalAvgPool", spec=_spec, kernel=_kernel_of(False), gradient=_avg_gradient, stateful=True, host_only=True)
define(
    "FractionalMaxPoolGrad",
    spec=lambda x, *others, overlapping: x,
    kernel=_max_grad_kernel,
    gradient=_NONE,
    host_only=True,
)
define(
    "FractionalAvgPoolGrad",
    spec=lambda x, *others, overlapping: x,
    kernel=_avg_grad_kernel,
    gradient=_NONE,
    host_only=True,
)

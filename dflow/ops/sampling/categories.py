"""Classes drawn by their probabilities: multinomial, categorical.

Source: random_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int64
from dflow.graph import Tensor, add_op, scopes
from dflow.ops.random import get_seed
from dflow.ops.rules.arrays import ints
from dflow.ops.rules.ranks import bracketed, exactly, require
from dflow.ops.rules.static import graph_of, known_value, only
from dflow.ops.sampling.philox import Philox, doubles
from dflow.ops.sampling.stream import Seeds, generator_of, stream_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["categorical", "draw_categories", "multinomial", "multinomial_spec"]

Array = np.ndarray[Any, Any]


def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """Classes drawn for each row of logits, the logarithms of their probabilities.

    logits: [batch, classes], real numbers, which need not be normalized; num_samples: a number or a scalar tensor;
    output_dtype: int32 or int64, which None is -> [batch, num_samples].
    InvalidArgumentError at run time for other shapes, and for a negative number of samples.
    """
    graph = graph_of((logits, num_samples))
    with scopes.building_in(graph), graph.name_scope(name or "multinomial"):
        return _drawn(logits, num_samples, seed, output_dtype)


def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """A newer name of `multinomial`."""
    graph = graph_of((logits, num_samples))
    with scopes.building_in(graph), graph.name_scope(name or "categorical"):
        return _drawn(logits, num_samples, seed, dtype)


def _drawn(logits: Any, num_samples: Any, seed: int | None, dtype: Any) -> Tensor:
    target = int64 if dtype is None else as_dtype(dtype)
    result: Tensor = add_op("Multinomial", logits, num_samples, seeds=get_seed(seed), output_dtype=target)
    count = known_value(result.op.inputs[1])
    if count is not None and count.size == 1 and int(count) >= 0:
        result.set_shape([None, int(count)])
    return result


def multinomial_spec(logits: TensorSpec, samples: TensorSpec, output_dtype: DType) -> TensorSpec:
    """The shape rule, without seeds."""
    only(logits, logits.dtype.is_numeric and not logits.dtype.is_complex, "real numbers as logits")
    only(samples, samples.dtype.name in ("int32", "int64"), "an integer as the number of samples")
    only(TensorSpec(samples.shape, output_dtype), output_dtype.name in ("int32", "int64"), "int32 and int64 as classes")
    exactly(samples, 0)
    return TensorSpec(TensorShape([exactly(logits, 2)[0], None]), output_dtype)


def _checked(logits: Array, samples: Array) -> int:
    """The number of samples."""
    require(logits.ndim == 2, f"logits should be a matrix, got shape {bracketed(logits.shape)}")
    require(samples.ndim == 0, f"num_samples should be a scalar, got shape {bracketed(samples.shape)}")
    count = ints(samples)[0]
    require(count >= 0, f"num_samples should be nonnegative, got {count}")
    require(logits.shape[1] > 0, f"num_classes should be positive, got {logits.shape[1]}")
    return count


def draw_categories(start: Philox, logits: Array, samples: Array, output_dtype: DType) -> Array:
    """The classes of TensorFlow's sequence from a place on."""
    count = _checked(logits, samples)
    total = logits.shape[0] * count
    values = doubles(start.calls(-(-total // 2))).reshape(-1)[:total].reshape(logits.shape[0], count)
    return _classes(logits, values).astype(output_dtype.numpy_dtype)


def _classes(logits: Array, values: Array) -> Array:
    """The class of each value in [0, 1), by the sums of the probabilities up to each class.

    A class whose logit is not finite is never drawn.
    """
    numbers = logits.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        numbers[~finite] = -np.inf
    largest = numbers.max(axis=1, keepdims=True)
    largest[np.isinf(largest)] = 0
    sums = np.cumsum(np.exp(numbers - largest), axis=1)
    points = values * sums[:, -1:]
    if values.shape[1] <= values.shape[0]:
        columns = [np.sum(sums <= points[:, i : i + 1], axis=1) for i in range(values.shape[1])]
        return np.stack(columns, axis=1) if columns else np.zeros(values.shape, np.int64)
    return np.stack([np.searchsorted(row, point, side="right") for row, point in zip(sums, points, strict=True)])


def _kernel(context: KernelContext, logits: Any, samples: Any, seeds: Seeds, output_dtype: DType) -> Any:
    host, number = np.asarray(logits), np.asarray(samples)
    count = _checked(host, number)
    rows = host.shape[0]
    if seeds == (0, 0):
        found = _classes(host, generator_of(context, seeds).random((rows, count)))
        return context.asarray(found.astype(output_dtype.numpy_dtype))
    start = stream_of(context, seeds).take(rows * (-(-count // 4) * 4) * 2)
    return context.asarray(draw_categories(start, host, number, output_dtype))


def _spec(logits: TensorSpec, samples: TensorSpec, seeds: Seeds, output_dtype: DType) -> TensorSpec:
    return multinomial_spec(logits, samples, output_dtype)


define(
    "Multinomial",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a random class does not change with its logits"),
    stateful=True,
    host_only=True,
)

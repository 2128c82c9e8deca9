"""Random values that depend on their seed alone: equal seeds give equal values, in every run.

The values are those that TensorFlow gives on a CPU.
Source: stateless_random_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int32, int64
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.rules.arrays import ints, sizes_of
from dflow.ops.rules.ranks import bracketed, exactly, require, size_is
from dflow.ops.rules.static import graph_of, is_symbolic, known_shape, known_value, only, same_dtype, spec_of
from dflow.ops.sampling.categories import draw_categories, multinomial_spec
from dflow.ops.sampling.philox import Philox, integers, normal, truncated_normal, uniform
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "stateless_categorical",
    "stateless_multinomial",
    "stateless_random_normal",
    "stateless_random_uniform",
    "stateless_truncated_normal",
]

Array = np.ndarray[Any, Any]


def stateless_random_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = "float32",
    name: str | None = None,
) -> Tensor:
    """Values equally likely everywhere in [minval, maxval).

    shape: sizes, as numbers or as a tensor; seed: two integers, int32 or int64; dtype: floating (maxval is 1 if it is
    not given), int32 or int64 (maxval must be given, both are scalars); ValueError for another one.
    """
    target = as_dtype(dtype)
    if not target.is_floating and target not in (int32, int64):
        raise ValueError(f"Invalid dtype {target!r}")
    if maxval is None:
        if target.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {target!r}")
        maxval = 1
    graph = graph_of((shape, seed, minval, maxval))
    with scopes.building_in(graph), graph.name_scope(name or "stateless_random_uniform") as scope:
        sizes = _sizes(shape)
        low = convert_to_tensor(minval, target, name="min")
        high = convert_to_tensor(maxval, target, name="max")
        if target.is_integer:
            return _shaped(add_op("StatelessRandomUniformInt", sizes, seed, low, high, name=scope), sizes)
        values = _shaped(add_op("StatelessRandomUniform", sizes, seed, dtype=target), sizes)
        return add(multiply(values, subtract(high, low)), low, name=scope)


def stateless_random_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    name: str | None = None,
) -> Tensor:
    """Normally distributed values.

    shape: sizes, as numbers or as a tensor; seed: two integers, int32 or int64; mean, stddev: numbers or tensors, which
    broadcast to the shape; dtype: floating.
    """
    return _scaled("StatelessRandomNormal", "stateless_random_normal", shape, seed, mean, stddev, dtype, name)


def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    name: str | None = None,
) -> Tensor:
    """As `stateless_random_normal`, with values beyond two standard deviations drawn again."""
    return _scaled("StatelessTruncatedNormal", "stateless_truncated_normal", shape, seed, mean, stddev, dtype, name)


def _scaled(
    kind: str, scope_name: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any, name: str | None
) -> Tensor:
    target = as_dtype(dtype)
    graph = graph_of((shape, seed, mean, stddev))
    with scopes.building_in(graph), graph.name_scope(name or scope_name) as scope:
        sizes = _sizes(shape)
        middle = convert_to_tensor(mean, target, name="mean")
        width = convert_to_tensor(stddev, target, name="stddev")
        values = _shaped(add_op(kind, sizes, seed, dtype=target), sizes)
        return add(multiply(values, width), middle, name=scope)


def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = int64, name: str | None = None
) -> Tensor:
    """Classes drawn for each row of logits, the logarithms of their probabilities.

    logits: [batch, classes], real numbers; num_samples: a number or a scalar tensor; seed: two integers
    -> [batch, num_samples], int32 or int64.
    """
    graph = graph_of((logits, num_samples, seed))
    with scopes.building_in(graph), graph.name_scope(name or "stateless_multinomial"):
        return _categories(logits, num_samples, seed, output_dtype)


def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = int64, name: str | None = None
) -> Tensor:
    """A newer name of `stateless_multinomial`."""
    graph = graph_of((logits, num_samples, seed))
    with scopes.building_in(graph), graph.name_scope(name or "stateless_categorical"):
        return _categories(logits, num_samples, seed, dtype)


def _categories(logits: Any, num_samples: Any, seed: Any, dtype: Any) -> Tensor:
    result: Tensor = add_op("StatelessMultinomial", logits, num_samples, seed, output_dtype=as_dtype(dtype))
    count = known_value(result.op.inputs[1])
    if count is not None and count.size == 1 and int(count) >= 0:
        result.set_shape([None, int(count)])
    return result


def _sizes(shape: Any) -> Tensor:
    if is_symbolic(shape):
        return convert_to_tensor(shape, name="shape")
    dims = TensorShape(shape).as_list()
    return convert_to_tensor(np.array(dims, np.int32), name="shape")


def _shaped(values: Tensor, sizes: Tensor) -> Tensor:
    values.set_shape(known_shape(sizes))
    return values


# -- rules


def _check_seed(seed: TensorSpec) -> None:
    only(seed, seed.dtype.name in ("int32", "int64"), "seeds of int32 or int64")
    size_is(exactly(seed, 1)[0], 2)


def _target(sizes: TensorSpec, dtype: DType) -> TensorSpec:
    only(sizes, sizes.dtype.name in ("int32", "int64"), "sizes of int32 or int64")
    rank = exactly(sizes, 1)[0]
    return spec_of(None if rank is None else [None] * rank, dtype)


def _floating_spec(sizes: TensorSpec, seed: TensorSpec, dtype: DType) -> TensorSpec:
    only(TensorSpec(TensorShape(None), dtype), dtype.is_floating, "floating dtypes")
    _check_seed(seed)
    return _target(sizes, dtype)


def _int_spec(sizes: TensorSpec, seed: TensorSpec, low: TensorSpec, high: TensorSpec) -> TensorSpec:
    same_dtype(low, high)
    only(low, low.dtype.name in ("int32", "int64"), "int32 and int64")
    for spec, what in ((low, "minval"), (high, "maxval")):
        if spec.shape.ndims not in (0, None):
            raise ShapeError(f"{what} must be a scalar; got a tensor of shape {spec.shape}")
    _check_seed(seed)
    return _target(sizes, low.dtype)


def _start(seed: Array) -> Philox:
    require(tuple(seed.shape) == (2,), f"seed must have shape [2], not {bracketed(seed.shape)}")
    first, second = ints(seed)
    return Philox.scrambled((first, second))


def _drawn(sizes: Array, draw: Callable[[int], Array]) -> Array:
    shape = sizes_of(sizes)
    require(min(shape, default=0) >= 0, f"Dimensions must be >= 0, got {bracketed(shape)}")
    return draw(prod(shape)).reshape(shape)


def _floating_kernel(draw: Callable[[Philox, int, DType], Array]) -> Callable[..., Array]:
    def kernel(sizes: Array, seed: Array, dtype: DType) -> Array:
        start = _start(seed)
        return _drawn(sizes, lambda count: draw(start, count, dtype))

    return kernel


def _int_kernel(sizes: Array, seed: Array, low: Array, high: Array) -> Array:
    start = _start(seed)
    for array, what in ((low, "minval"), (high, "maxval")):
        require(array.ndim == 0, f"{what} must be 0-D, got shape {bracketed(array.shape)}")
    first, last = int(low), int(high)
    shape = sizes_of(sizes)
    require(first < last or 0 in shape, f"Need minval < maxval, got {first} >= {last}")
    return _drawn(sizes, lambda count: integers(start, count, first, last, as_dtype(low.dtype)))


def _multinomial_spec(logits: TensorSpec, samples: TensorSpec, seed: TensorSpec, output_dtype: DType) -> TensorSpec:
    _check_seed(seed)
    return multinomial_spec(logits, samples, output_dtype)


def _multinomial_kernel(logits: Array, samples: Array, seed: Array, output_dtype: DType) -> Array:
    start = _start(seed)
    return draw_categories(start, logits, samples, output_dtype)


_FROM_A_SEED = no_gradient("a random value depends on its seed alone")

for _kind, _draw in (
    ("StatelessRandomUniform", uniform),
    ("StatelessRandomNormal", normal),
    ("StatelessTruncatedNormal", truncated_normal),
):
    define(_kind, spec=_floating_spec, kernel=_floating_kernel(_draw), gradient=_FROM_A_SEED, host_only=True)
define("StatelessRandomUniformInt", spec=_int_spec, kernel=_int_kernel, gradient=_FROM_A_SEED, host_only=True)
define(
    "StatelessMultinomial",
    spec=_multinomial_spec,
    kernel=_multinomial_kernel,
    gradient=_FROM_A_SEED,
    host_only=True,
)

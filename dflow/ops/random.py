"""Random values.

Each operation has a generator of its own in each session, so that its numbers do not depend on the other operations.
Its seed is made of the graph's and the operation's: with either, every new session draws the same sequence; with
neither, each session draws its own.
Source: random_ops and random_seed of TensorFlow 1.15.  With seeds, the numbers are TensorFlow's, but those of
`random_shuffle`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int32, int64
from dflow.graph import Tensor, add_op, convert_to_tensor, get_default_graph, scopes
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.rules.arrays import take
from dflow.ops.rules.ranks import exactly, require
from dflow.ops.rules.static import graph_of, known_shape, only, same_dtype, shape_argument, target_spec
from dflow.ops.sampling import philox
from dflow.ops.sampling.stream import Seeds, drawn, generator_of, target_of
from dflow.registry import KernelContext, define, no_gradient, not_differentiable
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec

__all__ = [
    "get_seed",
    "random_normal",
    "random_shuffle",
    "random_uniform",
    "seeds_of",
    "set_random_seed",
    "truncated_normal",
]

DEFAULT_GRAPH_SEED = 87654321
_MODULUS = 2**31 - 1

# -- seeds


def set_random_seed(seed: int | None) -> None:
    """The seed of the default graph, for random operations that are built from now on."""
    get_default_graph().seed = seed


def get_seed(op_seed: int | None) -> Seeds:
    """The two seeds of an operation that is built now; (0, 0) stands for one from entropy.

    With a graph seed alone, the second is the number of operations in the graph: the same program draws the same
    numbers.  With an operation's seed alone, the first is a fixed number.
    """
    graph = get_default_graph()
    if graph.seed is None and op_seed is None:
        return 0, 0
    first = DEFAULT_GRAPH_SEED if graph.seed is None else graph.seed
    second = graph.version if op_seed is None else op_seed
    seeds = int(first) % _MODULUS, int(second) % _MODULUS
    return seeds if seeds != (0, 0) else (0, _MODULUS)


def seeds_of(op_seed: int | None) -> tuple[int | None, int | None]:
    """As `get_seed`, with (None, None) for an operation whose numbers come from entropy.

    Source: tf.random.get_seed, tf.get_seed of TensorFlow 1.15.
    """
    seeds = get_seed(op_seed)
    return (None, None) if seeds == (0, 0) else seeds


# -- floating numbers


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed values.  shape: sizes as numbers or as a tensor; dtype: floating.

    mean, stddev: numbers or tensors, which broadcast to the shape.
    """
    return _scaled("RandomStandardNormal", shape, stddev, mean, dtype, seed, name or "random_normal")


def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed values, those more than two standard deviations from the mean drawn again.

    shape: sizes as numbers or as a tensor; dtype: floating.
    """
    return _scaled("TruncatedNormal", shape, stddev, mean, dtype, seed, name or "truncated_normal")


def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Values equally likely everywhere in [minval, maxval).  shape: sizes as numbers or as a tensor.

    dtype: floating (maxval is 1 if it is not given), int32 or int64 (maxval must be given, both are scalars);
    ValueError for another one.
    """
    target = as_dtype(dtype)
    if not target.is_floating and target not in (int32, int64):
        raise ValueError(f"Invalid dtype {target.name}: random_uniform gives floating numbers, int32 and int64")
    if not target.is_integer:
        scale = 1.0 if maxval is None else maxval
        if not _is_number(minval, 0):
            with scopes.building_in(graph_of([shape, minval, maxval])):
                scale = subtract(convert_to_tensor(scale, target), convert_to_tensor(minval, target))
        return _scaled("RandomUniform", shape, scale, minval, target, seed, name or "random_uniform")
    if maxval is None:
        raise ValueError(f"Must specify maxval for integer dtype {target.name}")
    sizes, inputs = shape_argument(shape)
    with scopes.building_in(graph_of([shape, minval, maxval])):
        bounds = [convert_to_tensor(value, target) for value in (minval, maxval)]
        result: Tensor = add_op(
            "RandomUniformInt", *bounds, *inputs, name=name or "random_uniform", shape=sizes, seeds=get_seed(seed)
        )
    if inputs:
        result.set_shape(known_shape(inputs[0]))
    return result


def _scaled(kind: str, shape: Any, scale: Any, offset: Any, dtype: Any, seed: int | None, name: str) -> Tensor:
    """Draws of the standard distribution, times `scale`, plus `offset`."""
    target = as_dtype(dtype)
    sizes, inputs = shape_argument(shape)
    steps: list[tuple[Callable[..., Tensor], Any]] = []
    if not _is_number(scale, 1):
        steps.append((multiply, scale))
    if not _is_number(offset, 0):
        steps.append((add, offset))
    graph = graph_of([shape, scale, offset])
    with scopes.building_in(graph), graph.name_scope(name) as scope:
        result: Tensor = add_op(
            kind, *inputs, name=kind if steps else scope, shape=sizes, dtype=target, seeds=get_seed(seed)
        )
        if inputs:
            result.set_shape(known_shape(inputs[0]))
        for function, value in steps:
            last = function is steps[-1][0]
            result = function(result, value, name=scope if last else None)
    return result


def _is_number(value: Any, number: int) -> bool:
    return isinstance(value, (int, float)) and value == number


def _floating_spec(sizes: TensorSpec | None = None, *, shape: Any, dtype: DType, seeds: Seeds) -> TensorSpec:
    result = target_spec(TensorSpec(SCALAR, dtype), shape, sizes)
    only(result, dtype.is_floating, "floating dtypes")
    return result


def _uniform(generator: np.random.Generator, shape: Any, dtype: DType) -> Any:
    if dtype.name in _MANTISSA:
        steps = 1 << _MANTISSA[dtype.name]
        return generator.integers(0, steps, shape) / steps
    return generator.random(shape, dtype=_native(dtype))


_MANTISSA = {"float16": 11, "bfloat16": 8}  # bits: a float32 just below 1 would be rounded to 1


def _native(dtype: DType) -> Any:
    return np.float64 if dtype.name == "float64" else np.float32


def _normal(generator: np.random.Generator, shape: Any, dtype: DType) -> Any:
    return generator.standard_normal(shape, dtype=_native(dtype))


def _truncated(generator: np.random.Generator, shape: Any, dtype: DType) -> Any:
    native = _native(dtype)
    values = np.asarray(generator.standard_normal(shape, dtype=native)).reshape(-1)
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size, dtype=native)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)


def _floating_kernel(exact: Callable[..., Any], fast: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of TensorFlow's numbers, and of NumPy's for an operation without seeds."""

    def kernel(context: KernelContext, sizes: Any = None, *, shape: Any, dtype: DType, seeds: Seeds) -> Any:
        target = target_of(sizes, shape)
        return drawn(
            context,
            target,
            seeds,
            lambda start, count: exact(start, count, dtype),
            lambda generator: np.asarray(fast(generator, target, dtype)).astype(dtype.numpy_dtype, copy=False),
        )

    return kernel


_DRAWN = no_gradient("a random value does not depend on anything")

for _kind, _exact, _fast in (
    ("RandomUniform", philox.uniform, _uniform),
    ("RandomStandardNormal", philox.normal, _normal),
    ("TruncatedNormal", philox.truncated_normal, _truncated),
):
    define(_kind, spec=_floating_spec, kernel=_floating_kernel(_exact, _fast), gradient=_DRAWN, stateful=True)

# -- integers


def _int_spec(
    minval: TensorSpec, maxval: TensorSpec, sizes: TensorSpec | None = None, *, shape: Any, seeds: Seeds
) -> TensorSpec:
    same_dtype(minval, maxval)
    only(minval, minval.dtype.name in ("int32", "int64"), "floating dtypes, int32 and int64")
    exactly(minval, 0)
    exactly(maxval, 0)
    return target_spec(minval, shape, sizes)


def _int_kernel(
    context: KernelContext, minval: Any, maxval: Any, sizes: Any = None, *, shape: Any, seeds: Seeds
) -> Any:
    require(minval.ndim == 0 and maxval.ndim == 0, "minval and maxval must be 0-D")
    low, high = int(minval), int(maxval)
    target = target_of(sizes, shape)
    require(low < high or 0 in target, f"Need minval < maxval, got {low} >= {high}")
    dtype = int32 if "32" in str(minval.dtype) else int64
    return drawn(
        context,
        target,
        seeds,
        lambda start, count: philox.integers(start, count, low, high, dtype),
        lambda generator: generator.integers(low, max(high, low + 1), target, dtype=dtype.numpy_dtype),
    )


define("RandomUniformInt", spec=_int_spec, kernel=_int_kernel, gradient=_DRAWN, stateful=True)

# -- order


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of a tensor (its slices along axis 0) in a random order; every order is equally likely."""
    graph = graph_of([value])
    with scopes.building_in(graph):
        result: Tensor = add_op("RandomShuffle", value, name=name, seeds=get_seed(seed))
    return result


def _shuffle_kernel(context: KernelContext, value: Any, seeds: Seeds) -> Any:
    if not value.ndim:
        return value
    order = generator_of(context, seeds).permutation(value.shape[0])
    return take(value, context.asarray(order), 0)


define(
    "RandomShuffle",
    spec=lambda value, seeds: value,
    kernel=_shuffle_kernel,
    gradient=not_differentiable,
    stateful=True,
)

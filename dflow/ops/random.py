"""Random values.

Each operation has a generator of its own in each session (NumPy's Philox), so that its numbers do not depend on the
other operations.  Its seed is made of the graph's and the operation's: with either, every new session draws the same
sequence; with neither, each session draws its own.
Source: random_ops and random_seed of TensorFlow 1.15, with other numbers: the generator is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int32, int64
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, get_default_graph, scopes
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.rules.arrays import sizes_of, take
from dflow.ops.rules.static import graph_of, known_shape, only, same_dtype, shape_argument, target_spec
from dflow.registry import KernelContext, define, no_gradient, not_differentiable
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec

__all__ = [
    "get_seed",
    "random_normal",
    "random_shuffle",
    "random_uniform",
    "set_random_seed",
    "truncated_normal",
]

Seeds = tuple[int, int]
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


def generator_of(context: KernelContext, seeds: Seeds) -> np.random.Generator:
    """The operation's generator in this session; made at its first draw."""

    def make() -> np.random.Generator:
        entropy = None if seeds == (0, 0) else seeds
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))

    generator: np.random.Generator = context.per_session(make)
    return generator


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


def _draw(context: KernelContext, sizes: Any, shape: Any, dtype: DType, seeds: Seeds, draw: Callable[..., Any]) -> Any:
    target = sizes_of(sizes) if shape is None else shape
    if min(target, default=0) < 0:
        raise InvalidArgumentError(None, None, f"Dimensions must be >= 0, got {list(target)}")
    native = np.float64 if dtype.name == "float64" else np.float32
    values = draw(generator_of(context, seeds), target, native)
    return context.asarray(np.asarray(values).astype(dtype.numpy_dtype, copy=False))


def _uniform(generator: np.random.Generator, shape: Any, native: Any) -> Any:
    return generator.random(shape, dtype=native)


def _normal(generator: np.random.Generator, shape: Any, native: Any) -> Any:
    return generator.standard_normal(shape, dtype=native)


def _truncated(generator: np.random.Generator, shape: Any, native: Any) -> Any:
    values = np.asarray(generator.standard_normal(shape, dtype=native)).reshape(-1)
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size, dtype=native)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)


_MANTISSA = {"float16": 11, "bfloat16": 8}  # bits: a float32 just below 1 would be rounded to 1


def _uniform_kernel(context: KernelContext, sizes: Any = None, *, shape: Any, dtype: DType, seeds: Seeds) -> Any:
    def draw(generator: np.random.Generator, size: Any, native: Any) -> Any:
        if dtype.name in _MANTISSA:
            steps = 1 << _MANTISSA[dtype.name]
            return generator.integers(0, steps, size) / steps
        return _uniform(generator, size, native)

    return _draw(context, sizes, shape, dtype, seeds, draw)


def _normal_kernel(context: KernelContext, sizes: Any = None, *, shape: Any, dtype: DType, seeds: Seeds) -> Any:
    return _draw(context, sizes, shape, dtype, seeds, _normal)


def _truncated_kernel(context: KernelContext, sizes: Any = None, *, shape: Any, dtype: DType, seeds: Seeds) -> Any:
    return _draw(context, sizes, shape, dtype, seeds, _truncated)


_DRAWN = no_gradient("a random value does not depend on anything")

define("RandomUniform", spec=_floating_spec, kernel=_uniform_kernel, gradient=_DRAWN, stateful=True)
define("RandomStandardNormal", spec=_floating_spec, kernel=_normal_kernel, gradient=_DRAWN, stateful=True)
define("TruncatedNormal", spec=_floating_spec, kernel=_truncated_kernel, gradient=_DRAWN, stateful=True)

# -- integers


def _int_spec(
    minval: TensorSpec, maxval: TensorSpec, sizes: TensorSpec | None = None, *, shape: Any, seeds: Seeds
) -> TensorSpec:
    same_dtype(minval, maxval)
    only(minval, minval.dtype.name in ("int32", "int64"), "floating dtypes, int32 and int64")
    for spec in (minval, maxval):
        if spec.shape.ndims not in (0, None):
            raise ShapeError(f"minval and maxval are scalars for integers, got a shape of {spec.shape}")
    return target_spec(minval, shape, sizes)


def _int_kernel(
    context: KernelContext, minval: Any, maxval: Any, sizes: Any = None, *, shape: Any, seeds: Seeds
) -> Any:
    low, high = int(minval), int(maxval)
    size = sizes_of(sizes) if shape is None else shape
    if low >= high:
        raise InvalidArgumentError(None, None, f"Need minval < maxval, got {low} >= {high}")
    itemsize = 4 if "32" in str(minval.dtype) else 8
    native = np.int32 if itemsize == 4 else np.int64
    return context.asarray(np.asarray(generator_of(context, seeds).integers(low, high, size, dtype=native)))


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

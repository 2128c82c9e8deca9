"""Random values of normal distributions that are cut off anywhere.

Source: random_ops.parameterized_truncated_normal of TensorFlow 1.15, with other numbers: the algorithm is another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import as_dtype
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.random import get_seed
from dflow.ops.rules.ranks import exactly, require
from dflow.ops.rules.static import graph_of, known_shape, only, same_dtype, spec_of
from dflow.ops.sampling.gamma import sizes_tensor
from dflow.ops.sampling.stream import Seeds, generator_of, target_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["parameterized_truncated_normal"]


def parameterized_truncated_normal(
    shape: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed values between bounds.

    shape: sizes, as numbers or as a tensor; dtype: floating.  means, stddevs, minvals, maxvals: scalars, or vectors
    with a number for each index of the first axis; the bounds are values, not numbers of standard deviations.
    InvalidArgumentError at run time for a deviation that is not positive, and for bounds without values between.
    """
    target = as_dtype(dtype)
    graph = graph_of((shape, means, stddevs, minvals, maxvals))
    with scopes.building_in(graph), graph.name_scope(name or "parameterized_truncated_normal"):
        sizes = sizes_tensor(shape)
        parameters = [
            convert_to_tensor(value, target, name=word)
            for value, word in (
                (means, "means"),
                (stddevs, "stddevs"),
                (minvals, "minvals"),
                (maxvals, "maxvals"),
            )
        ]
        result: Tensor = add_op("ParameterizedTruncatedNormal", sizes, *parameters, seeds=get_seed(seed))
        result.set_shape(known_shape(sizes))
        return result


def _spec(sizes: TensorSpec, *parameters: TensorSpec, seeds: Seeds) -> TensorSpec:
    only(sizes, sizes.dtype.name in ("int32", "int64"), "sizes of int32 or int64")
    same_dtype(*parameters)
    only(parameters[0], parameters[0].dtype.is_floating, "floating numbers")
    for spec in parameters:
        if (spec.shape.ndims or 0) > 1:
            exactly(spec, 1)
    count = exactly(sizes, 1)[0]
    return spec_of(None if count is None else [None] * count, parameters[0].dtype)


def _kernel(context: KernelContext, sizes: Any, *parameters: Any, seeds: Seeds) -> Any:
    from scipy import special  # here: importing it takes long, and few programs need it

    target = target_of(np.asarray(sizes))
    require(len(target) > 0, "Shape parameter should have at least one dimension")
    numbers = [np.asarray(array) for array in parameters]
    for array in numbers:
        require(
            array.ndim <= 1 and array.size in (1, target[0]),
            f"Input means should have length 1 or shape[0]: {target[0]}, got shape {list(array.shape)}",
        )
    rows = [array.astype(np.float64).reshape(-1, *(1,) * (len(target) - 1)) for array in numbers]
    mean, width, low, high = rows
    require(bool((width > 0).all()), "Invalid parameters: a standard deviation is not positive")
    require(bool((low < high).all()), "Invalid parameters: minvals must be below maxvals")
    first, last = (low - mean) / width, (high - mean) / width
    turned = first > 0  # then the mirrored distribution is drawn from, whose function is exact where it is small
    first, last = np.where(turned, -last, first), np.where(turned, -first, last)
    start, end = special.ndtr(first), special.ndtr(last)
    values = special.ndtri(start + (end - start) * generator_of(context, seeds).random(target))
    values = np.clip(values, first, last)
    found = np.clip(mean + width * np.where(turned, -values, values), low, high)
    return context.asarray(np.broadcast_to(found, target).astype(numbers[0].dtype))


define(
    "ParameterizedTruncatedNormal",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a random value does not depend on anything"),
    stateful=True,
    host_only=True,
)

"""Random values of the gamma distribution, and of the Poisson distribution.

Source: random_ops of TensorFlow 1.15, with other numbers: the algorithms are NumPy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.broadcasting import broadcast_dynamic_shape
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import broadcast_to
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank, shape
from dflow.ops.math.arithmetic import maximum, multiply, subtract
from dflow.ops.math.division import divide
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.random import get_seed
from dflow.ops.rules.ranks import exactly, require
from dflow.ops.rules.static import graph_of, is_symbolic, known_shape, only, same_dtype
from dflow.ops.sampling.stream import Seeds, generator_of, target_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape, broadcast
from dflow.specs import TensorSpec

__all__ = ["random_gamma", "random_poisson"]

Array = np.ndarray[Any, Any]


def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Values of the gamma distribution: `shape` values for each pair of parameters.

    shape: sizes, as numbers or as a tensor; alpha, beta: the shape parameter and the inverse scale (1 if it is not
    given), which broadcast; dtype: float16, float32 or float64 -> [*shape, *the shape of the parameters].
    The gradient of both parameters follows the value at its quantile.
    """
    graph = graph_of((shape, alpha, beta))
    with scopes.building_in(graph), graph.name_scope(name or "random_gamma"):
        sizes = sizes_tensor(shape)
        form = convert_to_tensor(alpha, as_dtype(dtype), name="alpha")
        rate = convert_to_tensor(1 if beta is None else beta, form.dtype, name="beta")
        both = broadcast(form.spec.shape, rate.spec.shape)
        if form.shape != both or not both.is_fully_defined():
            form = _spread(form, rate, both)
        drawn: Tensor = add_op("RandomGamma", sizes, form, seeds=get_seed(seed))
        drawn.set_shape(known_shape(sizes).concatenate(form.shape))
        tiny = np.finfo(form.dtype.numpy_dtype).tiny if form.dtype.name != "bfloat16" else 1e-37
        result = maximum(constant(tiny, form.dtype), divide(drawn, rate))
        result.set_shape(known_shape(sizes).concatenate(both))
        return result


def _spread(form: Tensor, rate: Tensor, both: TensorShape) -> Tensor:
    """The shape parameter, a value of its own for each pair."""
    if both.is_fully_defined():
        return broadcast_to(form, both)
    result: Tensor = broadcast_to(form, broadcast_dynamic_shape(_shape(form), _shape(rate)))
    result.set_shape(both)
    return result


_shape = shape


def sizes_tensor(sizes: Any) -> Tensor:
    """A shape argument as a tensor: numbers become an int32 constant."""
    if is_symbolic(sizes):
        return convert_to_tensor(sizes, name="shape")
    return convert_to_tensor(np.array(TensorShape(sizes).as_list(), np.int32), name="shape")


def random_poisson(
    lam: Any, shape: Any, dtype: Any = "float32", seed: int | None = None, name: str | None = None
) -> Tensor:
    """Values of the Poisson distribution: `shape` values for each rate.

    lam: the rates, real numbers of any shape; shape: sizes, as numbers or as a tensor; dtype: floating, int32 or int64
    -> [*shape, *the shape of lam].
    """
    graph = graph_of((lam, shape))
    with scopes.building_in(graph), graph.name_scope(name or "random_poisson"):
        sizes = sizes_tensor(shape)
        rate = convert_to_tensor(lam, name="lam")
        result: Tensor = add_op("RandomPoissonV2", sizes, rate, seeds=get_seed(seed), dtype=as_dtype(dtype))
        result.set_shape(known_shape(sizes).concatenate(rate.shape))
        return result


def _target(sizes: TensorSpec, parameter: TensorSpec) -> TensorShape:
    only(sizes, sizes.dtype.name in ("int32", "int64"), "sizes of int32 or int64")
    count = exactly(sizes, 1)[0]
    return TensorShape(None if count is None else [None] * count).concatenate(parameter.shape)


def _gamma_spec(sizes: TensorSpec, alpha: TensorSpec, seeds: Seeds) -> TensorSpec:
    only(alpha, alpha.dtype.is_floating, "floating numbers")
    return TensorSpec(_target(sizes, alpha), alpha.dtype)


def _poisson_spec(sizes: TensorSpec, rate: TensorSpec, seeds: Seeds, dtype: DType) -> TensorSpec:
    only(rate, rate.dtype.is_numeric and not rate.dtype.is_complex, "real numbers as rates")
    only(
        TensorSpec(rate.shape, dtype), dtype.is_floating or dtype.name in ("int32", "int64"), "floats, int32 and int64"
    )
    return TensorSpec(_target(sizes, rate), dtype)


def _gamma_kernel(context: KernelContext, sizes: Any, alpha: Any, seeds: Seeds) -> Any:
    host = np.asarray(alpha)
    target = (*target_of(np.asarray(sizes)), *host.shape)
    values = generator_of(context, seeds).standard_gamma(np.broadcast_to(host.astype(np.float64), target))
    return context.asarray(np.asarray(values).astype(host.dtype))


def _poisson_kernel(context: KernelContext, sizes: Any, rate: Any, seeds: Seeds, dtype: DType) -> Any:
    host = np.asarray(rate).astype(np.float64)
    target = (*target_of(np.asarray(sizes)), *host.shape)
    valid = np.isfinite(host) & (host >= 0)
    values = np.asarray(generator_of(context, seeds).poisson(np.broadcast_to(np.where(valid, host, 0), target)))
    if not valid.all() and dtype.is_floating:
        values = np.where(np.broadcast_to(valid, target), values, np.nan)
    return context.asarray(values.astype(dtype.numpy_dtype))


# -- the gradient of gamma's shape parameter


def _gamma_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """The change of a value at its quantile, summed over all values of one parameter."""
    alpha = op.inputs[1]
    change: Tensor = add_op("RandomGammaGrad", broadcast_to(alpha, shape(op.outputs[0])), op.outputs[0])
    first = subtract(rank(op.outputs[0]), rank(alpha))
    total = reduce_sum(multiply(dy, change), axis=range_(first))
    total.set_shape(alpha.shape)
    return None, total


def _gamma_grad_spec(alpha: TensorSpec, sample: TensorSpec) -> TensorSpec:
    same_dtype(alpha, sample)
    only(alpha, alpha.dtype.is_floating, "floating numbers")
    return TensorSpec(alpha.shape.merge_with(sample.shape), alpha.dtype)


def _gamma_grad_kernel(alpha: Array, sample: Array) -> Array:
    """d(sample)/d(alpha) at a fixed quantile: minus the change of the distribution function over the density.

    The change is a central difference of the incomplete gamma function, on the side where the function is small.
    """
    from scipy import special  # here: importing it takes long, and few programs need it

    require(alpha.shape == sample.shape, f"shapes {list(alpha.shape)} and {list(sample.shape)} differ")
    a, x = np.asarray(alpha, np.float64), np.asarray(sample, np.float64)
    step = 1e-4 * np.maximum(a, 1e-3)
    above = x > a
    with np.errstate(all="ignore"):
        lower = (special.gammainc(a + step, x) - special.gammainc(a - step, x)) / (2 * step)
        upper = (special.gammaincc(a + step, x) - special.gammaincc(a - step, x)) / (2 * step)
        density = np.exp((a - 1) * np.log(x) - x - special.gammaln(a))
        found = np.where(above, upper, -lower) / density
    return np.asarray(found).astype(alpha.dtype)


_DRAWN = no_gradient("a random value does not depend on anything")

define(
    "RandomGamma",
    spec=_gamma_spec,
    kernel=_gamma_kernel,
    gradient=_gamma_gradient,
    stateful=True,
    host_only=True,
)
define("RandomGammaGrad", spec=_gamma_grad_spec, kernel=_gamma_grad_kernel, gradient=_DRAWN, host_only=True)
define("RandomPoissonV2", spec=_poisson_spec, kernel=_poisson_kernel, gradient=_DRAWN, stateful=True, host_only=True)

"""Relatives of the gamma function, elementwise: its logarithm and its derivatives, zeta, and incomplete integrals.

SciPy computes them.  Source: math_ops and special_math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.math.arithmetic import add, multiply, negative, subtract
from dflow.ops.math.powers import exp, log
from dflow.ops.math.products_with_zero import xlog1py, xlogy
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import each, elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, floating, unary
from dflow.ops.rules.libraries import is_numpy_like, narrowed, special, through_numpy, widened
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only, same_dtype
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, bracket
from dflow.specs import TensorSpec

__all__ = ["betainc", "digamma", "igamma", "igammac", "lbeta", "lgamma", "polygamma", "zeta"]

# -- the logarithm and its derivatives


def lgamma(x: Any, name: str | None = None) -> Tensor:
    """log(abs(gamma(x))): infinite at 0, -1, -2, ...  Floating."""
    return unary("Lgamma", x, name)


def digamma(x: Any, name: str | None = None) -> Tensor:
    """The derivative of `lgamma`.  Floating."""
    return unary("Digamma", x, name)


def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The derivative number `a` of `digamma`, for integers a; NaN for another a.  Floating; shapes broadcast.

    Without a gradient for a.
    """
    return binary("Polygamma", a, x, name, ("a", "x"))


def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """sum((k + q)**-x for k = 0, 1, 2, ...), for x > 1.  Floating; shapes broadcast.  Without a gradient for x."""
    return binary("Zeta", x, q, name, ("x", "q"))


def _lgamma_kernel(x: Any) -> Any:
    xp, found = namespace(x), special("gammaln", x)
    return xp.where(x == -xp.inf, xp.abs(x), found)  # SciPy gives -inf there


def _digamma_kernel(x: Any) -> Any:
    xp, found = namespace(x), special("psi", x)
    return xp.where(x == 0, xp.full_like(found, xp.nan), found)  # SciPy gives -inf there


def _polygamma_kernel(a: Any, x: Any) -> Any:
    """(-1)**(a + 1) * a! * zeta(a + 1, x) for a = 1, 2, ...; digamma(x) for a = 0."""
    if not is_numpy_like(a):
        return through_numpy(_polygamma_kernel, a, x)
    xp, wide = namespace(a), widened(a)
    sign = 2 * (wide % 2) - 1
    derivative = sign * special("gamma", wide + 1) * special("zeta", wide + 1, widened(x))
    found = xp.where(wide == 0, special("psi", widened(x)), derivative)
    return narrowed(xp.where((wide >= 0) & (xp.floor(wide) == wide), found, xp.nan * found), a)


def _polygamma_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    a, x = op.inputs
    return back_to_operands(op, None, multiply(dy, polygamma(add(a, 1), x)))


def _zeta_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, q = op.inputs
    return back_to_operands(op, None, multiply(dy, multiply(negative(x), zeta(add(x, 1), q))))


define(
    "Lgamma",
    spec=floating,
    kernel=_lgamma_kernel,
    gradient=lambda op, dy: multiply(dy, digamma(op.inputs[0])),
    batch=elementwise,
)
define(
    "Digamma",
    spec=floating,
    kernel=_digamma_kernel,
    gradient=lambda op, dy: multiply(dy, polygamma(convert_to_tensor(1, dy.dtype), op.inputs[0])),
    batch=elementwise,
)
define("Polygamma", spec=floating, kernel=_polygamma_kernel, gradient=_polygamma_gradient, batch=elementwise)
define("Zeta", spec=floating, kernel=partial(special, "zeta"), gradient=_zeta_gradient, batch=elementwise)

# -- incomplete gamma functions


def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The lower incomplete gamma function, divided by gamma(a), for a > 0 and x >= 0.  Floating; shapes broadcast."""
    return binary("Igamma", a, x, name, ("a", "x"))


def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """1 - igamma(a, x), also where that is tiny.  Floating; shapes broadcast."""
    return binary("Igammac", a, x, name, ("a", "x"))


def _igamma_gradients(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, x = op.inputs
    density = exp(subtract(subtract(multiply(subtract(a, 1), log(x)), x), lgamma(a)))
    return multiply(dy, add_op("IgammaGradA", a, x)), multiply(dy, density)


def _igammac_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return back_to_operands(op, *_igamma_gradients(op, negative(dy)))


define(
    "Igamma",
    spec=floating,
    kernel=partial(special, "gammainc"),
    gradient=lambda op, dy: back_to_operands(op, *_igamma_gradients(op, dy)),
    batch=elementwise,
)
define("Igammac", spec=floating, kernel=partial(special, "gammaincc"), gradient=_igammac_gradient, batch=elementwise)

_WEIGHTS = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))  # of a central difference of order 6: (steps, weight)


def _igamma_grad_a_kernel(a: Any, x: Any) -> Any:
    """The derivative of igamma for a: SciPy has none, so this is a central difference, computed as float64.

    Its step is a hundredth of the scale on which igamma changes with a, and keeps a positive.
    """
    if not is_numpy_like(a):
        return through_numpy(_igamma_grad_a_kernel, a, x)
    xp = namespace(a)
    at, until = xp.astype(a, xp.float64), xp.astype(x, xp.float64)
    step = 0.01 * xp.sqrt(xp.maximum(at, xp.ones_like(at))) / (1 + xp.abs(xp.log(until)))
    step = xp.minimum(step, at / 4)
    total = sum(
        weight * (special("gammainc", at + n * step, until) - special("gammainc", at - n * step, until))
        for n, weight in _WEIGHTS
    )
    slope = xp.where(step == 0, xp.zeros_like(step), total / step)  # where x is 0 or infinite, nothing changes
    return narrowed(xp.where(at > 0, slope, xp.nan * slope), a)


define(
    "IgammaGradA",
    spec=floating,
    kernel=_igamma_grad_a_kernel,
    gradient=no_gradient("the second derivative of igamma for a is not known"),
    batch=elementwise,
)

# -- beta functions


def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Tensor:
    """The incomplete beta integral up to x, divided by that up to 1, for a, b > 0 and x in [0, 1].  Floating.

    Those that are no scalars have one shape.  Without a gradient for a and b.
    """
    tensor: Tensor = named("Betainc", (a, b, x), ("a", "b", "x"), name)
    return tensor


def _betainc_spec(a: TensorSpec, b: TensorSpec, x: TensorSpec) -> TensorSpec:
    same_dtype(a, b, x)
    only(a, a.dtype.is_floating, "floating numbers")
    shapes = [spec.shape for spec in (a, b, x) if spec.shape.ndims != 0]
    result = UNKNOWN_SHAPE if shapes else a.shape
    for shape in shapes:
        try:
            result = result.merge_with(shape)
        except ShapeError:
            raise ShapeError(f"Shapes must be equal or scalars, but are {a.shape}, {b.shape} and {x.shape}") from None
    return TensorSpec(result, a.dtype)


def _betainc_kernel(a: Any, b: Any, x: Any) -> Any:
    if len({tuple(array.shape) for array in (a, b, x) if array.ndim}) > 1:
        shapes = " vs. ".join(bracket(array.shape) for array in (a, b, x))
        raise InvalidArgumentError(None, None, f"Shapes of a, b and x are inconsistent: {shapes}")
    return special("betainc", a, b, x)


def _betainc_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    a, b, x = op.inputs
    log_beta = subtract(add(lgamma(a), lgamma(b)), lgamma(add(a, b)))
    powers = add(xlog1py(subtract(b, 1), negative(x)), xlogy(subtract(a, 1), x))
    return None, None, sum_like(multiply(dy, exp(subtract(powers, log_beta))), x)


define("Betainc", spec=_betainc_spec, kernel=_betainc_kernel, gradient=_betainc_gradient, batch=each)


def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of the beta function of the values along the last axis.  x: floating, [..., n] -> [...].

    sum(lgamma(x)) - lgamma(sum(x)): -inf for no values.
    """
    with scope_of((x,), name, "lbeta") as scope:
        tensor = convert_to_tensor(x, name="x")
        product = reduce_sum(lgamma(tensor), [-1])
        return subtract(product, lgamma(reduce_sum(tensor, [-1])), name=scope)

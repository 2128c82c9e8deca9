"""More activations: relu6, elu, selu, leaky_relu, softsign, swish, crelu.

Source: nn_ops and nn_grad of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.arithmetic import multiply, negative
from dflow.ops.math.compare import less, where
from dflow.ops.nn.activations import relu, sigmoid
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.building import scoped
from dflow.ops.rules.elementwise import floating, real, unary
from dflow.ops.rules.windows import narrow
from dflow.registry import define

__all__ = ["crelu", "elu", "leaky_relu", "relu6", "selu", "softsign", "swish"]

# selu makes mean 0 and variance 1 a fixed point (Klambauer et al., "Self-normalizing neural networks").
SCALE, SCALE_ALPHA = 1.0507009873554804934193349852946, 1.7580993408473768599402175208123


def _define(
    kind: str,
    spec: Callable[..., Any],
    kernel: Callable[..., Any],
    grad_kernel: Callable[..., Any],
    of_output: bool,
    second: Callable[[Operation, Tensor], Tensor],
) -> None:
    """An activation and its gradient, an operation of dy and of the input or the output.

    second: the derivative of the gradient with respect to its second operand.
    """
    grad = f"{kind}Grad"

    def gradient(op: Operation, dy: Tensor) -> Tensor:
        result: Tensor = add_op(grad, dy, op.outputs[0] if of_output else op.inputs[0], **op.attrs)
        return result

    def gradient_of_gradient(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor]:
        return add_op(grad, dx, op.inputs[1], **op.attrs), second(op, dx)

    define(kind, spec=spec, kernel=_of_dtype(kernel), gradient=gradient, batch=elementwise)
    define(grad, spec=spec, kernel=_of_dtype(grad_kernel), gradient=gradient_of_gradient, batch=elementwise)


def _of_dtype(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel whose result has the dtype of its input: of bfloat16, NumPy makes float32."""
    return lambda x, *others, **attrs: narrow(kernel(x, *others, **attrs), x)


def _nothing(op: Operation, dx: Tensor) -> Tensor:
    return zeros_like(op.inputs[1])


def _where_negative(op: Operation, dx: Tensor) -> Tensor:
    """dx * dy where the output is negative: there the derivative is the output and a constant."""
    dy, y = op.inputs
    return where(less(y, zeros_like(y)), multiply(dx, dy), zeros_like(y))


def _passed(dy: Any, where: Any) -> Any:
    """dy where a condition holds, else 0."""
    xp = namespace(dy)
    return dy * (where if type(dy) is np.ndarray else xp.astype(where, dy.dtype))


# -- relu6 and leaky_relu


def relu6(features: Any, name: str | None = None) -> Tensor:
    """The larger of x and 0, but at most 6, elementwise.  Real numbers.  Source: tf.nn.relu6."""
    with scoped("Relu6", name, features) as scope:
        return unary("Relu6", convert_to_tensor(features, name="features"), scope)


def _relu6_kernel(x: Any) -> Any:
    xp = namespace(x)
    return xp.minimum(xp.maximum(x, 0), 6)


def _relu6_grad_kernel(dy: Any, y: Any) -> Any:
    return _passed(dy, namespace(y).logical_and(y > 0, y < 6))


_define("Relu6", real, _relu6_kernel, _relu6_grad_kernel, True, _nothing)


def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """x where x > 0, else alpha * x, elementwise.  Floating; integers become float32.  alpha: a number.

    Source: tf.nn.leaky_relu.
    """
    with scoped("LeakyRelu", name, features) as scope:
        x = convert_to_tensor(features, name="features")
        x = cast(x, "float32") if x.dtype.is_integer else x
        result: Tensor = add_op("LeakyRelu", x, name=scope, alpha=float(alpha))
    return result


def _leaky_kernel(x: Any, alpha: float) -> Any:
    if 0 <= alpha <= 1:
        return namespace(x).maximum(x, x * alpha)
    return namespace(x).where(x > 0, x, x * alpha)


def _leaky_grad_kernel(dy: Any, x: Any, alpha: float) -> Any:
    return dy * (namespace(dy).astype(x > 0, dy.dtype) * (1 - alpha) + alpha)


def _leaky_spec(x: Any, *others: Any, alpha: float) -> Any:
    return floating(x, *others)


_define("LeakyRelu", _leaky_spec, _leaky_kernel, _leaky_grad_kernel, False, _nothing)

# -- with an exponential below 0


def elu(features: Any, name: str | None = None) -> Tensor:
    """x where x > 0, else exp(x) - 1, elementwise.  Floating.  Source: tf.nn.elu."""
    return unary("Elu", features, name)


def _below(x: Any) -> Any:
    """exp(x) - 1 where x is negative, 0 elsewhere."""
    xp = namespace(x)
    return xp.exp(xp.minimum(x, 0)) - 1


def _elu_kernel(x: Any) -> Any:
    return namespace(x).maximum(x, 0) + _below(x)


def _elu_grad_kernel(dy: Any, y: Any) -> Any:
    return dy * (namespace(dy).minimum(y, 0) + 1)


_define("Elu", floating, _elu_kernel, _elu_grad_kernel, True, _where_negative)


def selu(features: Any, name: str | None = None) -> Tensor:
    """scale * x where x > 0, else scale * alpha * (exp(x) - 1), elementwise.  Floating.  Source: tf.nn.selu."""
    return unary("Selu", features, name)


def _selu_kernel(x: Any) -> Any:
    return namespace(x).maximum(x, 0) * SCALE + _below(x) * SCALE_ALPHA


def _selu_grad_kernel(dy: Any, y: Any) -> Any:
    xp = namespace(dy)
    return dy * (xp.minimum(y, 0) + xp.astype(y < 0, dy.dtype) * (SCALE_ALPHA - SCALE) + SCALE)


_define("Selu", floating, _selu_kernel, _selu_grad_kernel, True, _where_negative)

# -- others


def softsign(features: Any, name: str | None = None) -> Tensor:
    """x / (1 + abs(x)), elementwise.  Floating.  Source: tf.nn.softsign."""
    return unary("Softsign", features, name)


def _softsign_second(op: Operation, dx: Tensor) -> Tensor:
    """-2 * sign(x) / (1 + abs(x))**3 times dx and dy."""
    dy, x = op.inputs
    once: Tensor = add_op("SoftsignGrad", multiply(dx, dy), x)
    return multiply(multiply(once, -2), add_op("RealDiv", add_op("Sign", x), add_op("Abs", x) + 1))


_define(
    "Softsign",
    floating,
    lambda x: x / (namespace(x).abs(x) + 1),
    lambda dy, x: dy / (namespace(x).abs(x) + 1) ** 2,
    False,
    _softsign_second,
)


def swish(features: Any, beta: Any = 1.0) -> Tensor:
    """x * sigmoid(beta * x), elementwise.  Floating.  Source: tf.nn.swish."""
    with scoped("swish", None, features):
        x = convert_to_tensor(features, name="features")
        inner = x if isinstance(beta, (int, float)) and beta == 1 else multiply(x, beta)
        return multiply(x, sigmoid(inner))


def crelu(features: Any, name: str | None = None, axis: Any = -1) -> Tensor:
    """relu of x and of -x, concatenated along an axis.  Real numbers.  Source: tf.nn.crelu."""
    with scoped("CRelu", name, features) as scope:
        x = convert_to_tensor(features, name="features")
        return relu(concat([x, negative(x)], axis, name=scope))

"""Checks for NaN and infinity.

Source: numerics and array_ops.check_numerics of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.control import group, with_dependencies
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.elementwise import floating
from dflow.ops.rules.named import named, scope_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["add_check_numerics_ops", "check_numerics", "verify_tensor_all_finite"]


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """The tensor; InvalidArgumentError at run time, with the message, if it holds NaN or infinity.  Floating."""
    checked: Tensor = named("CheckNumerics", (tensor,), ("tensor",), name, message=str(message))
    return checked


def _kernel(x: Any, message: str) -> Any:
    xp = namespace(x)
    if bool(xp.all(xp.isfinite(x))):
        return x
    kinds = [what for what, test in (("Inf", xp.isinf), ("NaN", xp.isnan)) if bool(xp.any(test(x)))]
    raise InvalidArgumentError(None, None, f"{message} : Tensor had {' and '.join(kinds)} values")


def _gradient(op: Operation, dy: Tensor) -> Tensor:
    message = f"Not a number (NaN) or infinity (Inf) values detected in gradient. {op.attrs['message']}"
    return check_numerics(dy, message)


def _spec(x: TensorSpec, message: str) -> TensorSpec:
    return floating(x)


define("CheckNumerics", spec=_spec, kernel=_kernel, gradient=_gradient)


def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Tensor:
    """The tensor, after a check that it holds neither NaN nor infinity: InvalidArgumentError, with the message.

    x, message: newer names of t and msg.
    """
    if (t is None) == (x is None) or (msg is None) == (message is None):
        raise ValueError("give a tensor (t or x) and a message (msg or message), each under one of its names")
    tensor, text = (x if t is None else t), (message if msg is None else msg)
    with scope_of((tensor,), name, "VerifyFinite"):
        tensor = convert_to_tensor(tensor, name="t")
        checked: Tensor = with_dependencies([check_numerics(tensor, str(text))], tensor)
        return checked


def add_check_numerics_ops() -> Operation:
    """An operation that checks every floating tensor of the default graph for NaN and infinity, in order of creation.

    The errors name the operation and the place of its output.
    """
    checks: list[Tensor] = []
    for op in get_default_graph().get_operations():
        for place, output in enumerate(op.outputs):
            if output.dtype.is_floating:
                with op.graph.control_dependencies(checks[-1:]):
                    checks.append(check_numerics(output, f"{op.name}:{place}"))
    return group(*checks)

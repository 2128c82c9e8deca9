"""Tensors passed on: identity_n, guarantee_const.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Operation, Tensor, add_op, create_op
from dflow.ops.rules.arrays import one_or_all
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["guarantee_const", "identity_n"]


def identity_n(input: Sequence[Any], name: str | None = None) -> list[Tensor]:
    """The same values, as outputs of one operation, which waits for all of them."""
    if not isinstance(input, (list, tuple)):
        raise TypeError(f"Expected list for 'input' argument to 'identity_n' Op, not {input!r}.")
    return list(create_op("IdentityN", *input, name=name).outputs)


def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """The same value, of which the program says that it is the same in every run: here, this has no effect."""
    result: Tensor = add_op("GuaranteeConst", input, name=name)
    return result


def _several_spec(*inputs: TensorSpec) -> Sequence[TensorSpec]:
    return inputs


def _several_kernel(*arrays: Any) -> Any:
    return one_or_all(arrays)


def _several_gradient(op: Operation, *dys: Tensor | None) -> tuple[Tensor | None, ...]:
    return dys


define("IdentityN", spec=_several_spec, kernel=_several_kernel, gradient=_several_gradient)


def _single_spec(x: TensorSpec) -> TensorSpec:
    return x


def _single_kernel(x: Any) -> Any:
    return x


def _single_gradient(op: Operation, dy: Tensor) -> Tensor:
    return dy


define("GuaranteeConst", spec=_single_spec, kernel=_single_kernel, gradient=_single_gradient)

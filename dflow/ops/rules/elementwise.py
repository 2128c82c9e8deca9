"""Common functions of elementwise operations: operands, shapes and dtypes, and gradients of broadcasting."""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only, same_dtype
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = ["back_to_operands", "binary", "floating", "inexact", "numbers", "real", "unary"]


def binary(kind: str, x: Any, y: Any, name: str | None, names: tuple[str, str] = ("x", "y")) -> Tensor:
    """An operation of two operands; names: TensorFlow's of them, see `named`."""
    tensor: Tensor = named(kind, (x, y), names, name)
    return tensor


def unary(kind: str, x: Any, name: str | None, names: tuple[str] = ("x",)) -> Tensor:
    """An operation of one operand; names: TensorFlow's of it, see `named`."""
    tensor: Tensor = named(kind, (x,), names, name)
    return tensor


def numbers(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    """A shape rule: numbers of one dtype, which broadcast."""
    same_dtype(x, *others)
    only(x, x.dtype.is_numeric, "numbers")
    return TensorSpec(broadcast(x.shape, *(other.shape for other in others)), x.dtype)


def real(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    """As `numbers`, but not complex."""
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return numbers(x, *others)


def floating(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    """As `numbers`, but floating."""
    only(x, x.dtype.is_floating, "floating numbers")
    return numbers(x, *others)


def inexact(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    """As `numbers`, but floating or complex."""
    only(x, x.dtype.is_floating or x.dtype.is_complex, "floating and complex numbers")
    return numbers(x, *others)


def back_to_operands(op: Operation, dx: Tensor | None, dy: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of a broadcasting op, summed back to the shapes of its operands."""
    x, y = op.inputs
    return None if dx is None else sum_like(dx, x), None if dy is None else sum_like(dy, y)

"""Defaults that a run computes: they are more inputs of an operation, and its attributes mark their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.rules.static import constant_value, is_symbolic


@dataclass(frozen=True, slots=True)
class Computed:
    """A mark in place of a default, whose value is the next one of the operation's inputs."""


def computed_tensor(value: Any) -> Tensor | None:
    """A default as a tensor; None for a value that is known now."""
    if not is_symbolic(value):
        return None
    tensor = convert_to_tensor(value)
    return tensor if constant_value(tensor) is None else None


def known_value(value: Any) -> Any:
    """The value of a default that is known now: that of a constant tensor, or the default itself."""
    return constant_value(convert_to_tensor(value)) if is_symbolic(value) else value

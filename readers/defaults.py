"""Defaults that a run computes: they are more inputs of an operation, and its attributes mark their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.rules.static import constant_value, is_symbolic


@dataclass(frozen=True, slots=True)
class Computed:
    """In the place of a default: it is the next one of the operation's inputs."""


def computed_tensor(value: Any) -> Tensor | None:
    """The tensor that a default is; None for a value that is known now."""
    if not is_symbolic(value):
        return None
    tensor = convert_to_tensor(value)
    return tensor if constant_value(tensor) is None else None


def known_value(value: Any) -> Any:
    """A default that is known now: the value of a constant tensor, or what it is."""
    return constant_value(convert_to_tensor(value)) if is_symbolic(value) else value

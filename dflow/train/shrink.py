"""Soft thresholding, the step of optimizers that regularize by the sum of the sizes of the values."""

from __future__ import annotations

from typing import Any

from dflow.ops.rules.arrays import namespace

__all__ = ["shrunk"]


def shrunk(value: Any, by: Any) -> Any:
    """Each value moved by `by` towards 0, and 0 if it is not larger than that."""
    xp = namespace(value)
    size = xp.abs(value) - by
    return xp.sign(value) * xp.where(size > 0, size, xp.zeros_like(size))

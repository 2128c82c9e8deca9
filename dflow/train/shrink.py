"""Soft thresholding, the step of optimizers that regularize by the sum of the sizes of the values."""

from __future__ import annotations

from typing import Any

from dflow.ops.rules.arrays import namespace

__all__ = ["clipped", "shrunk"]


def shrunk(value: Any, by: Any) -> Any:
    """Each value moved by `by` towards 0, and 0 if it is not larger than that."""
    return value - clipped(value, by)


def clipped(value: Any, limit: Any) -> Any:
    """Each value, at most `limit` away from 0."""
    xp = namespace(value)
    return xp.minimum(xp.maximum(value, -limit), limit)

"""Layers that do one thing in training and another one afterwards: `training` is a bool, or a tensor of one.

Source: tf_utils.smart_cond of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import bool_
from dflow.graph import convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.control_flow.cond import cond
from dflow.ops.rules.static import is_symbolic, known_value

__all__ = ["choose", "known_bool"]


def known_bool(value: Any) -> bool | None:
    """The value of a bool or a number, or of a tensor whose value is known; None: only a run knows."""
    if value is None:
        return False
    if is_symbolic(value):
        found = known_value(convert_to_tensor(value))
        return None if found is None else bool(found)
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        return bool(value)
    raise TypeError(f"`training` is a bool or a tensor of one, got {value!r}")


def choose(condition: Any, in_training: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """What one of two functions gives; if only a run knows which, by a branch of the graph."""
    known = known_bool(condition)
    if known is not None:
        return in_training() if known else otherwise()
    return cond(cast(condition, bool_), in_training, otherwise)

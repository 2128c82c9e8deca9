"""The switches between versions 1 and 2 of TensorFlow: dflow has version 1's behaviour, always.

Source: tf.disable_v2_behavior and the like of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from typing import Any

__all__ = [
    "control_flow_v2_enabled",
    "disable_control_flow_v2",
    "disable_eager_execution",
    "disable_tensor_equality",
    "disable_v2_behavior",
    "disable_v2_tensorshape",
    "enable_control_flow_v2",
    "enable_eager_execution",
    "enable_tensor_equality",
    "enable_v2_behavior",
    "enable_v2_tensorshape",
    "executing_eagerly",
    "executing_eagerly_outside_functions",
]


def executing_eagerly() -> bool:
    """False: operations are always added to a graph."""
    return False


def executing_eagerly_outside_functions() -> bool:
    """False: operations are always added to a graph."""
    return False


def control_flow_v2_enabled() -> bool:
    """False."""
    return False


def disable_v2_behavior() -> None:
    """Kept for TensorFlow 1 programs: nothing is to be done."""


def disable_eager_execution() -> None:
    """Kept for TensorFlow 1 programs: nothing is to be done."""


def disable_control_flow_v2() -> None:
    """Kept for TensorFlow 1 programs: nothing is to be done."""


def disable_tensor_equality() -> None:
    """Kept for TensorFlow 1 programs: nothing is to be done."""


def disable_v2_tensorshape() -> None:
    """Kept for TensorFlow 1 programs: nothing is to be done."""


def enable_control_flow_v2() -> None:
    """Kept for TensorFlow 1 programs, without effect."""


def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Warns: dflow always builds a graph."""
    _stays("Operations are added to a graph, and a session runs them.")


def enable_v2_behavior() -> None:
    """Warns: dflow always behaves as version 1."""
    _stays("Operations are added to a graph, and a session runs them.")


def enable_tensor_equality() -> None:
    """Warns: `==` of tensors compares their identity."""
    _stays("`==` of two tensors says whether they are the same one; use equal() for their values.")


def enable_v2_tensorshape() -> None:
    """Warns: a shape consists of Dimensions."""
    _stays("A TensorShape consists of Dimensions; x.shape.as_list() gives integers.")


def _stays(fact: str) -> None:
    warnings.warn(f"dflow has the behaviour of TensorFlow 1. {fact}", stacklevel=3)

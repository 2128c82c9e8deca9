"""Initializers of layers.  Source: tf.contrib.layers of TensorFlow 1.15."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.graph import Tensor
from dflow.ops.random import random_uniform, truncated_normal

__all__ = ["variance_scaling_initializer", "xavier_initializer", "xavier_initializer_conv2d"]

Initialize = Callable[..., Tensor]


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = float32) -> Initialize:
    """Values with a variance of 2 / (inputs + outputs); uniform, or else truncated normal."""
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(
    factor: float = 2.0, mode: str = "FAN_IN", uniform: bool = False, seed: int | None = None, dtype: Any = float32
) -> Initialize:
    """Values with a variance of factor / n; uniform, or else truncated normal.

    mode: n is the number of inputs ("FAN_IN"), of outputs ("FAN_OUT") or their mean ("FAN_AVG").
    TypeError for another mode and for a dtype that is not floating.
    """
    default = as_dtype(dtype)
    if not default.is_floating:
        raise TypeError("Cannot create initializer for non-floating point type.")
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError(f"Unknown mode {mode} [FAN_IN, FAN_OUT, FAN_AVG]")

    def initialize(shape: Any, dtype: Any = default, partition_info: Any = None) -> Tensor:
        target = as_dtype(dtype or default)
        if not target.is_floating:
            raise TypeError("Cannot create initializer for non-floating point type.")
        sizes = [int(size) for size in shape]
        inputs, outputs = _fans([float(size) for size in sizes])
        count = {"FAN_IN": inputs, "FAN_OUT": outputs, "FAN_AVG": (inputs + outputs) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / count)
            drawn: Tensor = random_uniform(sizes, -limit, limit, target, seed=seed)
            return drawn
        # A normal that is cut at two standard deviations has about 1 / sqrt(1.3) of the standard deviation.
        return truncated_normal(sizes, 0.0, math.sqrt(1.3 * factor / count), target, seed=seed)

    return initialize


def _fans(sizes: list[float]) -> tuple[float, float]:
    """The number of inputs of one output of such weights, and the reverse."""
    inputs = sizes[-2] if len(sizes) > 1 else sizes[-1] if sizes else 1.0
    outputs = sizes[-1] if sizes else 1.0
    window = math.prod(sizes[:-2])
    return inputs * window, outputs * window


XAVIER = xavier_initializer()  # the default of weights

"""Initializers that scale with the numbers of inputs and outputs of a layer, and orthogonal ones.

    w = df.get_variable("w", [784, 10], initializer=df.glorot_uniform_initializer(seed=1))

Source: tf.variance_scaling_initializer, tf.glorot_uniform_initializer, ..., tf.orthogonal_initializer of TensorFlow
1.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, float32
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.array.shape import reshape
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import multiply
from dflow.ops.random import random_normal, random_uniform, truncated_normal
from dflow.ops.state.initializers import Initializer, floating
from dflow.registry import define, no_gradient

__all__ = [
    "glorot_normal_initializer",
    "glorot_uniform_initializer",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal_initializer",
    "variance_scaling_initializer",
]

_DENSITY_AT_2 = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
# The standard deviation of a standard normal that is cut at -2 and 2.
_TRUNCATED_STDDEV = math.sqrt(1.0 - 4.0 * _DENSITY_AT_2 / math.erf(math.sqrt(2.0)))


class variance_scaling_initializer(Initializer):
    """Values with a variance of `scale / n`.

    mode: n is the number of inputs ("fan_in"), of outputs ("fan_out") or their mean ("fan_avg").
    distribution: "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
    ValueError for another mode or distribution, and for a scale that is not above 0.
    Source: tf.variance_scaling_initializer.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = float32,
    ) -> None:
        if scale <= 0.0:
            raise ValueError("`scale` must be positive float.")
        if mode not in {"fan_in", "fan_out", "fan_avg"}:
            raise ValueError(f"Invalid `mode` argument: {mode}")
        kind = distribution.lower()
        if kind not in {"normal", "uniform", "truncated_normal", "untruncated_normal"}:
            raise ValueError(f"Invalid `distribution` argument: {kind}")
        super().__init__(floating(dtype))
        self.scale = scale
        self.mode = mode
        self.distribution = kind
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return self._part(shape, dtype, shape, [])

    def _part(self, shape: list[int], dtype: DType, full: list[int], offset: list[int]) -> Tensor:
        variance = self.scale / max(1.0, self._count(full))
        tensor: Tensor
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            tensor = random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        elif self.distribution == "untruncated_normal":
            tensor = random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=self.seed)
        else:
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            tensor = truncated_normal(shape, 0.0, stddev, dtype, seed=self.seed)
        return tensor

    def _count(self, shape: Sequence[int]) -> float:
        fan_in, fan_out = fans(shape)
        return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}
        return own | super().get_config()


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """The number of inputs of one output of such weights, and the reverse; the last two axes are inputs, outputs."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    window = float(math.prod(shape[:-2]))
    return shape[-2] * window, shape[-1] * window


class glorot_uniform_initializer(variance_scaling_initializer):
    """Uniform in [-limit, limit) with `limit = sqrt(6 / (fan_in + fan_out))`: the default of `get_variable`.

    Source: tf.glorot_uniform_initializer; X. Glorot, Y. Bengio: Understanding the difficulty of training deep
    feedforward neural networks, 2010.
    """

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


class glorot_normal_initializer(variance_scaling_initializer):
    """Truncated normal with a standard deviation, after truncation, of `sqrt(2 / (fan_in + fan_out))`.

    Source: tf.glorot_normal_initializer.
    """

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


def he_normal(seed: int | None = None) -> variance_scaling_initializer:
    """Truncated normal with a variance of 2 / fan_in.  Source: tf.initializers.he_normal."""
    return variance_scaling_initializer(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> variance_scaling_initializer:
    """Uniform with a variance of 2 / fan_in.  Source: tf.initializers.he_uniform."""
    return variance_scaling_initializer(2.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> variance_scaling_initializer:
    """Truncated normal with a variance of 1 / fan_in.  Source: tf.initializers.lecun_normal."""
    return variance_scaling_initializer(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> variance_scaling_initializer:
    """Uniform with a variance of 1 / fan_in.  Source: tf.initializers.lecun_uniform."""
    return variance_scaling_initializer(1.0, "fan_in", "uniform", seed)


class orthogonal_initializer(Initializer):
    """A matrix whose rows, or whose columns if these are fewer, are orthogonal and of norm `gain`.

    A shape of more than two axes is that of the matrix with all axes but the last made one.
    ShapeError (a ValueError) for a shape of fewer axes.  Source: tf.orthogonal_initializer.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(floating(dtype))
        self.gain = gain
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        if len(shape) < 2:
            raise ShapeError("The tensor to initialize must be at least two-dimensional")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = random_normal([max(rows, columns), min(rows, columns)], dtype=dtype, seed=self.seed)
        columns_of_norm_1: Tensor = add_op("Orthonormal", drawn)
        matrix = transpose(columns_of_norm_1) if rows < columns else columns_of_norm_1
        return multiply(reshape(matrix, shape), self.gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, **super().get_config()}


def _orthonormal_kernel(x: Any) -> Any:
    """Orthonormal columns that span what those of `x` do; the signs make every result equally likely."""
    native = np.float64 if x.dtype == np.float64 else np.float32
    q, r = np.linalg.qr(np.asarray(x).astype(native))
    return (q * np.sign(np.diagonal(r))).astype(x.dtype)


define(
    "Orthonormal",
    spec=lambda x: x,
    kernel=_orthonormal_kernel,
    gradient=no_gradient("it is for initial values"),
    host_only=True,
)

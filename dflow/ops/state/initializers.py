"""Initializers make the first value of a variable from its shape.

    w = df.get_variable("w", [784, 10], initializer=df.glorot_uniform_initializer(seed=1))

An initializer is called with a shape and gives a tensor: `initializer(shape, dtype=None)`.
Source: tf.zeros_initializer, ..., tf.glorot_uniform_initializer of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, float32
from dflow.graph import Tensor
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import ones, zeros
from dflow.ops.random import random_normal, random_uniform, truncated_normal
from dflow.shapes import as_shape


class Initializer:
    """Base class of initializers; `dtype` is the default of `__call__`."""

    def __init__(self, dtype: Any = float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """The first value: a tensor of this shape, which is fully defined, and dtype.

        partition_info: accepted for TensorFlow 1 programs and unused.
        """
        sizes = [int(size) for size in as_shape(shape).as_list() if size is not None]
        return self._make(sizes, self.dtype if dtype is None else as_dtype(dtype))

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        raise NotImplementedError


class zeros_initializer(Initializer):
    """Zeros, False or empty strings.  Source: tf.zeros_initializer."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = zeros(shape, dtype)
        return tensor


class ones_initializer(Initializer):
    """Ones or True.  Source: tf.ones_initializer."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = ones(shape, dtype)
        return tensor


class constant_initializer(Initializer):
    """Given values, in row-major order; the last one fills the rest, unless `verify_shape`.

    value: a number, a nested list or a NumPy array.  TypeError for anything else, and with verify_shape for values of
    another shape than the variable's; ValueError for more values than it holds.
    Source: tf.constant_initializer.
    """

    def __init__(self, value: Any = 0, dtype: Any = float32, verify_shape: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(
                f"Invalid type for initial value: {type(value)} "
                "(expected Python scalar, list or tuple of values, or numpy.ndarray)."
            )
        super().__init__(dtype)
        self.value = value
        self._verify_shape = verify_shape

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return constant(self.value, dtype=dtype, shape=shape, verify_shape=self._verify_shape)


class random_uniform_initializer(Initializer):
    """Uniform in [minval, maxval); maxval=None: 1.  Source: tf.random_uniform_initializer."""

    def __init__(self, minval: Any = 0, maxval: Any = None, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(dtype)
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = random_uniform(shape, self.minval, self.maxval, dtype, seed=self.seed)
        return tensor


class random_normal_initializer(Initializer):
    """Normal.  Source: tf.random_normal_initializer."""

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(dtype)
        _floating(self.dtype)
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = random_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)
        return tensor


class truncated_normal_initializer(random_normal_initializer):
    """Normal, with values beyond two standard deviations drawn again.  Source: tf.truncated_normal_initializer."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = truncated_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)
        return tensor


class glorot_uniform_initializer(Initializer):
    """Uniform in [-limit, limit) with `limit = sqrt(6 / (fan_in + fan_out))`: the default of `get_variable`.

    Source: tf.glorot_uniform_initializer; X. Glorot, Y. Bengio: Understanding the difficulty of training deep
    feedforward neural networks, 2010.
    """

    def __init__(self, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(dtype)
        _floating(self.dtype)
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        limit = math.sqrt(3.0 * _glorot_variance(shape))
        tensor: Tensor = random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        return tensor


class glorot_normal_initializer(glorot_uniform_initializer):
    """Truncated normal with a standard deviation, after truncation, of `sqrt(2 / (fan_in + fan_out))`.

    Source: tf.glorot_normal_initializer.
    """

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        stddev = math.sqrt(_glorot_variance(shape)) / _TRUNCATED_STDDEV
        tensor: Tensor = truncated_normal(shape, 0.0, stddev, dtype, seed=self.seed)
        return tensor


_DENSITY_AT_2 = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
# The standard deviation of a standard normal that is cut at -2 and 2.
_TRUNCATED_STDDEV = math.sqrt(1.0 - 4.0 * _DENSITY_AT_2 / math.erf(math.sqrt(2.0)))


def _glorot_variance(shape: Sequence[int]) -> float:
    fan_in, fan_out = _fans(shape)
    return 1.0 / max(1.0, (fan_in + fan_out) / 2.0)


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    """The number of inputs of one output of such weights, and the reverse; the last two axes are inputs, outputs."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    window = float(math.prod(shape[:-2]))
    return shape[-2] * window, shape[-1] * window


def _floating(dtype: DType) -> None:
    if not dtype.is_floating:
        raise ValueError(f"Expected floating point type, got {dtype.name}.")

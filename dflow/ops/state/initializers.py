"""Initializers make the first value of a variable from its shape.

    w = df.get_variable("w", [784, 10], initializer=df.random_normal_initializer(stddev=0.1, seed=1))

An initializer is called with a shape and gives a tensor: `initializer(shape, dtype=None)`.  `get_config()` has the
arguments of its class, `from_config` makes an equal one of them.
Source: tf.zeros_initializer, ..., tf.uniform_unit_scaling_initializer of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from dflow.dtypes import DType, as_dtype, float32
from dflow.errors import ShapeError
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

        partition_info: for a part of a variable, its `full_shape` and the part's `var_offset`.
        """
        sizes = _known(shape)
        full = sizes if partition_info is None else _known(partition_info.full_shape)
        target = self.dtype if dtype is None else as_dtype(dtype)
        if full == sizes:
            return self._make(sizes, target)
        return self._part(sizes, target, full, list(partition_info.var_offset))

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        raise NotImplementedError

    def _part(self, shape: list[int], dtype: DType, full: list[int], offset: list[int]) -> Tensor:
        """The value of a part of a variable of the shape `full`: by default, as if it stood alone."""
        return self._make(shape, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the class, as plain values."""
        return {"dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An initializer of the arguments that `get_config` gave."""
        return cls(**config)


def _known(shape: Any) -> list[int]:
    return [int(size) for size in as_shape(shape).as_list() if size is not None]


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
    verify_shape: may also be given in the call.
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

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Tensor:
        verify = self._verify_shape if verify_shape is None else verify_shape
        target = self.dtype if dtype is None else as_dtype(dtype)
        return constant(self.value, dtype=target, shape=_known(shape), verify_shape=verify)

    def get_config(self) -> dict[str, Any]:
        # verify_shape is left out, as in TensorFlow
        return {"value": self.value, **super().get_config()}


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

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed, **super().get_config()}


class random_normal_initializer(Initializer):
    """Normal.  ValueError for a dtype that is not floating.  Source: tf.random_normal_initializer."""

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(floating(dtype))
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = random_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)
        return tensor

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed, **super().get_config()}


class truncated_normal_initializer(random_normal_initializer):
    """Normal, with values beyond two standard deviations drawn again.  Source: tf.truncated_normal_initializer."""

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        tensor: Tensor = truncated_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)
        return tensor


class uniform_unit_scaling_initializer(Initializer):
    """Uniform in [-limit, limit) with `limit = factor * sqrt(3 / n)`: n is the product of all sizes but the last.

    Source: tf.uniform_unit_scaling_initializer.
    """

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = float32) -> None:
        super().__init__(floating(dtype))
        self.factor = factor
        self.seed = seed

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return self._part(shape, dtype, shape, [])

    def _part(self, shape: list[int], dtype: DType, full: list[int], offset: list[int]) -> Tensor:
        limit = math.sqrt(3 / max(float(math.prod(full[:-1])), 1.0)) * self.factor
        tensor: Tensor = random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        return tensor

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "seed": self.seed, **super().get_config()}


class identity_initializer(Initializer):
    """A matrix with `gain` on its diagonal and zeros elsewhere.  ShapeError (a ValueError) for another rank.

    Source: tf.initializers.identity.
    """

    def __init__(self, gain: float = 1.0, dtype: Any = float32) -> None:
        super().__init__(floating(dtype))
        self.gain = gain

    def _make(self, shape: list[int], dtype: DType) -> Tensor:
        return self._part(shape, dtype, shape, [0] * len(shape))

    def _part(self, shape: list[int], dtype: DType, full: list[int], offset: list[int]) -> Tensor:
        if len(full) != 2:
            raise ShapeError("Identity matrix initializer can only be used for 2D matrices.")
        values = np.eye(shape[0], shape[1], k=offset[0] - offset[1]) * self.gain
        return constant(values, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def floating(dtype: Any) -> DType:
    """The dtype; ValueError if it is not floating."""
    target = as_dtype(dtype)
    if not target.is_floating:
        raise ValueError(f"Expected floating point type, got {target.name}.")
    return target


ZEROS = zeros_initializer()  # defaults of arguments
ONES = ones_initializer()

"""What a user says of the features of an Example: how each of them becomes a tensor.

Each kind of feature is a class that a user makes; `plan` checks it while the graph is built, and gives what the
decoder goes by.
Source: the features of tf.parse_example of TensorFlow 1.15 (python/ops/parsing_ops.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dflow.dtypes import DType, as_dtype, float32, int64, string, to_array
from dflow.graph import Tensor
from dflow.ops.constants import constant_value
from dflow.shapes import TensorShape, as_shape

DTYPES = (float32, int64, string)


class FixedLenFeature(NamedTuple):
    """A feature with the same number of values in each Example: a tensor of shape [batch, *shape].

    shape: of one Example's values, wholly known.  dtype: float32, int64 or string.
    default_value: what an Example without the feature has, of shape `shape`; None: it must have it.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """A feature with any number of values: a SparseTensor of shape [batch, longest]; a missing one has no values."""

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """A feature with any number of steps of `shape`: a tensor of shape [batch, longest, *shape], padded.

    shape: of one step.  allow_missing: must be True in `parse_example`: a missing feature has no steps.
    default_value: a scalar to pad with; None: 0 or "".
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class SparseFeature(NamedTuple):
    """A feature that is stored as indices and values: a SparseTensor of shape [batch, *size].

    index_key: the feature with the indices (int64), or a list of such: one per dimension.  value_key: the feature with
    the values, of `dtype`.  size: an int, or one per index_key; indices lie below it.
    already_sorted: the indices are in order; else they are sorted.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


# -- what the decoder goes by


@dataclass(frozen=True, slots=True)
class Fixed:
    """[batch, *shape]"""

    key: str
    dtype: DType
    shape: tuple[int, ...]
    default: tuple[Any, ...] | None = None  # flat


@dataclass(frozen=True, slots=True)
class Steps:
    """[batch, longest, *shape]"""

    key: str
    dtype: DType
    shape: tuple[int, ...]
    pad: Any
    may_miss: bool


@dataclass(frozen=True, slots=True)
class Ragged:
    """Sparse, [batch, longest]"""

    key: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Indexed:
    """Sparse, [batch, *size]"""

    key: str  # the user's name of it, for messages
    dtype: DType
    index_keys: tuple[str, ...]
    value_key: str
    size: tuple[int, ...]
    is_sorted: bool


Plan = Fixed | Steps | Ragged | Indexed


def plan(features: Mapping[str, Any] | None, allowed: Sequence[type] = (), what: str = "features") -> tuple[Plan, ...]:
    """The checked features, in their order.  allowed: the classes that may be there; none: all.

    Raises ValueError for none at all, for other objects, dtypes, unknown shapes and defaults that do not fit.
    """
    if not features:
        raise ValueError(f"Missing: {what} was {features!r}; it needs at least one feature.")
    return tuple(_plan(key, feature, tuple(allowed or _KINDS)) for key, feature in features.items())


def _plan(key: str, feature: Any, allowed: tuple[type[Any], ...]) -> Plan:
    if not isinstance(feature, allowed):
        names = ", ".join(kind.__name__ for kind in allowed)
        raise ValueError(f"Unsupported feature {key}: {feature!r}; here it may be a {names}.")
    if feature.dtype is None:
        raise ValueError(f"Missing type for feature {key}.")
    dtype = as_dtype(feature.dtype)
    if dtype not in DTYPES:
        raise ValueError(f"feature {key}: dtype must be float32, int64 or string, got {dtype.name}")
    planned: Plan = _KINDS[next(kind for kind in _KINDS if isinstance(feature, kind))](key, feature, dtype)
    return planned


def fixed(key: str, feature: FixedLenFeature, dtype: DType) -> Fixed:
    """A FixedLenFeature, checked but for its dtype."""
    shape = _shape(key, feature.shape)
    if feature.default_value is None:
        return Fixed(key, dtype, shape)
    default = _known(key, feature.default_value, dtype)
    if default.size != np.prod(shape, dtype=int):
        raise ValueError(
            f"feature {key}: Cannot reshape a default_value of shape {list(default.shape)} to shape {list(shape)}"
        )
    return Fixed(key, dtype, shape, tuple(default.reshape(-1).tolist()))


def _steps(key: str, feature: FixedLenSequenceFeature, dtype: DType) -> Steps:
    pad = _known(key, dtype.zero if feature.default_value is None else feature.default_value, dtype)
    if pad.ndim:
        raise ValueError(f"feature {key}: default_value of a sequence must be a scalar, got shape {list(pad.shape)}")
    return Steps(key, dtype, _shape(key, feature.shape), pad.item(), bool(feature.allow_missing))


def _ragged(key: str, feature: VarLenFeature, dtype: DType) -> Ragged:
    return Ragged(key, dtype)


def _indexed(key: str, feature: SparseFeature, dtype: DType) -> Indexed:
    many = isinstance(feature.index_key, (list, tuple))
    index_keys = tuple(feature.index_key) if many else (feature.index_key,)
    sizes = tuple(feature.size) if isinstance(feature.size, (list, tuple)) else (feature.size,)
    if not index_keys or not all(isinstance(name, str) for name in (*index_keys, feature.value_key)):
        raise ValueError(f"feature {key}: index_key and value_key must be names of features, got {feature!r}")
    if len(index_keys) != len(sizes):
        raise ValueError(f"feature {key}: it has {len(index_keys)} index_keys and {len(sizes)} sizes")
    return Indexed(key, dtype, index_keys, feature.value_key, tuple(map(int, sizes)), bool(feature.already_sorted))


_KINDS: dict[type[Any], Any] = {
    FixedLenFeature: fixed,
    FixedLenSequenceFeature: _steps,
    VarLenFeature: _ragged,
    SparseFeature: _indexed,
}


def _shape(key: str, shape: Any) -> tuple[int, ...]:
    if shape is None or (isinstance(shape, TensorShape) and shape.ndims is None):
        raise ValueError(f"Missing shape for feature {key}.")
    dims = as_shape(shape).known
    if dims and dims[0] is None:
        raise ValueError(f"First dimension of shape for feature {key} unknown. Consider using FixedLenSequenceFeature.")
    if None in dims:
        raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {dims}.")
    return tuple(dim for dim in dims if dim is not None)


def _known(key: str, value: Any, dtype: DType) -> np.ndarray[Any, Any]:
    """A default as an array, of the feature's dtype."""
    array = constant_value(value) if isinstance(value, Tensor) else to_array(value, dtype)
    if array is None or as_dtype(array.dtype) != dtype:
        raise ValueError(
            f"feature {key}: default_value must be {dtype.name}, known while the graph is built: {value!r}"
        )
    return array

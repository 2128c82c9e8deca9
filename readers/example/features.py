"""The features of an Example, and the tensors that they become.

Each kind of feature is a class for users; `plan` checks its objects while the graph is built, and makes the plan of the
decoder from them.
Source: the features of tf.parse_example of TensorFlow 1.15 (python/ops/parsing_ops.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from dflow.dtypes import DType, as_dtype, float32, int64, string, to_array
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor
from dflow.readers.defaults import Computed, computed_tensor, known_value
from dflow.shapes import TensorShape, as_shape

DTYPES = (float32, int64, string)


class FixedLenFeature(NamedTuple):
    """A feature with the same number of values in each Example: a tensor of shape [batch, *shape].

    shape: of one Example's values, fully defined.  dtype: float32, int64 or string.
    default_value: the values of an Example without the feature, of shape `shape`; a tensor may be computed by each run.
        None: the Example must have the feature.
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
    default_value: a scalar to pad with, which a run may compute; None: 0 or "".
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class SparseFeature(NamedTuple):
    """A feature that is stored as indices and values: a SparseTensor of shape [batch, *size].

    index_key: the feature with the indices (int64), or a list of such: one per dimension.  value_key: the feature with
    the values, of `dtype`.  size: an int, or one per index_key; indices lie below it.
    already_sorted: the indices are in order, and taken as they are; else they are checked and sorted.
    Several features may have the same keys.
    """

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


# -- the plan of the decoder


@dataclass(frozen=True, slots=True)
class Fixed:
    """[batch, *shape]"""

    key: str
    dtype: DType
    shape: tuple[int, ...]
    default: Any = None  # a flat tuple, Computed(), or None: there is none


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

    key: str  # the user's name of the feature, for messages
    dtype: DType
    index_keys: tuple[str, ...]
    value_key: str
    size: tuple[int, ...]
    is_sorted: bool


Plan = Fixed | Steps | Ragged | Indexed


def plan(features: Mapping[str, Any] | None, allowed: Sequence[type] = (), what: str = "features") -> tuple[Plan, ...]:
    """The checked features, in their order.  allowed: the classes that may be there; none: all.

    Raises ValueError for none at all, for other objects, unknown shapes and defaults that do not fit; TypeError for a
    key that is no text, and for other dtypes.
    """
    if not features:
        raise ValueError(f"Missing: {what} was {features!r}; it needs at least one feature.")
    planned = tuple(_plan(key, feature, tuple(allowed or _KINDS)) for key, feature in features.items())
    _check_types(planned)
    return planned


def computed_defaults(features: Mapping[str, Any], planned: Sequence[Plan]) -> list[Tensor]:
    """The tensors that are defaults, in the order of their features: more inputs of the operation."""
    pairs = zip(features.values(), planned, strict=True)
    return [convert_to_tensor(original.default_value) for original, feature in pairs if _is_computed(feature)]


def with_defaults(planned: tuple[Plan, ...], arrays: Sequence[Any]) -> tuple[Plan, ...]:
    """The plan of a run, with the values of its computed defaults."""
    if not arrays:
        return planned
    values = iter(arrays)
    return tuple(_with_default(feature, next(values)) if _is_computed(feature) else feature for feature in planned)


def _is_computed(feature: Plan) -> bool:
    return isinstance(feature, (Fixed, Steps)) and isinstance(_default_of(feature), Computed)


def _default_of(feature: Fixed | Steps) -> Any:
    return feature.default if isinstance(feature, Fixed) else feature.pad


def _with_default(feature: Plan, value: Any) -> Plan:
    if isinstance(feature, Steps) and value.size == 1:
        return replace(feature, pad=value.item())
    expected = feature.shape if isinstance(feature, Fixed) else ()
    if not isinstance(feature, Fixed) or value.shape != expected:
        fact = (
            f"feature {feature.key}: default_value has shape {list(value.shape)}, it must have shape {list(expected)}"
        )
        raise InvalidArgumentError(None, None, fact)
    return replace(feature, default=tuple(value.reshape(-1).tolist()))


def _check_types(planned: Sequence[Plan]) -> None:
    """ValueError if two features read the same key as different types."""
    dtypes: dict[str, DType] = {}
    for key, dtype in ((key, dtype) for feature in planned for key, dtype in _reads(feature)):
        if dtypes.setdefault(key, dtype) != dtype:
            raise ValueError(f"Conflicting type {dtypes[key].name} vs {dtype.name} for feature {key}.")


def _reads(feature: Plan) -> Iterator[tuple[str, DType]]:
    if isinstance(feature, Indexed):
        yield from ((key, int64) for key in feature.index_keys)
        yield feature.value_key, feature.dtype
    else:
        yield feature.key, feature.dtype


def _plan(key: str, feature: Any, allowed: tuple[type[Any], ...]) -> Plan:
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"the key of a feature is text, got {key!r}")
    if not isinstance(feature, allowed):
        names = ", ".join(kind.__name__ for kind in allowed)
        raise ValueError(f"Unsupported feature {key}: {feature!r}; here it may be a {names}.")
    if feature.dtype is None:
        raise ValueError(f"Missing type for feature {key}.")
    dtype = as_dtype(feature.dtype)
    if dtype not in DTYPES:
        raise TypeError(f"feature {key}: dtype must be float32, int64 or string, got {dtype.name}")
    made: Plan = _KINDS[next(kind for kind in _KINDS if isinstance(feature, kind))](key, feature, dtype)
    return made


def fixed(key: str, feature: FixedLenFeature, dtype: DType) -> Fixed:
    """A FixedLenFeature, checked but for its dtype."""
    shape = _shape(key, feature.shape)
    if feature.default_value is None:
        return Fixed(key, dtype, shape)
    default = _default(key, feature.default_value, dtype, shape)
    return Fixed(key, dtype, shape, default if isinstance(default, Computed) else tuple(default.tolist()))


def _steps(key: str, feature: FixedLenSequenceFeature, dtype: DType) -> Steps:
    pad = _default(key, dtype.zero if feature.default_value is None else feature.default_value, dtype, ())
    pad = pad if isinstance(pad, Computed) else pad.item()
    return Steps(key, dtype, _shape(key, feature.shape), pad, bool(feature.allow_missing))


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


def _default(key: str, value: Any, dtype: DType, shape: tuple[int, ...]) -> Any:
    """A default as a flat array of the feature's dtype; Computed() if a run computes it."""
    tensor = computed_tensor(value)
    if tensor is not None:
        if tensor.dtype != dtype or not tensor.shape.is_compatible_with(shape):
            fact = f"default_value must be {dtype.name} of shape {list(shape)}, it is {tensor.dtype.name} of shape "
            raise ValueError(f"feature {key}: {fact}{tensor.shape}")
        return Computed()
    array = to_array(known_value(value), dtype)
    size = int(np.prod(shape, dtype=int))
    if array.size != size:
        fact = f"Cannot reshape a tensor with {array.size} elements to shape {list(shape)} ({size} elements)"
        raise ValueError(f"feature {key}: default_value: {fact}")
    return array.reshape(-1)

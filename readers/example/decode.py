"""Decoding Examples: bytes to arrays, by a plan of features.

Each kind of feature is decoded for all Examples at once; a single Example is a batch of one, without its first axis.
A wrong Example is a `Fault`, which the operations turn into the user's error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow.dtypes import DType, float32, int64, string
from dflow.readers.example.features import Fixed, Indexed, Plan, Ragged, Steps
from dflow.readers.example.proto import Example

Array = np.ndarray[Any, Any]
Row = Mapping[str, Any]  # key -> Feature message

KIND = {float32: "float_list", int64: "int64_list", string: "bytes_list"}
NAMES = {float32: "float", int64: "int64", string: "string"}  # names in messages
COUNTED = NAMES | {string: "bytes"}  # names in messages about numbers of values
_TYPE_OF = {kind: NAMES[dtype] for dtype, kind in KIND.items()}


class Fault(ValueError):
    """The fault of one Example.  index: that of the Example; key: the feature whose values are wrong."""

    def __init__(self, fact: str, index: int, key: str | None = None) -> None:
        super().__init__(fact)
        self.index = index
        self.key = key


class Missing(Fault):
    """A feature without a default is not there."""


def parse(serialized: Sequence[bytes]) -> list[Row]:
    """The features of each Example.  Raises Fault for bytes that are no Example."""
    return [parsed(Example, data, i).features.feature for i, data in enumerate(serialized)]


def parsed(kind: Any, data: bytes, index: int) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        shown = repr(data if len(data) <= 60 else data[:57] + b"...")
        raise Fault(f"Could not parse example input, value: {shown}", index) from None


# -- each kind of feature


def decode(rows: Sequence[Row], plan: Sequence[Plan]) -> list[Array]:
    """All features of a batch: one array for each dense one; indices, values and dense shape for each sparse one."""
    return [array for feature in plan for array in _decode(rows, feature)]


def decode_single(row: Row, plan: Sequence[Plan]) -> list[Array]:
    """All features of one Example: as in a batch of one, without the batch dimension."""
    return [array for feature in plan for array in without_batch(_decode([row], feature))]


def decode_each(rows: Sequence[Row], feature: Plan) -> Sequence[Array | Sequence[Array]]:
    """One feature of single Examples: as from `decode_single`, an array or a list with the parts of all rows."""
    if isinstance(feature, Fixed):
        return [_fixed(rows, feature)]
    if isinstance(feature, Ragged):
        values_of_rows = _all_values(rows, feature.key, feature.dtype)
        sizes = np.array([len(values) for values in values_of_rows], np.int64)
        return [[np.arange(size)[:, np.newaxis] for size in sizes], values_of_rows, sizes[:, np.newaxis]]
    return list(zip(*(decode_single(row, [feature]) for row in rows), strict=True))


def without_batch(arrays: list[Array]) -> list[Array]:
    """A feature of a batch of one as that of a single one."""
    if len(arrays) == 1:
        return [arrays[0][0, ...]]
    indices, values, dense_shape = arrays
    return [indices[:, 1:], values, dense_shape[1:]]


def _decode(rows: Sequence[Row], feature: Plan) -> list[Array]:
    if isinstance(feature, Fixed):
        return [_fixed(rows, feature)]
    if isinstance(feature, Steps):
        return [_steps(rows, feature)]
    if isinstance(feature, Ragged):
        return ragged(_all_values(rows, feature.key, feature.dtype), feature.dtype)
    return _indexed(rows, feature)


def _fixed(rows: Sequence[Row], feature: Fixed) -> Array:
    size = int(np.prod(feature.shape, dtype=int))
    flat: list[Any] = []
    for i, values in enumerate(_each(rows, feature.key, feature.dtype)):
        if values is None:
            if feature.default is None:
                fact = f"(data type: {NAMES[feature.dtype]}) is required but could not be found."
                raise Missing(f"Feature: {feature.key} {fact}", i, feature.key)
            values = feature.default
        elif len(values) != size:
            name, shape = COUNTED[feature.dtype], list(feature.shape)
            fact = f"Number of {name} values != expected.  Values size: {len(values)} but output shape: {shape}"
            raise Fault(fact, i, feature.key)
        flat += values
    return np.array(flat, feature.dtype.numpy_dtype).reshape(len(rows), *feature.shape)


def _steps(rows: Sequence[Row], feature: Steps) -> Array:
    size = int(np.prod(feature.shape, dtype=int))
    values_of_rows = _all_values(rows, feature.key, feature.dtype)
    for i, values in enumerate(values_of_rows):
        if len(values) % size if size else len(values):
            fact = f"Number of {COUNTED[feature.dtype]} values is not a multiple of stride length."
            shape = list(feature.shape)
            raise Fault(f"{fact} Saw {len(values)} values but output shape is: {shape}", i, feature.key)
    longest = max(map(len, values_of_rows), default=0)
    result = np.full((len(rows), longest), feature.pad, feature.dtype.numpy_dtype)
    for i, values in enumerate(values_of_rows):
        result[i, : len(values)] = values
    return result.reshape(len(rows), longest // size if size else 0, *feature.shape)


def ragged(rows: Sequence[Array], dtype: DType) -> list[Array]:
    """Rows of different lengths as a sparse tensor: indices, values, dense shape."""
    lengths = np.array([len(values) for values in rows], np.int64)
    positions = [np.arange(length) for length in lengths]
    indices = np.stack([np.repeat(np.arange(len(rows)), lengths), joined(positions, np.int64)], axis=1)
    dense_shape = np.array([len(rows), lengths.max(initial=0)], np.int64)
    return [indices.astype(np.int64), joined(rows, dtype.numpy_dtype), dense_shape]


def _indexed(rows: Sequence[Row], feature: Indexed) -> list[Array]:
    values_of_rows = _all_values(rows, feature.value_key, feature.dtype)
    axes = [_all_values(rows, key, int64) for key in feature.index_keys]
    indices, values = [], []
    for i, own in enumerate(values_of_rows):
        place = _places(feature, [axis[i] for axis in axes], len(own), i)
        if not feature.is_sorted:
            order = np.lexsort(place.T[::-1])
            place, own = place[order], own[order]
        indices.append(np.concatenate([np.full((len(own), 1), i), place], axis=1))
        values.append(own)
    width = 1 + len(axes)
    all_indices = np.concatenate([np.empty((0, width), np.int64), *indices])
    return [all_indices, joined(values, feature.dtype.numpy_dtype), np.array([len(rows), *feature.size], np.int64)]


def _places(feature: Indexed, axes: Sequence[Array], count: int, index: int) -> Array:
    """The places of the values of one row.  Raises Fault for other numbers of indices, and for those outside."""
    for key, axis, size in zip(feature.index_keys, axes, feature.size, strict=True):
        if len(axis) != count:
            fact = f"it has {count} values in '{feature.value_key}' but {len(axis)} indices in '{key}'"
            raise Fault(fact, index, feature.key)
        outside = axis[(axis < 0) | (axis >= size)]
        if len(outside) and not feature.is_sorted:
            fact = f"index {outside[0]} in '{key}' is out of bounds: it must be >= 0 and < {size}"
            raise Fault(fact, index, feature.key)
    return np.stack(axes, axis=1)


# -- values


def _all_values(rows: Sequence[Row], key: str, dtype: DType) -> list[Array]:
    """The values of a feature in each row: none where it is missing."""
    return [np.array(() if values is None else values, dtype.numpy_dtype) for values in _each(rows, key, dtype)]


def _each(rows: Sequence[Row], key: str, dtype: DType) -> Iterator[Any]:
    """The values of a feature in each row, None where it is missing.  Raises Fault if they are of another type."""
    expected = KIND[dtype]
    for index, row in enumerate(rows):
        feature = row.get(key)
        kind = None if feature is None else feature.WhichOneof("kind")
        if kind is None:
            yield None
        elif kind == expected:
            yield getattr(feature, kind).value
        else:
            fact = f"Data types don't match. Expected type: {NAMES[dtype]}, Actual type: {_TYPE_OF[kind]}"
            raise Fault(fact, index, key)


def joined(arrays: Sequence[Array], dtype: Any) -> Array:
    """The arrays concatenated; an empty array for none."""
    return np.concatenate([np.empty(0, dtype), *arrays])

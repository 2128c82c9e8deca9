"""Decoding SequenceExamples: bytes to arrays, by two plans, one of the context and one of the feature lists.

A single SequenceExample is a batch of one, without its first axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType
from dflow.readers.example.decode import COUNTED, KIND, NAMES, Fault, Row, joined, parsed, ragged
from dflow.readers.example.features import Plan, Steps
from dflow.readers.example.proto import SequenceExample

Array = np.ndarray[Any, Any]
Lists = Mapping[str, Any]  # key -> FeatureList message

_REQUIRED = (
    "is required but could not be found.  Did you mean to include it in feature_list_dense_missing_assumed_empty or "
    "feature_list_dense_defaults?  (allow_missing=True does)"
)


def parse_sequences(serialized: Sequence[bytes]) -> tuple[list[Row], list[Lists]]:
    """The contexts and the feature lists of SequenceExamples.  Raises Fault for bytes that are none."""
    messages = [parsed(SequenceExample, data, i) for i, data in enumerate(serialized)]
    return [it.context.feature for it in messages], [it.feature_lists.feature_list for it in messages]


def decode_lists(rows: Sequence[Lists], plan: Sequence[Plan]) -> tuple[list[list[Array]], list[Array]]:
    """The feature lists of a batch, and the numbers of steps of those with a fixed shape.

    One with a fixed shape is an array [batch, longest, *shape], filled up with zeros or empty strings; another one is
    the indices, values and dense shape of a sparse tensor [batch, steps, values].  Raises Fault.
    """
    decoded, lengths = [], []
    for feature in plan:
        if isinstance(feature, Steps):
            arrays = [_dense(row, feature, i) for i, row in enumerate(rows)]
            lengths.append(np.array([len(array) for array in arrays], np.int64))
            decoded.append([_padded(arrays, feature)])
        else:
            steps = [list(_steps(row.get(feature.key), feature.key, feature.dtype, i)) for i, row in enumerate(rows)]
            decoded.append(_sparse(steps, feature.dtype))
    return decoded, lengths


def _dense(row: Lists, feature: Steps, index: int) -> Array:
    """The steps of one Example, [steps, *shape]."""
    key, shape = feature.key, list(feature.shape)
    messages = row.get(key)
    if messages is None and not feature.may_miss:
        raise Fault(f"Feature list '{key}' {_REQUIRED}", index)
    steps = list(_steps(messages, key, feature.dtype, index))
    size = int(np.prod(feature.shape, dtype=int))
    for place, values in enumerate(steps):
        if len(values) != size:
            fact = f"Number of {COUNTED[feature.dtype]} values != expected.  values size: {len(values)} but output "
            raise Fault(f"Key: {key}, Index: {place}.  {fact}shape: {shape}", index)
    return joined(steps, feature.dtype.numpy_dtype).reshape(len(steps), *feature.shape)


def _steps(messages: Any, key: str, dtype: DType, index: int) -> Iterator[Array]:
    """The values of each step; a step without any kind of values has none."""
    for place, step in enumerate(() if messages is None else messages.feature):
        kind = step.WhichOneof("kind")
        if kind not in (None, KIND[dtype]):
            fact = f"Data types don't match. Expected type: {NAMES[dtype]}  Feature is: {kind}"
            raise Fault(f"Feature list: {key}, Index: {place}.  {fact}", index)
        yield np.array(() if kind is None else getattr(step, kind).value, dtype.numpy_dtype)


def _padded(arrays: Sequence[Array], feature: Steps) -> Array:
    longest = max(map(len, arrays), default=0)
    result = np.full((len(arrays), longest, *feature.shape), feature.dtype.zero, feature.dtype.numpy_dtype)
    for row, array in zip(result, arrays, strict=True):
        row[: len(array)] = array
    return result


def _sparse(rows: Sequence[Sequence[Array]], dtype: DType) -> list[Array]:
    """[batch, steps, values]"""
    parts = [ragged(steps, dtype) for steps in rows]
    places = np.repeat(np.arange(len(rows)), [len(values) for _, values, _ in parts])
    inner = np.concatenate([np.empty((0, 2), np.int64), *(indices for indices, _, _ in parts)])
    sizes = np.max([shape for _, _, shape in parts], axis=0, initial=0) if parts else (0, 0)
    indices = np.column_stack([places, inner]).astype(np.int64)
    return [indices, joined([values for _, values, _ in parts], dtype.numpy_dtype), np.array([len(rows), *sizes])]

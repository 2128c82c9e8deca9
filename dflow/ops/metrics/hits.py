"""Which of k predicted classes are among the labels, row by row.

Labels are dense, [..., m], or sparse, of the same shape; each row stands for a set.  The operations count with masks:
[rows, k, m] comparisons, no loop over rows.
Source: the set operations of metrics_impl of TensorFlow 1.15, which needs several of them for one count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import float64, int64
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.array.cast import cast
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.sparse_tensor import SparseTensor, SparseTensorValue
from dflow.specs import TensorSpec

__all__ = ["counts_at_k", "relevance_at_k"]

Array = np.ndarray[Any, Any]


def counts_at_k(labels: Any, predictions_idx: Tensor, class_id: int | None) -> Sequence[Tensor]:
    """True positives, false positives and false negatives of each row, float64 [...].

    labels: int64 [..., m], dense or sparse, or [...] for one label a row; predictions_idx: int64 [..., k].
    class_id: the only class that counts; None: all.
    """
    return create_op("CountsAtK", predictions_idx, *_parts(labels), class_id=class_id).outputs


def relevance_at_k(labels: Any, predictions_idx: Tensor, num_classes: Any) -> Sequence[Tensor]:
    """Which predictions are among the labels, 0 or 1, float64 [..., k], and how many labels a row has, float64 [...].

    Labels outside of [0, num_classes) do not count if they are dense; if they are sparse, they count as one.
    """
    return create_op("RelevanceAtK", num_classes, predictions_idx, *_parts(labels)).outputs


def _parts(labels: Any) -> list[Tensor]:
    """The labels as one dense tensor, or as the three tensors of a sparse one."""
    if isinstance(labels, SparseTensorValue):
        labels = SparseTensor.from_value(labels)
    if isinstance(labels, SparseTensor):
        return [labels.indices, cast(labels.values, int64), labels.dense_shape]
    return [cast(convert_to_tensor(labels), int64)]


def _masked(predictions: Array, labels: Sequence[Array]) -> tuple[Array, Array]:
    """The labels as [rows, m], and which of these are there, one row for each row of the predictions."""
    rows = predictions.reshape(-1, predictions.shape[-1]).shape[0] if predictions.shape[-1] else 0
    if len(labels) == 1:
        (dense,) = labels
        if dense.ndim == predictions.ndim - 1:
            dense = dense[..., None]
        _check_rows(predictions, dense.shape)
        table = dense.reshape(rows, -1) if dense.size else np.zeros((rows, 0), dense.dtype)
        return table, np.ones(table.shape, bool)
    indices, values, sizes = labels
    if len(sizes) == predictions.ndim - 1:
        indices = np.concatenate([indices, np.zeros_like(indices[:, :1])], axis=1)
        sizes = np.append(sizes, 1)
    _check_rows(predictions, sizes)
    table = np.zeros((rows, int(sizes[-1])), np.int64)
    there = np.zeros(table.shape, bool)
    row = np.ravel_multi_index(tuple(indices[:, :-1].T), tuple(sizes[:-1])) if len(sizes) > 1 else 0
    table[row, indices[:, -1]] = values
    there[row, indices[:, -1]] = True
    return table, there


def _check_rows(predictions: Array, sizes: Any) -> None:
    if tuple(int(size) for size in sizes[:-1]) != tuple(predictions.shape[:-1]):
        raise InvalidArgumentError(
            None,
            None,
            f"labels of shape {[int(size) for size in sizes]} do not have the rows of predictions of shape "
            f"{list(predictions.shape)}",
        )


def _first_of_equals(table: Array, there: Array) -> Array:
    """`there`, without what is equal to something before it in its row."""
    equal = table[:, :, None] == table[:, None, :]
    before = np.tri(table.shape[1], k=-1, dtype=bool)
    first: Array = there & ~(equal & before & there[:, None, :]).any(axis=2)
    return first


def _counts_kernel(predictions: Any, *labels: Any, class_id: int | None) -> tuple[Array, ...]:
    predictions = np.asarray(predictions)
    table, there = _masked(predictions, [np.asarray(part) for part in labels])
    guesses = predictions.reshape(table.shape[0], -1)
    guessed = np.ones(guesses.shape, bool)
    if class_id is not None:
        there, guessed = there & (table == class_id), guesses == class_id
    there, guessed = _first_of_equals(table, there), _first_of_equals(guesses, guessed)
    both = (guesses[:, :, None] == table[:, None, :]) & there[:, None, :] & guessed[:, :, None]
    hits = both.any(axis=2).sum(axis=1)
    counts = hits, guessed.sum(axis=1) - hits, there.sum(axis=1) - hits
    return tuple(count.reshape(predictions.shape[:-1]).astype(np.float64) for count in counts)


def _relevance_kernel(num_classes: Any, predictions: Any, *labels: Any) -> tuple[Array, Array]:
    predictions = np.asarray(predictions)
    table, there = _masked(predictions, [np.asarray(part) for part in labels])
    table = np.where((table >= 0) & (table < int(num_classes)), table, -1)
    guesses = predictions.reshape(table.shape[0], -1)
    hits = ((guesses[:, :, None] == table[:, None, :]) & there[:, None, :]).any(axis=2)
    relevant = (table >= 0) if len(labels) == 1 else _first_of_equals(table, there)
    rows = predictions.shape[:-1]
    return hits.reshape(predictions.shape).astype(np.float64), relevant.sum(axis=1).reshape(rows).astype(np.float64)


def _row_spec(predictions: TensorSpec) -> TensorSpec:
    known = predictions.shape.ndims is not None
    return TensorSpec(predictions.shape[:-1] if known else UNKNOWN_SHAPE, float64)


def _counts_spec(predictions: TensorSpec, *labels: TensorSpec, class_id: int | None) -> list[TensorSpec]:
    return [_row_spec(predictions)] * 3


def _relevance_spec(num_classes: TensorSpec, predictions: TensorSpec, *labels: TensorSpec) -> list[TensorSpec]:
    return [TensorSpec(predictions.shape, float64), _row_spec(predictions)]


_COUNTS = no_gradient("a count is a step function")

define("CountsAtK", spec=_counts_spec, kernel=_counts_kernel, gradient=_COUNTS, host_only=True)
define("RelevanceAtK", spec=_relevance_spec, kernel=_relevance_kernel, gradient=_COUNTS, host_only=True)

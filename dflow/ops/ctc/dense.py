"""The loss of sequences of labels that are dense, and labels prepared for it.

Source: tf.nn.ctc_loss_v2, tf.nn.ctc_unique_labels, tf.nn.collapse_repeated of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import bool_, int32, int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones_like
from dflow.ops.array.gather import boolean_mask
from dflow.ops.array.gather_nd import gather_nd, scatter_nd
from dflow.ops.array.mask import sequence_mask
from dflow.ops.array.pad import pad
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, shape, size
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.unique import unique as unique_values
from dflow.ops.control_flow.functional import map_fn
from dflow.ops.ctc.loss import ctc_loss
from dflow.ops.math.compare import less, logical_and, not_equal, where
from dflow.ops.math.reduction import reduce_max, reduce_sum
from dflow.ops.rules.blocks import named
from dflow.sparse_tensor import SparseTensor

__all__ = ["collapse_repeated", "ctc_loss_v2", "ctc_unique_labels"]

_PARTS = slice(None, -1), slice(1, None), slice(None, 1)


def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Tensor:
    """The loss of each sequence, as `ctc_loss`: [n].

    labels: int32 [n, labels], of which `label_length` count, int32 [n]; or a SparseTensor.  logits: [time, n, classes],
    or [n, time, classes] if not logits_time_major; logit_length: int32 [n].  blank_index: the class of the blank,
    negative ones count from the end; 0 if it is not given, ValueError if it is not given for a SparseTensor.
    unique: accepted for TensorFlow 1 programs; the loss needs no preparation.
    """
    if isinstance(labels, SparseTensor) and blank_index is None:
        raise ValueError("blank_index must be given when using SparseTensor labels.")
    with named(name, "ctc_loss_dense", (logits, labels, label_length, logit_length)):
        x = convert_to_tensor(logits, name="logits")
        blank = 0 if blank_index is None else blank_index
        if blank < 0:
            blank += _classes(x)
        if not isinstance(labels, SparseTensor):
            labels = _as_sparse(convert_to_tensor(labels, name="labels"), label_length)
        if blank != _classes(x) - 1:
            parts = (slice(None, blank), slice(blank + 1, None), slice(blank, blank + 1))
            x = concat([get_item(x, (Ellipsis, part)) for part in parts], 2)
            values = cast(labels.values, int32)
            labels = SparseTensor(labels.indices, where(less(values, blank), values, values - 1), labels.dense_shape)
        lengths = cast(logit_length, int32)
        return ctc_loss(labels, x, lengths, time_major=logits_time_major)


def _classes(x: Tensor) -> int:
    classes = x.spec.shape.with_rank(3)[2]
    if classes is None:
        raise ValueError(f"the number of classes must be known, the shape of the logits is {x.shape}")
    return int(classes)


def _as_sparse(labels: Tensor, lengths: Any) -> SparseTensor:
    """The first labels of each row, as many as its length."""
    places = where(sequence_mask(lengths, get_item(shape(labels), 1)))
    return SparseTensor(places, cast(gather_nd(labels, places), int32), cast(shape(labels), int64))


def ctc_unique_labels(labels: Any, name: str | None = None) -> list[Tensor]:
    """The different labels of each row, filled up with zeros, and the place of each label among them.

    labels: integers, [n, labels] -> int64 and int32, of the same shape.
    """
    with named(name, "ctc_unique_labels", (labels,)):
        labels = convert_to_tensor(labels, name="labels")

        def of_row(row: Tensor) -> list[Tensor]:
            values, places = unique_values(row)
            missing = get_item(shape(row), 0) - get_item(shape(values), 0)
            return [cast(pad(values, [[0, missing]]), int64), places]

        result: list[Tensor] = map_fn(of_row, labels, dtype=[int64, int32])
        return result


def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The labels of each row without those that repeat the one before, filled up with zeros, and their numbers.

    labels: [n, labels], of which `seq_length` count, [n] -> [n, the largest number], [n].
    """
    with named(name, "collapse_repeated_labels", (labels, seq_length)):
        labels = convert_to_tensor(labels, name="labels")
        seq_length = convert_to_tensor(seq_length, name="seq_length")
        before, after, first = (get_item(labels, (slice(None), part)) for part in _PARTS)
        kept = concat([ones_like(first, dtype=bool_), not_equal(after, before)], 1)
        kept = logical_and(kept, sequence_mask(seq_length, get_item(shape(labels), 1)))
        lengths = reduce_sum(cast(kept, int32), 1)
        longest = reduce_max(lengths)
        filled = reshape(sequence_mask(lengths, longest), [-1])
        places = boolean_mask(range_(size(filled)), filled)
        values = boolean_mask(reshape(labels, [-1]), reshape(kept, [-1]))
        flat = scatter_nd(expand_dims(places, 1), values, expand_dims(size(filled), 0))
        rows = get_item(shape(labels), 0)
        return reshape(flat, stack([rows, longest])), cast(lengths, seq_length.dtype)

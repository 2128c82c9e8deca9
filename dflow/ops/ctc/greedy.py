"""The labels that the most probable class of each time says.  Source: tf.nn.ctc_greedy_decoder of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import int32, int64
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.ctc.loss import check_sequences
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["as_sparse", "ctc_greedy_decoder", "decoder_specs"]

Array = np.ndarray[Any, Any]


def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The labels of each sequence as one int64 SparseTensor [n, labels], and -sum of the largest logits: [n, 1].

    inputs: [time, n, classes], float32 or float64; the last class is the blank.  sequence_length: int32 [n].
    merge_repeated: equal classes one after the other are one label.
    """
    op = create_op(
        "CTCGreedyDecoder",
        convert_to_tensor(inputs),
        convert_to_tensor(sequence_length),
        merge_repeated=bool(merge_repeated),
    )
    indices, values, shape, log_probability = op.outputs
    return [SparseTensor(indices, values, shape)], log_probability


def decoder_specs(x: TensorSpec, lengths: TensorSpec, paths: int) -> list[TensorSpec]:
    """The specs of a decoder's outputs: indices, values and shapes of each path, and log(probability)."""
    only(x, x.dtype.name in ("float32", "float64"), "float32 and float64")
    only(lengths, lengths.dtype == int32, "int32 lengths")
    rows = TensorShape([x.shape.with_rank(3)[1]]).merge_with(lengths.shape)
    indices = TensorSpec(TensorShape([None, 2]), int64)
    values, shape = TensorSpec(TensorShape([None]), int64), TensorSpec(TensorShape([2]), int64)
    parts = (indices,) * paths, (values,) * paths, (shape,) * paths
    return [*(spec for part in parts for spec in part), TensorSpec(rows.concatenate(paths), x.dtype)]


def as_sparse(rows: Sequence[Array]) -> tuple[Array, Array, Array]:
    """The indices, the values and the shape of rows of labels."""
    sizes = [len(row) for row in rows]
    places = [np.arange(size) for size in sizes]
    indices = np.stack([np.repeat(np.arange(len(rows)), sizes), np.concatenate(places)], axis=1)
    shape = np.array([len(rows), max(sizes, default=0)], np.int64)
    return indices.astype(np.int64), np.concatenate(rows).astype(np.int64), shape


def _kernel(x: Any, lengths: Any, merge_repeated: bool) -> tuple[Array, ...]:
    x, lengths = np.asarray(x), np.asarray(lengths)
    check_sequences(x, lengths)
    inside = np.arange(len(x))[:, None] < lengths
    classes = x.argmax(axis=2)
    said = inside & (classes != x.shape[2] - 1)
    if merge_repeated:
        said[1:] &= classes[1:] != classes[:-1]
    rows = [classes[said[:, row], row] for row in range(x.shape[1])]
    largest = np.where(inside, x.max(axis=2), 0).sum(axis=0, dtype=x.dtype)
    return *as_sparse(rows), -largest[:, None]


define(
    "CTCGreedyDecoder",
    spec=lambda x, lengths, merge_repeated: decoder_specs(x, lengths, 1),
    kernel=_kernel,
    gradient=no_gradient("labels are integers"),
    host_only=True,
)

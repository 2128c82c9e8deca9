"""The negative logarithm of the probability of all ways in which a sequence of outputs says its labels.

The kernel goes along the time axis once forwards and once backwards, for all sequences and all labels at once.
Source: tf.nn.ctc_loss of TensorFlow 1.15; A. Graves: Supervised Sequence Labelling, 2012, equations 7.5 to 7.26.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int32, int64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, convert_to_tensor, create_op
from dflow.ops.array.shape import expand_dims
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import multiply
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["ctc_loss"]

Array = np.ndarray[Any, Any]


def ctc_loss(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """The loss of each sequence: [n].

    labels: an int32 SparseTensor [n, labels]; inputs (or logits): [time, n, classes], floating, or [n, time, classes]
    if not time_major; the last class is the blank, which says nothing.  sequence_length: int32 [n].
    preprocess_collapse_repeated: equal labels one after the other are one.  ctc_merge_repeated: so are equal outputs.
    ignore_longer_outputs_than_inputs: a sequence that is too short for its labels has the loss 0.
    TypeError for labels that are not sparse; InvalidArgumentError at run time for labels and lengths that do not fit.
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError("Expected labels (first argument) to be a SparseTensor")
    if inputs is not None and logits is not None:
        raise ValueError("Cannot specify both 'logits' and 'inputs'")
    x = convert_to_tensor(inputs if logits is None else logits)
    if not time_major:
        x = transpose(x, [1, 0, 2])
    op = create_op(
        "CTCLoss",
        x,
        labels.indices,
        labels.values,
        convert_to_tensor(sequence_length),
        preprocess_collapse_repeated=bool(preprocess_collapse_repeated),
        ctc_merge_repeated=bool(ctc_merge_repeated),
        ignore_longer_outputs_than_inputs=bool(ignore_longer_outputs_than_inputs),
    )
    return op.outputs[0]


def _spec(
    x: TensorSpec, indices: TensorSpec, values: TensorSpec, lengths: TensorSpec, **attrs: Any
) -> list[TensorSpec]:
    only(x, x.dtype.name in ("float32", "float64"), "float32 and float64")
    only(indices, indices.dtype == int64, "int64 indices")
    only(values, values.dtype == int32, "int32 labels")
    only(lengths, lengths.dtype == int32, "int32 lengths")
    rows = TensorShape([x.shape.with_rank(3)[1]]).merge_with(lengths.shape)
    indices.shape.with_rank(2)
    values.shape.with_rank(1)
    return [TensorSpec(rows, x.dtype), x]


def _kernel(
    x: Any,
    indices: Any,
    values: Any,
    lengths: Any,
    preprocess_collapse_repeated: bool,
    ctc_merge_repeated: bool,
    ignore_longer_outputs_than_inputs: bool,
) -> tuple[Array, Array]:
    x, lengths = np.asarray(x), np.asarray(lengths)
    check_sequences(x, lengths)
    labels = _rows(np.asarray(indices), np.asarray(values), x.shape[1])
    if (empty := next((row for row, it in enumerate(labels) if not len(it)), None)) is not None:
        raise InvalidArgumentError(None, None, f"Labels length is zero in batch {empty}")
    blank = x.shape[2] - 1
    targets = [_target(row, blank, preprocess_collapse_repeated, i) for i, row in enumerate(labels)]
    kept = _long_enough(targets, lengths, ctc_merge_repeated, ignore_longer_outputs_than_inputs)
    logs = log_softmax(x.astype(np.float64))
    loss, gradient = _losses(logs, _with_blanks(targets, blank), lengths * kept, blank, ctc_merge_repeated)
    return loss.astype(x.dtype), gradient.astype(x.dtype)


def check_sequences(x: Array, lengths: Array) -> None:
    """InvalidArgumentError unless there is one length for each sequence, and none is longer than the inputs."""
    if x.ndim != 3:
        raise InvalidArgumentError(None, None, "inputs is not a 3-Tensor")
    if lengths.shape != x.shape[1:2]:
        sizes = f"len(sequence_length):  {lengths.size} batch_size: {x.shape[1]}"
        raise InvalidArgumentError(None, None, f"len(sequence_length) != batch_size.  {sizes}")
    if x.shape[1] == 0:
        raise InvalidArgumentError(None, None, "batch_size must not be 0")
    wrong = np.flatnonzero((lengths > x.shape[0]) | (lengths < 0))
    if wrong.size:
        raise InvalidArgumentError(None, None, f"sequence_length({wrong[0]}) <= {x.shape[0]}")


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # type: ignore[no-any-return]


def _rows(indices: Array, values: Array, rows: int) -> list[Array]:
    """The labels of each sequence, in order."""
    if indices.shape[0] != values.shape[0]:
        raise InvalidArgumentError(None, None, "labels_indices and labels_values must contain the same number of rows")
    if indices.size and not (indices[:, 0].min() >= 0 and indices[:, 0].max() < rows):
        raise InvalidArgumentError(None, None, f"label batch indices must be in [0, {rows})")
    return np.split(values, np.searchsorted(indices[:, 0], np.arange(1, rows)))


def _target(labels: Array, blank: int, collapse: bool, row: int) -> Array:
    """The labels before the first one that is none, without repetitions if these are to collapse."""
    none = np.flatnonzero((labels >= blank) | (labels < 0))
    if none.size:
        after = labels[none[0] :]
        if (after < blank).any():
            raise InvalidArgumentError(
                None, None, f"Saw a non-null label (index >= num_classes - 1) following a null label, batch: {row}"
            )
        labels = labels[: none[0]]
    return labels[np.append(True, labels[1:] != labels[:-1])[: len(labels)]] if collapse else labels


def _long_enough(targets: list[Array], lengths: Array, merge: bool, ignore: bool) -> Array:
    """Which sequences are long enough for their labels; InvalidArgumentError for others, unless they are ignored."""
    repeated = [int((it[1:] == it[:-1]).sum()) if merge else 0 for it in targets]
    required = np.array([len(it) for it in targets]) + np.array(repeated)
    short = np.flatnonzero((required > lengths) & (lengths > 0))
    if short.size and not ignore:
        row = short[0]
        raise InvalidArgumentError(
            None,
            None,
            f"Not enough time for target transition sequence (required: {required[row]}, available: {lengths[row]}) "
            f"{row}. You can turn this error into a warning by using the flag ignore_longer_outputs_than_inputs",
        )
    kept: Array = required <= lengths
    return kept


def _with_blanks(targets: list[Array], blank: int) -> tuple[Array, Array]:
    """The labels with blanks between and around them, filled up with blanks, and the number of these of each row."""
    sizes = np.array([2 * len(it) + 1 for it in targets])
    table = np.full((len(targets), int(sizes.max())), blank, np.int64)
    for row, target in enumerate(targets):
        table[row, 1 : 2 * len(target) : 2] = target
    return table, sizes


def _losses(logs: Array, states: tuple[Array, Array], lengths: Array, blank: int, merge: bool) -> tuple[Array, Array]:
    """The loss of each sequence, and its gradient with respect to the inputs."""
    table, sizes = states
    time, rows = logs.shape[:2]
    there = np.arange(table.shape[1]) < sizes[:, None]
    said = np.take_along_axis(logs, np.broadcast_to(table, (time, *table.shape)), axis=2)
    said = np.where(there, said, -np.inf)
    stays = np.full(table.shape, 0.0) if merge else np.where(table == blank, 0.0, -np.inf)
    differs = table[:, 2:] != table[:, :-2] if merge else np.ones(table[:, 2:].shape, bool)
    skips = np.where((table[:, 2:] != blank) & differs, 0.0, -np.inf)
    forwards = _forwards(said, stays, skips)
    backwards = _backwards(said, stays, skips, sizes, lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        last = forwards[np.maximum(lengths - 1, 0), np.arange(rows)]
        ends = np.take_along_axis(last, np.stack([sizes - 1, np.maximum(sizes - 2, 0)], axis=1), axis=1)
        ends[:, 1] = np.where(sizes > 1, ends[:, 1], -np.inf)
        total = np.logaddexp(ends[:, 0], ends[:, 1])
    used = lengths > 0
    gradient = _gradient(logs, forwards + backwards, total, table, lengths)
    return np.where(used, -total, 0.0), gradient


def _forwards(said: Array, stays: Array, skips: Array) -> Array:
    """The logarithm of the probability to be at each label at each time, after all that was said till then."""
    result = np.full(said.shape, -np.inf)
    result[0, :, :2] = said[0, :, :2]
    for t in range(1, len(said)):
        before = result[t - 1]
        here = before + stays
        here[:, 1:] = np.logaddexp(here[:, 1:], before[:, :-1])
        here[:, 2:] = np.logaddexp(here[:, 2:], before[:, :-2] + skips)
        result[t] = here + said[t]
    return result


def _backwards(said: Array, stays: Array, skips: Array, sizes: Array, lengths: Array) -> Array:
    """The logarithm of the probability of all that is said after each time, from each label on."""
    result = np.full(said.shape, -np.inf)
    places = np.arange(said.shape[2])
    ends = np.where((places >= sizes[:, None] - 2) & (places < sizes[:, None]), 0.0, -np.inf)
    for t in reversed(range(len(said))):
        if t + 1 < len(said):
            after = result[t + 1] + said[t + 1]
            here = after + stays
            here[:, :-1] = np.logaddexp(here[:, :-1], after[:, 1:])
            here[:, :-2] = np.logaddexp(here[:, :-2], after[:, 2:] + skips)
            result[t] = here
        at_end = np.equal(lengths - 1, t)
        result[t] = np.where(at_end[:, None], ends, result[t])
    return result


def _gradient(logs: Array, through: Array, total: Array, table: Array, lengths: Array) -> Array:
    """softmax - how probable each class is at each time, if the labels are said; 0 after the end of a sequence."""
    possible = np.isfinite(total)
    gradient = np.exp(logs)
    shares = np.exp(through - np.where(possible, total, 0.0)[:, None])
    rows = np.arange(logs.shape[1])
    for place in range(table.shape[1]):  # a class may be at several places
        gradient[:, rows, table[:, place]] -= shares[:, :, place]
    inside = (np.arange(len(logs))[:, None] < lengths) & possible
    return np.where(inside[:, :, None], gradient, 0.0)


def _op_gradient(op: Operation, dloss: Tensor, dgradient: Tensor) -> tuple[Tensor | None, ...]:
    return multiply(expand_dims(dloss, -1), op.outputs[1]), None, None, None


define("CTCLoss", spec=_spec, kernel=_kernel, gradient=_op_gradient, host_only=True)

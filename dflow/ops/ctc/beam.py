"""The most probable labels of sequences, by a search that keeps some of the best beginnings at each time.

Source: tf.nn.ctc_beam_search_decoder of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.ctc.greedy import as_sparse, decoder_specs
from dflow.ops.ctc.loss import check_sequences, log_softmax
from dflow.registry import define, no_gradient
from dflow.sparse_tensor import SparseTensor

__all__ = ["ctc_beam_search_decoder", "ctc_beam_search_decoder_v2"]

Array = np.ndarray[Any, Any]


def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The `top_paths` most probable labels: an int64 SparseTensor [n, labels] each, and log(probability): [n, paths].

    inputs: [time, n, classes], float32 or float64; the last class is the blank.  sequence_length: int32 [n].
    beam_width: how many beginnings are kept.  merge_repeated: equal labels one after the other are one in the result.
    InvalidArgumentError at run time for more paths than the beam is wide.
    """
    op = create_op(
        "CTCBeamSearchDecoder",
        convert_to_tensor(inputs),
        convert_to_tensor(sequence_length),
        beam_width=int(beam_width),
        top_paths=int(top_paths),
        merge_repeated=bool(merge_repeated),
    )
    parts = [op.outputs[i * top_paths : (i + 1) * top_paths] for i in range(3)]
    return [SparseTensor(*part) for part in zip(*parts, strict=True)], op.outputs[-1]


def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """As `ctc_beam_search_decoder`, with labels as they are.  Source: tf.nn.ctc_beam_search_decoder_v2."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)


class _Beam:
    """The best beginnings of one sequence, the best one first.

    ends: the beginning's node; blank, label: log(probability) of all ways to say it that end with a blank, with its
    last label.  A node is a beginning: the node without its last label, and that label; node 0 is nothing.
    """

    def __init__(self, width: int, classes: int) -> None:
        self._width = width
        self._blank_class = classes - 1
        self._parent, self._last = [-1], [-1]
        self._children: dict[tuple[int, int], int] = {}
        self.ends = np.zeros(1, np.int64)
        self.blank = np.zeros(1)
        self.label = np.full(1, -np.inf)

    @property
    def total(self) -> Array:
        total: Array = np.logaddexp(self.blank, self.label)
        return total

    def step(self, logs: Array) -> None:
        """Go on by one time, with log(probability) of each class."""
        old_total = self.total
        last = np.array([self._last[node] for node in self.ends])
        same, longer = self._same(logs, old_total, last), self._longer(logs, old_total, last)
        totals = np.concatenate([np.logaddexp(*same), longer.reshape(-1)])
        kept = np.argsort(-totals, kind="stable")[: self._width]
        kept = kept[np.isfinite(totals[kept])]
        self._keep(kept, same, longer)

    def _same(self, logs: Array, old_total: Array, last: Array) -> tuple[Array, Array]:
        """The beginnings that stay as they are: by a blank, and by their last label."""
        blank = old_total + logs[self._blank_class]
        place = {int(node): i for i, node in enumerate(self.ends)}
        parents = np.array([place.get(self._parent[node], -1) for node in self.ends])
        repeats = last == np.array([self._last[max(self._parent[node], 0)] for node in self.ends])
        from_parent = np.where(repeats, self.blank[parents], old_total[parents])
        label = np.logaddexp(self.label, np.where(parents >= 0, from_parent, -np.inf))
        return blank, np.where(last >= 0, label + logs[last], -np.inf)

    def _longer(self, logs: Array, old_total: Array, last: Array) -> Array:
        """One label more: [beginnings, labels]; what is in the beam already is in `_same`."""
        longer = old_total[:, None] + logs[None, : self._blank_class]
        rows = np.flatnonzero(last >= 0)
        longer[rows, last[rows]] = self.blank[rows] + logs[last[rows]]
        place = {int(node): i for i, node in enumerate(self.ends)}
        for node in self.ends:
            parent = place.get(self._parent[node])
            if parent is not None:
                longer[parent, self._last[node]] = -np.inf
        return longer

    def _keep(self, kept: Array, same: tuple[Array, Array], longer: Array) -> None:
        count = len(self.ends)
        ends, blank, label = [], [], []
        for choice in kept.tolist():
            if choice < count:
                ends.append(int(self.ends[choice]))
                blank.append(same[0][choice])
                label.append(same[1][choice])
            else:
                row, last = divmod(choice - count, longer.shape[1])
                ends.append(self._child(int(self.ends[row]), last))
                blank.append(-np.inf)
                label.append(longer[row, last])
        self.ends, self.blank, self.label = np.array(ends, np.int64), np.array(blank), np.array(label)

    def _child(self, node: int, label: int) -> int:
        key = (node, label)
        if key not in self._children:
            self._children[key] = len(self._parent)
            self._parent.append(node)
            self._last.append(label)
        return self._children[key]

    def labels(self, place: int, merge: bool) -> Array:
        """The labels of a beginning; merge: equal ones one after the other are one."""
        node, found = int(self.ends[place]), []
        while node:
            found.append(self._last[node])
            node = self._parent[node]
        labels = np.array(found[::-1], np.int64)
        return labels[np.append(True, labels[1:] != labels[:-1])[: len(labels)]] if merge else labels


def _kernel(x: Any, lengths: Any, beam_width: int, top_paths: int, merge_repeated: bool) -> tuple[Array, ...]:
    x, lengths = np.asarray(x), np.asarray(lengths)
    check_sequences(x, lengths)
    if top_paths > beam_width:
        raise InvalidArgumentError(None, None, "requested more paths than the beam width.")
    logs = log_softmax(x.astype(np.float64))
    beams = []
    for row in range(x.shape[1]):
        beam = _Beam(beam_width, x.shape[2])
        with np.errstate(invalid="ignore"):
            for t in range(int(lengths[row])):
                beam.step(logs[t, row])
        if len(beam.ends) < top_paths:
            raise InvalidArgumentError(None, None, "Less leaves in the beam search than requested.")
        beams.append(beam)
    paths = [as_sparse([beam.labels(path, merge_repeated) for beam in beams]) for path in range(top_paths)]
    parts = [part for kind in zip(*paths, strict=True) for part in kind]
    return *parts, np.stack([beam.total[:top_paths] for beam in beams]).astype(x.dtype)


define(
    "CTCBeamSearchDecoder",
    spec=lambda x, lengths, beam_width, top_paths, merge_repeated: decoder_specs(x, lengths, top_paths),
    kernel=_kernel,
    gradient=no_gradient("labels are integers"),
    host_only=True,
)

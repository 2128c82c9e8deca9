"""The distance of sequences: how many values have to be added, removed or replaced.

Source: array_ops.edit_distance of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import float32, int64
from dflow.graph import Tensor, add_op
from dflow.ops.rules.ranks import bracketed, exactly, require, same_size
from dflow.ops.rules.static import known_value, only, same_dtype
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, SparseTensorValue
from dflow.specs import TensorSpec

__all__ = ["edit_distance"]

Array = np.ndarray[Any, Any]


def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """The edit distance of each sequence of `hypothesis` to the one of `truth` at the same place.

    hypothesis, truth: SparseTensors of one dtype and one rank, whose last axis is that of the sequences; normalize:
    divide by the length of the true sequence; infinite for an empty one, unless both are empty -> float32, with the
    axes before the last one.  TypeError for anything else than a SparseTensor.
    """
    if not isinstance(hypothesis, (SparseTensor, SparseTensorValue)):
        raise TypeError("Hypothesis must be a SparseTensor.")
    if not isinstance(truth, (SparseTensor, SparseTensorValue)):
        raise TypeError("Truth must be a SparseTensor.")
    found, wanted = SparseTensor.from_value(hypothesis), SparseTensor.from_value(truth)
    result: Tensor = add_op(
        "EditDistance",
        *(found.indices, found.values, found.dense_shape, wanted.indices, wanted.values, wanted.dense_shape),
        name=name,
        normalize=bool(normalize),
    )
    a, b = known_value(found.dense_shape), known_value(wanted.dense_shape)
    if a is not None and b is not None and a.shape == b.shape:
        result.set_shape(np.maximum(a, b)[:-1].tolist())
    return result


def _spec(
    places: TensorSpec,
    values: TensorSpec,
    sizes: TensorSpec,
    true_places: TensorSpec,
    true_values: TensorSpec,
    true_sizes: TensorSpec,
    normalize: bool,
) -> TensorSpec:
    same_dtype(values, true_values)
    rank = None
    for spec in (places, true_places):
        only(spec, spec.dtype == int64, "int64 as indices")
        exactly(spec, 2)
    for spec in (values, true_values):
        exactly(spec, 1)
    rank = same_size(sizes, true_sizes)[0]
    return TensorSpec(TensorShape(None if rank is None else [None] * max(rank - 1, 0)), float32)


def _kernel(
    places: Array, values: Array, sizes: Array, true_places: Array, true_values: Array, true_sizes: Array,
    normalize: bool,
) -> Array:  # fmt: skip
    require(places.ndim == 2, f"hypothesis_indices should be a matrix, but got shape: {bracketed(places.shape)}")
    require(true_places.ndim == 2, f"truth_indices should be a matrix, but got shape: {bracketed(true_places.shape)}")
    for array in (values, sizes, true_values, true_sizes):
        require(array.ndim == 1, f"values and shapes should be vectors, but got shape: {bracketed(array.shape)}")
    require(len(values) == len(places), f"{len(values)} values for {len(places)} indices of the hypothesis")
    require(len(true_values) == len(true_places), f"{len(true_values)} values for {len(true_places)} indices of truth")
    require(len(sizes) == len(true_sizes), "truth and hypothesis have different ranks")
    require(len(sizes) >= 2, f"the shapes should have at least 2 elements, but got {bracketed(sizes)}")
    require(places.shape[1] == len(sizes), f"indices of the hypothesis have {places.shape[1]} numbers, its shape has "
            f"{len(sizes)}")  # fmt: skip
    require(true_places.shape[1] == len(sizes), f"indices of truth have {true_places.shape[1]} numbers, its shape has "
            f"{len(sizes)}")  # fmt: skip
    result = np.zeros(np.maximum(sizes, true_sizes)[:-1], np.float32)
    found, wanted = _sequences(places, values), _sequences(true_places, true_values)
    pairs = sorted(found.keys() | wanted.keys())
    for place in pairs:
        require(
            all(0 <= number < size for number, size in zip(place, result.shape, strict=True)),
            f"index {list(place)} is outside of the shape {list(result.shape)}",
        )
    if pairs:
        lists = [[them.get(place, values[:0]) for place in pairs] for them in (found, wanted)]
        distances = _distances(*lists)
        if normalize:
            lengths, others = ([len(it) for it in them] for them in lists)
            with np.errstate(divide="ignore", invalid="ignore"):
                distances = np.where(np.equal(lengths, 0) & np.equal(others, 0), 0, distances / others)
        result[tuple(np.transpose(pairs))] = distances
    return result


def _sequences(places: Array, values: Array) -> dict[tuple[int, ...], Array]:
    """The sequence at each place that has one; the indices are in order."""
    if not len(places):
        return {}
    outer = places[:, :-1]
    starts = np.flatnonzero(np.concatenate([[True], (outer[1:] != outer[:-1]).any(axis=1)]))
    ends = [*starts[1:].tolist(), len(places)]
    return {tuple(outer[a].tolist()): values[a:b] for a, b in zip(starts.tolist(), ends, strict=True)}


def _distances(found: list[Array], wanted: list[Array]) -> Array:
    """The edit distance of each pair, all of them together: a row of the table of prefixes at a time."""
    ours, theirs = _filled(found), _filled(wanted)
    places = np.arange(theirs.shape[1] + 1)
    row = np.broadcast_to(places, (len(found), len(places)))
    rows = [row]
    for i in range(ours.shape[1]):
        replaced = row[:, :-1] + (theirs != ours[:, i : i + 1])
        best = np.concatenate([np.full((len(found), 1), i + 1), np.minimum(replaced, row[:, 1:] + 1)], axis=1)
        row = np.minimum.accumulate(best - places, axis=1) + places  # values may be added from the left
        rows.append(row)
    return np.stack(rows)[[len(it) for it in found], np.arange(len(found)), [len(it) for it in wanted]]


def _filled(sequences: list[Array]) -> Array:
    """As rows of one length; nobody looks at what is behind a sequence."""
    result = np.zeros((len(sequences), max(map(len, sequences))), sequences[0].dtype)
    for row, values in zip(result, sequences, strict=True):
        row[: len(values)] = values
    return result


define("EditDistance", spec=_spec, kernel=_kernel, gradient=no_gradient("it counts differences"), host_only=True)

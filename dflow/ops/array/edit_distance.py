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
    for place in found.keys() | wanted.keys():
        require(
            all(0 <= number < size for number, size in zip(place, result.shape, strict=True)),
            f"index {list(place)} is outside of the shape {list(result.shape)}",
        )
        result[place] = _distance(found.get(place, values[:0]), wanted.get(place, true_values[:0]), normalize)
    return result


def _sequences(places: Array, values: Array) -> dict[tuple[int, ...], Array]:
    """The sequence at each place that has one; the indices are in order."""
    if not len(places):
        return {}
    outer = places[:, :-1]
    starts = np.flatnonzero(np.concatenate([[True], (outer[1:] != outer[:-1]).any(axis=1)]))
    ends = [*starts[1:].tolist(), len(places)]
    return {tuple(outer[a].tolist()): values[a:b] for a, b in zip(starts.tolist(), ends, strict=True)}


def _distance(found: Array, wanted: Array, normalize: bool) -> float:
    distance = _steps(found, wanted)
    if not normalize:
        return distance
    if not len(wanted):
        return float("inf") if len(found) else 0.0
    return distance / len(wanted)


def _steps(found: Array, wanted: Array) -> float:
    """The edit distance, a row of the table of prefixes at a time."""
    places = np.arange(len(wanted) + 1)
    row = places
    for i, value in enumerate(found):
        replaced = row[:-1] + (wanted != value)
        best = np.concatenate([[i + 1], np.minimum(replaced, row[1:] + 1)])
        row = np.minimum.accumulate(best - places) + places  # values may be added from the left
    return float(row[-1])


define("EditDistance", spec=_spec, kernel=_kernel, gradient=no_gradient("it counts differences"), host_only=True)

"""Boxes chosen by their scores, of which none overlaps a better one much.

A box is [y1, x1, y2, x2], two opposite corners.
Source: image_ops_impl and non_max_suppression_op of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import float32, int32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import known_value, only, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "non_max_suppression",
    "non_max_suppression_overlaps",
    "non_max_suppression_padded",
    "non_max_suppression_with_scores",
]

Array = np.ndarray[Any, Any]
_LOWEST = float("-inf")


def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    name: str | None = None,
) -> Tensor:
    """The numbers of boxes, the best first, without those that overlap a better one by more than `iou_threshold`.

    boxes: floating, [n, 4]; scores: [n]; max_output_size: a scalar -> int32, [m], m at most that number.
    score_threshold: boxes whose score is not above it are left out.  The overlap is the common area divided by that of
    both together.  Source: tf.image.non_max_suppression.
    """
    with scoped("non_max_suppression", name, boxes, scores, max_output_size):
        inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold)
        result: Tensor = add_op("NonMaxSuppressionV3", *inputs)
    return result


def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """As `non_max_suppression`, with zeros up to `max_output_size` if asked for, and the number of boxes that count.

    Source: tf.image.non_max_suppression_padded.
    """
    with scoped("non_max_suppression_padded", name, boxes, scores, max_output_size):
        inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold)
        chosen, count = add_op("NonMaxSuppressionV4", *inputs, pad_to_max_output_size=bool(pad_to_max_output_size))
        if pad_to_max_output_size and (size := known_value(inputs[2])) is not None:
            chosen.set_shape([int(size)])
    return chosen, count


def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """As `non_max_suppression`, and the scores of the chosen boxes.

    soft_nms_sigma: if it is above 0, the score of a box falls with its overlap with better ones, by
    exp(-overlap**2 / (2 * sigma)).  Source: tf.image.non_max_suppression_with_scores.
    """
    with scoped("non_max_suppression_with_scores", name, boxes, scores, max_output_size):
        inputs = _inputs(boxes, scores, max_output_size, iou_threshold, score_threshold)
        sigma = convert_to_tensor(soft_nms_sigma, inputs[0].dtype, name="soft_nms_sigma")
        chosen, found, _ = add_op("NonMaxSuppressionV5", *inputs, sigma, pad_to_max_output_size=False)
    return chosen, found


def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    name: str | None = None,
) -> Tensor:
    """As `non_max_suppression`, for boxes whose overlaps are given: float32, [n, n].

    Source: tf.image.non_max_suppression_overlaps.
    """
    with scoped("non_max_suppression_overlaps", name, overlaps, scores, max_output_size):
        inputs = _inputs(overlaps, scores, max_output_size, overlap_threshold, score_threshold)
        result: Tensor = add_op("NonMaxSuppressionWithOverlaps", *inputs)
    return result


def _inputs(boxes: Any, scores: Any, most: Any, overlap: Any, score: Any) -> list[Tensor]:
    first = convert_to_tensor(boxes, name="boxes")
    return [
        first,
        convert_to_tensor(scores, first.dtype, name="scores"),
        convert_to_tensor(most, int32, name="max_output_size"),
        convert_to_tensor(overlap, first.dtype, name="iou_threshold"),
        convert_to_tensor(score, first.dtype, name="score_threshold"),
    ]


# -- kernels


def _areas(corners: Array) -> Array:
    areas: Array = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return areas


def overlaps_of(boxes: Array) -> Any:
    """A function of a box's number: its overlap with each box."""
    ordered = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    areas = _areas(ordered)

    def overlaps(i: int) -> Array:
        low, high = np.maximum(ordered[:, :2], ordered[i, :2]), np.minimum(ordered[:, 2:], ordered[i, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        both = areas + areas[i] - common
        valid = (areas > 0) & (areas[i] > 0)
        shares: Array = np.where(valid, common / np.where(both > 0, both, 1), 0)
        return shares

    return overlaps


def chosen_boxes(overlaps: Any, scores: Array, most: int, threshold: float, lowest: float, sigma: float) -> list[Any]:
    """The numbers and the scores of the chosen boxes, the best first; of equal scores the one with the lower number."""
    left = np.where(scores > lowest, scores, -np.inf).astype(np.float64)
    there = scores > lowest
    found: list[Any] = []
    while len(found) < most and there.any():
        best = int(np.argmax(np.where(there, left, -np.inf)))
        if not there[best]:
            best = int(np.argmax(there))
        found.append((best, left[best]))
        there[best] = False
        shared = overlaps(best)
        there &= shared <= threshold
        if sigma > 0:
            left = left * np.exp(-0.5 / sigma * shared * shared)
            there &= left > lowest
    return found


def _select(
    boxes: Any, scores: Any, most: Any, threshold: Any, lowest: Any, sigma: Any = 0.0, *, given: bool = False
) -> Any:
    if scores.ndim != 1 or boxes.ndim != 2 or boxes.shape[0] != scores.shape[0]:
        raise InvalidArgumentError(
            None, None, f"boxes [n, 4] and scores [n] were expected, got {list(boxes.shape)} and {list(scores.shape)}"
        )
    if boxes.shape[1] != (boxes.shape[0] if given else 4):
        raise InvalidArgumentError(None, None, f"boxes must have 4 columns, got a shape of {list(boxes.shape)}")
    for value, what in ((most, "max_output_size"), (threshold, "iou_threshold"), (lowest, "score_threshold")):
        if value.ndim:
            raise InvalidArgumentError(None, None, f"{what} must be 0-D, got shape {list(value.shape)}")
    if not given and not 0 <= float(threshold) <= 1:
        raise InvalidArgumentError(None, None, "iou_threshold must be in [0, 1]")
    if int(most) < 0:
        raise InvalidArgumentError(None, None, "max_output_size must be non-negative")
    values, marks = boxes.astype(np.float32), scores.astype(np.float32)
    overlaps = (lambda i: values[i]) if given else overlaps_of(values)
    return chosen_boxes(overlaps, marks, int(most), float(threshold), float(lowest), float(sigma))


def _numbers(found: list[Any], length: int | None = None) -> Array:
    numbers = np.zeros(len(found) if length is None else length, np.int32)
    numbers[: len(found)] = [number for number, _ in found]
    return numbers


def _spec(boxes: TensorSpec, scores: TensorSpec, most: TensorSpec, *thresholds: TensorSpec, **attrs: Any) -> TensorSpec:
    only(boxes, boxes.dtype.name in ("float16", "float32"), "floating boxes")
    only(most, most.dtype == int32, "an int32 max_output_size")
    for scalar in (most, *thresholds):
        scalar.shape.with_rank(0)
    n = boxes.shape.merge_with([None, 4])[0]
    TensorShape([n]).merge_with(scores.shape)
    return spec_of([None], int32)


def _overlaps_spec(overlaps: TensorSpec, scores: TensorSpec, *scalars: TensorSpec) -> TensorSpec:
    only(overlaps, overlaps.dtype == float32, "float32 overlaps")
    n, m = overlaps.shape.with_rank(2).known
    if None not in (n, m) and n != m:
        raise ShapeError(f"overlaps must be square, got {overlaps.shape}")
    TensorShape([n]).merge_with(scores.shape)
    for scalar in scalars:
        scalar.shape.with_rank(0)
    return spec_of([None], int32)


def _overlaps_kernel(overlaps: Any, scores: Any, most: Any, threshold: Any, lowest: Any) -> Any:
    return _numbers(_select(overlaps, scores, most, threshold, lowest, given=True))


def _padded_kernel(*arrays: Any, pad_to_max_output_size: bool) -> tuple[Any, Any]:
    found = _select(*arrays)
    length = int(arrays[2]) if pad_to_max_output_size else None
    return _numbers(found, length), np.asarray(len(found), np.int32)


def _scores_kernel(*arrays: Any, pad_to_max_output_size: bool) -> tuple[Any, Any, Any]:
    found = _select(*arrays)
    numbers = _numbers(found, int(arrays[2]) if pad_to_max_output_size else None)
    scores = np.zeros(len(numbers), arrays[1].dtype)
    scores[: len(found)] = [score for _, score in found]
    return numbers, scores, np.asarray(len(found), np.int32)


_NONE = no_gradient("numbers of boxes are integers")

define(
    "NonMaxSuppressionV3",
    spec=_spec,
    kernel=lambda *arrays: _numbers(_select(*arrays)),
    gradient=_NONE,
    host_only=True,
)
define(
    "NonMaxSuppressionV4",
    spec=lambda *specs, **attrs: [_spec(*specs), spec_of([], int32)],
    kernel=_padded_kernel,
    gradient=_NONE,
    host_only=True,
)
define(
    "NonMaxSuppressionV5",
    spec=lambda *specs, **attrs: [_spec(*specs), spec_of([None], specs[1].dtype), spec_of([], int32)],
    kernel=_scores_kernel,
    gradient=_NONE,
    host_only=True,
)
define(
    "NonMaxSuppressionWithOverlaps",
    spec=_overlaps_spec,
    kernel=_overlaps_kernel,
    gradient=_NONE,
    host_only=True,
)

"""Boxes of several classes chosen by their scores, in a batch of images.

Source: tf.image.combined_non_max_suppression of TensorFlow 1.15.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from dflow.dtypes import float32, int32
from dflow.errors import InvalidArgumentError
from dflow.graph import add_op, convert_to_tensor
from dflow.ops.image.suppression import chosen_boxes, overlaps_of
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import known_value, only, spec_of
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["combined_non_max_suppression"]

CombinedNonMaxSuppression = namedtuple(
    "CombinedNonMaxSuppression", ["nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"]
)


def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> Any:
    """`non_max_suppression` of each class by itself, and the best boxes of all classes.

    boxes: float32, [n, k, 1, 4], or [n, k, classes, 4]; scores: float32, [n, k, classes]
    -> nmsed_boxes [n, m, 4], nmsed_scores and nmsed_classes [n, m], all float32, the best first and zeros behind them,
    and valid_detections, int32 [n], the numbers of boxes that count.  m is max_total_size, or, with pad_per_class, not
    more than max_output_size_per_class of each class.  clip_boxes: coordinates are brought into the range from 0 to 1.
    Source: tf.image.combined_non_max_suppression.
    """
    with scoped("combined_non_max_suppression", name, boxes, scores):
        sizes = [convert_to_tensor(it, int32) for it in (max_output_size_per_class, max_total_size)]
        thresholds = [convert_to_tensor(it, float32) for it in (iou_threshold, score_threshold)]
        outputs = add_op(
            "CombinedNonMaxSuppression",
            *(convert_to_tensor(it, float32) for it in (boxes, scores)),
            *(*sizes, *thresholds),
            pad_per_class=bool(pad_per_class),
            clip_boxes=bool(clip_boxes),
        )
    known = known_value(sizes[1])
    if known is not None and not pad_per_class:
        for output, rest in zip(outputs[:3], ([4], [], []), strict=True):
            output.set_shape([None, int(known), *rest])
    return CombinedNonMaxSuppression(*outputs)


def _spec(boxes: TensorSpec, scores: TensorSpec, *scalars: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    for spec in (boxes, scores):
        only(spec, spec.dtype == float32, "float32")
    for scalar in scalars:
        scalar.shape.with_rank(0)
    n, k, _, _ = boxes.shape.merge_with([None, None, None, 4]).known
    count = scores.shape.merge_with([n, k, None])[0]
    return [spec_of([count, None, *rest], float32) for rest in ([4], [], [])] + [spec_of([count], int32)]


def _kernel(
    boxes: Any,
    scores: Any,
    per_class: Any,
    total: Any,
    overlap: Any,
    lowest: Any,
    pad_per_class: bool,
    clip_boxes: bool,
) -> tuple[Any, ...]:
    if boxes.ndim != 4 or scores.ndim != 3 or boxes.shape[:2] != scores.shape[:2] or boxes.shape[3] != 4:
        raise InvalidArgumentError(
            None,
            None,
            f"boxes [n, k, q, 4] and scores [n, k, classes] were expected: {list(boxes.shape)}, {list(scores.shape)}",
        )
    classes = scores.shape[2]
    if boxes.shape[2] not in (1, classes):
        raise InvalidArgumentError(
            None, None, f"third dimension of boxes must be either 1 or num classes, got {boxes.shape[2]} and {classes}"
        )
    if int(per_class) <= 0 or int(total) <= 0:
        raise InvalidArgumentError(None, None, "max_output_size_per_class and max_total_size must be > 0")
    if not 0 <= float(overlap) <= 1:
        raise InvalidArgumentError(None, None, "iou_threshold must be in [0, 1]")
    size = min(int(total), int(per_class) * classes) if pad_per_class else int(total)
    found = np.zeros((len(boxes), size, 6), np.float32)  # box, score, class
    counts = np.zeros(len(boxes), np.int32)
    for image in range(len(boxes)):
        rows = _rows(boxes[image], scores[image], int(per_class), float(overlap), float(lowest))[:size]
        counts[image] = len(rows)
        found[image, : len(rows)] = rows
    corners = np.clip(found[:, :, :4], 0, 1) if clip_boxes else found[:, :, :4].copy()
    return corners, found[:, :, 4].copy(), found[:, :, 5].copy(), counts


def _rows(boxes: Any, scores: Any, per_class: int, overlap: float, lowest: float) -> Any:
    """The chosen boxes of an image: rows of box, score and class, the best first."""
    rows: list[Any] = []
    for number in range(scores.shape[1]):
        own = boxes[:, number if boxes.shape[1] > 1 else 0]
        chosen = chosen_boxes(overlaps_of(own), scores[:, number], per_class, overlap, lowest, 0.0)
        rows += [(*own[i], score, number) for i, score in chosen]
    found = np.array(rows, np.float32).reshape(-1, 6)
    return found[np.argsort(-found[:, 4], kind="stable")]


define(
    "CombinedNonMaxSuppression",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("which boxes are chosen is a step function"),
    host_only=True,
)

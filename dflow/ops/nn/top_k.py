"""Predictions compared with targets by their largest values.

Source: nn_ops.in_top_k of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import bool_
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import each
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["in_top_k"]


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """True where the target is among the k largest predictions.  Of equal predictions all count if one does.

    predictions: float32 [n, classes]; targets: int32 or int64 [n], class numbers; k: a number or a tensor -> bool [n].
    False for a target that is no class and for a row with a value that is not finite.
    """
    count, inputs = late(k, "k")
    result: Tensor = add_op("InTopKV2", predictions, targets, *inputs, name=name or "InTopK", k=count)
    return result


def _in_top_k_spec(predictions: TensorSpec, targets: TensorSpec, **attrs: Any) -> TensorSpec:
    only(predictions, predictions.dtype.is_floating, "floating predictions")
    only(targets, targets.dtype.name in ("int32", "int64"), "int32 and int64 targets")
    rows = TensorShape([predictions.shape.with_rank(2)[0]])
    return TensorSpec(rows.merge_with(targets.shape), bool_)


def _in_top_k_kernel(predictions: Any, targets: Any, k: int) -> Any:
    xp = namespace(predictions, targets)
    if predictions.ndim != 2 or tuple(targets.shape) != tuple(predictions.shape[:1]):
        raise InvalidArgumentError(
            None,
            None,
            "predictions must be 2-dimensional, with one row for each of the targets: got shapes "
            f"{list(predictions.shape)} and {list(targets.shape)}",
        )
    valid = xp.logical_and(targets >= 0, targets < predictions.shape[1])
    if not predictions.shape[1]:
        return valid  # no target is a class
    places = xp.astype(xp.where(valid, targets, xp.zeros_like(targets)), xp.int64, copy=False)
    own = xp.take_along_axis(predictions, xp.expand_dims(places, axis=1), axis=1)
    above = xp.sum(xp.astype(predictions > own, xp.int64), axis=1)
    return xp.logical_and(xp.logical_and(valid, xp.all(xp.isfinite(predictions), axis=1)), above < k)


define(
    "InTopKV2",
    **late_rules("k", spec=_in_top_k_spec, unknown=_in_top_k_spec, kernel=_in_top_k_kernel, batch=each),
    gradient=no_gradient("it is a step function"),
)

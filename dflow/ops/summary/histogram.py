"""The summary of how values are spread: `summary.histogram`.

The buckets are TensorFlow's: their bounds grow by a tenth, from 1e-12 to 1e20, on both sides of zero.
Source: tf.summary.histogram, lib/histogram of TensorFlow 1.15.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.static import only
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message, summary_scope, text
from dflow.registry import define
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec
from dflow.summary_proto import HistogramProto, Summary

__all__ = ["histogram", "histogram_of", "histogram_summary"]

Array = np.ndarray[Any, Any]


def histogram(name: str, values: Any, collections: Iterable[Any] | None = None, family: str | None = None) -> Tensor:
    """A Summary, serialized, with a histogram of the values.

    values: real numbers of any shape.  The other arguments: as of `scalar`.  InvalidArgumentError at run time for NaN
    and for infinite values.
    """
    with summary_scope(name, family, [values]) as (tag, scope):
        return collected(histogram_op(tag, values, scope), collections)


def histogram_summary(
    tag: Any, values: Any, collections: Iterable[Any] | None = None, name: str | None = None
) -> Tensor:
    """The old form, whose tag is a tensor."""
    return collected(histogram_op(tag, values, name), collections)


def histogram_op(tag: Any, values: Any, name: str | None) -> Tensor:
    tag = convert_to_tensor(tag, "string", name="tag")
    summary: Tensor = add_op("HistogramSummary", tag, convert_to_tensor(values, name="values"), name=name)
    return summary


def histogram_of(values: Array) -> Any:
    """The HistogramProto of some numbers, of which empty buckets side by side are one."""
    numbers = np.asarray(values, np.float64).reshape(-1)
    counts = np.bincount(np.searchsorted(_BOUNDS, numbers, side="right"), minlength=len(_BOUNDS))
    empty = counts == 0
    shown = ~(empty & np.append(empty[1:], False))  # of empty buckets side by side, the last
    few = numbers if len(numbers) else np.array([np.inf])
    return HistogramProto(
        min=few.min() if len(numbers) else sys.float_info.max,
        max=few.max() if len(numbers) else -sys.float_info.max,
        num=len(numbers),
        sum=_in_order(numbers),
        sum_squares=_in_order(numbers * numbers),
        bucket_limit=_BOUNDS[shown].tolist(),
        bucket=counts[shown].tolist(),
    )


def _in_order(numbers: Array) -> float:
    """Their sum, from the first to the last, so that it is the same as TensorFlow's."""
    return float(np.cumsum(numbers)[-1]) if len(numbers) else 0.0


def _bounds() -> Array:
    positive, bound = [], 1.0e-12
    while bound < 1.0e20:
        positive.append(bound)
        bound *= 1.1
    positive.append(sys.float_info.max)
    return np.array([*(-bound for bound in reversed(positive)), 0.0, *positive])


_BOUNDS = _bounds()


def _spec(tag: TensorSpec, values: TensorSpec) -> TensorSpec:
    tag.shape.merge_with(SCALAR)
    only(values, values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool, "real numbers")
    return MESSAGE


def _kernel(tag: Any, values: Any) -> Any:
    name = text(tag)
    numbers = np.asarray(values, np.float64)
    if np.isnan(numbers).any():
        raise InvalidArgumentError(None, None, f"Nan in summary histogram for: {name}")
    if np.isinf(numbers).any():
        raise InvalidArgumentError(None, None, f"Infinity in summary histogram for: {name}")
    return message(Summary(value=[Summary.Value(tag=name, histo=histogram_of(numbers))]))


define("HistogramSummary", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)

"""The summary of a number: `summary.scalar`.  Source: tf.summary.scalar of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.static import only
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message, summary_scope
from dflow.registry import define
from dflow.specs import TensorSpec
from dflow.summary_proto import Summary

__all__ = ["scalar", "scalar_summary"]


def scalar(name: str, tensor: Any, collections: Iterable[Any] | None = None, family: str | None = None) -> Tensor:
    """A Summary, serialized, with one number.

    name: of the operation, and of the series in TensorBoard, under the name scopes around it.
    tensor: a real number.  collections: those it is added to; None: SUMMARIES.
    family: a prefix of the tag, under which TensorBoard groups it.  InvalidArgumentError at run time for no scalar.
    """
    with summary_scope(name, family, [tensor]) as (tag, scope):
        return collected(scalar_op(tag, tensor, scope), collections)


def scalar_summary(tags: Any, values: Any, collections: Iterable[Any] | None = None, name: str | None = None) -> Tensor:
    """The old form: a Summary of several numbers, each with its tag; tags and values have one shape."""
    return collected(scalar_op(tags, values, name), collections)


def scalar_op(tags: Any, values: Any, name: str | None) -> Tensor:
    tag = convert_to_tensor(tags, "string", name="tags")
    summary: Tensor = add_op("ScalarSummary", tag, convert_to_tensor(values, name="values"), name=name)
    return summary


def _spec(tags: TensorSpec, values: TensorSpec) -> TensorSpec:
    only(values, values.dtype.is_floating or values.dtype.is_integer, "real numbers")
    return MESSAGE


def _kernel(tags: Any, values: Any) -> Any:
    if tags.shape != values.shape:
        shown = f" (tag '{tags[()].decode()}')" if not tags.ndim else ""
        raise InvalidArgumentError(
            None, None, f"tags and values are not the same shape: {list(tags.shape)} != {list(values.shape)}{shown}"
        )
    summary = Summary()
    for tag, number in zip(tags.reshape(-1), np.asarray(values, np.float64).reshape(-1).tolist(), strict=True):
        summary.value.add(tag=tag.decode(), simple_value=number)
    return message(summary)


define("ScalarSummary", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)

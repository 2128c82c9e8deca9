"""Several summaries in one: `summary.merge`, `summary.merge_all`.

Source: tf.summary.merge and tf.summary.merge_all of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow.dtypes import string
from dflow.errors import InvalidArgumentError
from dflow.graph import GraphKeys, Tensor, add_op, convert_to_tensor, get_default_graph, scopes
from dflow.ops.rules.static import graph_of, only
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message
from dflow.registry import define
from dflow.specs import TensorSpec
from dflow.summary_proto import Summary

__all__ = ["merge", "merge_all", "merge_all_summaries", "merge_summary"]


def merge(inputs: Sequence[Any], collections: Iterable[Any] | None = None, name: str | None = None) -> Tensor:
    """One Summary with the values of all.

    inputs: serialized Summaries, scalars of strings.  collections: those it is added to; None: none.
    InvalidArgumentError at run time if a tag comes twice, or for text that is no Summary.
    """
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"Expected list for 'inputs' argument to 'merge_summary' Op, not {inputs!r}.")
    if not inputs:
        raise ValueError("List argument 'inputs' to 'merge_summary' Op with length 0 shorter than minimum length 1.")
    graph = graph_of(inputs)
    with scopes.building_in(graph), graph.name_scope(name or "Merge") as scope:
        operands = [convert_to_tensor(item, string, name=f"inputs_{i}") for i, item in enumerate(inputs)]
        return collected(add_op("MergeSummary", *operands, name=scope), collections, ())


def merge_all(key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Tensor | None:
    """One Summary of all summaries in a collection of the default graph; None if there are none.

    scope: only those whose name begins with it, a regular expression.
    """
    summaries = get_default_graph().get_collection(key, scope=scope)
    return merge(summaries, name=name) if summaries else None


merge_summary = merge  # its old name


def merge_all_summaries(key: str = GraphKeys.SUMMARIES) -> Tensor | None:
    """The old name of `merge_all`."""
    return merge_all(key)


def _spec(*inputs: TensorSpec) -> TensorSpec:
    for item in inputs:
        only(item, item.dtype == string, "strings")
    return MESSAGE


def _kernel(*inputs: Any) -> Any:
    merged, tags = Summary(), set[str]()
    for item in inputs:
        for data in np.asarray(item).reshape(-1):
            try:
                summary = Summary.FromString(data)
            except DecodeError:
                raise InvalidArgumentError(None, None, "Could not parse one of the summary inputs") from None
            for value in summary.value:
                if value.tag in tags:
                    raise InvalidArgumentError(None, None, f"Duplicate tag {value.tag} found in summary inputs")
                tags.add(value.tag)
            merged.MergeFrom(summary)
    return message(merged)


define("MergeSummary", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)

"""The summaries of tensors of any kind and of text: `summary.tensor_summary`, `summary.text`.

Source: tf.summary.tensor_summary and tf.summary.text of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from google.protobuf import json_format

from dflow.dtypes import string
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message, summary_scope
from dflow.ops.summary.common import text as text_of
from dflow.registry import define
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec
from dflow.summary_proto import Summary, SummaryDescription, SummaryMetadata
from dflow.tensor_proto import make_tensor_proto

__all__ = ["get_summary_description", "tensor_summary", "text"]


def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Iterable[Any] | None = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A Summary, serialized, with a tensor of any dtype and shape.

    summary_metadata: a SummaryMetadata, which says to TensorBoard what shows it.
    summary_description, display_name: are put into it.  The other arguments: as of `scalar`.
    """
    metadata = SummaryMetadata()
    if summary_metadata is not None:
        metadata.CopyFrom(summary_metadata)
    if summary_description is not None:
        metadata.summary_description = summary_description
    if display_name is not None:
        metadata.display_name = display_name
    with summary_scope(name, family, [tensor]) as (tag, scope):
        operands = (
            convert_to_tensor(tag, string, name="tag"),
            convert_to_tensor(tensor, name="tensor"),
            convert_to_tensor(metadata.SerializeToString(), string, name="serialized_summary_metadata"),
        )
        return collected(add_op("TensorSummaryV2", *operands, name=scope), collections)


def text(name: str, tensor: Any, collections: Iterable[Any] | None = None) -> Tensor:
    """A Summary, serialized, with text, which TensorBoard shows as Markdown.

    tensor: strings of any shape; ValueError for another dtype.  The other arguments: as of `scalar`.
    """
    tensor = convert_to_tensor(tensor)
    if tensor.dtype != string:
        raise ValueError(f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype.name}")
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    return tensor_summary(name, tensor, summary_metadata=metadata, collections=collections)


def get_summary_description(node_def: Any) -> Any:
    """The SummaryDescription in the node of a TensorSummary; ValueError for a node of another kind."""
    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    description = SummaryDescription()
    json_format.Parse(node_def.attr["description"].s.decode(), description)
    return description


def _spec(tag: TensorSpec, tensor: TensorSpec, serialized_summary_metadata: TensorSpec) -> TensorSpec:
    tag.shape.merge_with(SCALAR)
    serialized_summary_metadata.shape.merge_with(SCALAR)
    return MESSAGE


def _kernel(tag: Any, tensor: Any, serialized_summary_metadata: Any) -> Any:
    value = Summary.Value(tag=text_of(tag), tensor=make_tensor_proto(np.asarray(tensor)))
    value.metadata.ParseFromString(np.asarray(serialized_summary_metadata)[()])
    return message(Summary(value=[value]))


define("TensorSummaryV2", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)

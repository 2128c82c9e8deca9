"""Summaries for TensorBoard: operations that make them, and writers of event files.  Source: tf.summary of 1.15."""

from dflow.ops.summary.audio import audio
from dflow.ops.summary.histogram import histogram
from dflow.ops.summary.image import image
from dflow.ops.summary.merge import merge, merge_all
from dflow.ops.summary.scalar import scalar
from dflow.ops.summary.tensor import get_summary_description, tensor_summary, text
from dflow.summary.writer import FileWriter
from dflow.summary.writer_cache import FileWriterCache
from dflow.summary_proto import Event, SessionLog, Summary, SummaryDescription, TaggedRunMetadata

__all__ = [
    "Event",
    "FileWriter",
    "FileWriterCache",
    "SessionLog",
    "Summary",
    "SummaryDescription",
    "TaggedRunMetadata",
    "audio",
    "get_summary_description",
    "histogram",
    "image",
    "merge",
    "merge_all",
    "scalar",
    "tensor_summary",
    "text",
]

"""The events of an event file: `train.summary_iterator`.  Source: tf.train.summary_iterator of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dflow.gfile.places import text_of_path
from dflow.python_io import tf_record_iterator
from dflow.summary_proto import Event

__all__ = ["summary_iterator"]


def summary_iterator(path: Any) -> Iterator[Any]:
    """The Events of an event file, one by one.

    NotFoundError if there is no such file; DataLossError at an event that is broken or cut off.
    """
    for record in tf_record_iterator(text_of_path(path)):
        yield Event.FromString(record)

"""One FileWriter for each folder of a process.  Source: tf.summary.FileWriterCache of TensorFlow 1.15."""

from __future__ import annotations

import sys
import threading
from typing import Any

from dflow import forks
from dflow.graph import get_default_graph
from dflow.summary.writer import FileWriter


class FileWriterCache:
    """One FileWriter for each folder of a process."""

    _cache: dict[Any, FileWriter] = {}  # noqa: RUF012

    @staticmethod
    def get(logdir: Any) -> FileWriter:
        """The writer of a folder; at first a new one, with the default graph."""
        with _lock:
            writer = FileWriterCache._cache.get(logdir)
            if writer is None:
                writer = FileWriterCache._cache[logdir] = FileWriter(logdir, graph=get_default_graph())
            return writer

    @staticmethod
    def clear() -> None:
        """Close all writers and forget them."""
        with _lock:
            for writer in FileWriterCache._cache.values():
                writer.close()
            FileWriterCache._cache.clear()


_lock = threading.RLock()
forks.new_lock_in_child(sys.modules[__name__], "_lock", threading.RLock)

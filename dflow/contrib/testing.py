"""Tools for tests of programs that write summaries: `df.contrib.testing`.

Source: tf.contrib.testing of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dflow.checkpoints import files
from dflow.graph import Graph
from dflow.summary import writer, writer_cache
from dflow.summary.iterator import summary_iterator
from dflow.summary_proto import Summary

__all__ = [
    "FakeSummaryWriter",
    "assert_summary",
    "latest_event_file",
    "latest_events",
    "latest_summaries",
    "to_summary_proto",
]


class FakeSummaryWriter:
    """A FileWriter that writes nothing and keeps what it is given.  logdir, graph: as there."""

    _replaced_summary_writer: Any = None

    @classmethod
    def install(cls) -> None:
        """Put it into the place of FileWriter, also in FileWriterCache.  ValueError if it is there already."""
        if cls._replaced_summary_writer:
            raise ValueError("FakeSummaryWriter already installed.")
        cls._replaced_summary_writer = writer.FileWriter
        _replace(cls)

    @classmethod
    def uninstall(cls) -> None:
        """Put FileWriter back.  ValueError if it was not replaced."""
        if not cls._replaced_summary_writer:
            raise ValueError("FakeSummaryWriter not installed.")
        _replace(cls._replaced_summary_writer)
        cls._replaced_summary_writer = None

    def __init__(self, logdir: Any, graph: Graph | None = None) -> None:
        self._logdir = logdir
        self._graph = graph
        self._summaries: dict[int, list[Any]] = {}
        self._added_graphs: list[Any] = []
        self._added_meta_graphs: list[Any] = []
        self._added_session_logs: list[Any] = []
        self._added_run_metadata: dict[str, Any] = {}

    @property
    def summaries(self) -> dict[int, list[Any]]:
        """The summaries of each step."""
        return self._summaries

    def assert_summaries(
        self,
        test_case: Any,
        expected_logdir: Any = None,
        expected_graph: Any = None,
        expected_summaries: Mapping[int, Mapping[str, float]] | None = None,
        expected_added_graphs: Sequence[Any] | None = None,
        expected_added_meta_graphs: Sequence[Any] | None = None,
        expected_session_logs: Sequence[Any] | None = None,
    ) -> None:
        """Fail the test case unless the writer got what is expected; what is None may be anything."""
        if expected_logdir is not None:
            test_case.assertEqual(expected_logdir, self._logdir)
        if expected_graph is not None:
            test_case.assertTrue(expected_graph is self._graph)
        for step, values in (expected_summaries or {}).items():
            test_case.assertIn(step, self._summaries)
            found = {value.tag: value.simple_value for summary in self._summaries[step] for value in summary.value}
            test_case.assertEqual(dict(values), found)
        if expected_added_graphs is not None:
            test_case.assertEqual(expected_added_graphs, self._added_graphs)
        if expected_added_meta_graphs is not None:
            test_case.assertEqual(len(expected_added_meta_graphs), len(self._added_meta_graphs))
            for expected, actual in zip(expected_added_meta_graphs, self._added_meta_graphs, strict=True):
                test_case.assertEqual(expected, actual)
        if expected_session_logs is not None:
            test_case.assertEqual(expected_session_logs, self._added_session_logs)

    def add_summary(self, summary: Any, current_global_step: int) -> None:
        """Keep a Summary, or a serialized one, of a step."""
        if isinstance(summary, bytes):
            summary = to_summary_proto(summary)
        self._summaries.setdefault(current_global_step, []).append(summary)

    def add_graph(self, graph: Graph, global_step: int | None = None, graph_def: Any = None) -> None:
        """Keep a graph.  ValueError for a step or a GraphDef."""
        if global_step is not None and global_step < 0:
            raise ValueError(f"Invalid global_step {global_step}.")
        if graph_def is not None:
            raise ValueError("Unexpected graph_def.")
        self._added_graphs.append(graph)

    def add_meta_graph(self, meta_graph_def: Any, global_step: int | None = None) -> None:
        """Keep a MetaGraphDef.  ValueError for a negative step."""
        if global_step is not None and global_step < 0:
            raise ValueError(f"Invalid global_step {global_step}.")
        self._added_meta_graphs.append(meta_graph_def)

    def add_session_log(self, session_log: Any, global_step: int | None = None) -> None:
        """Keep a SessionLog."""
        self._added_session_logs.append(session_log)

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: int | None = None) -> None:
        """Keep a RunMetadata.  ValueError for a negative step."""
        if global_step is not None and global_step < 0:
            raise ValueError(f"Invalid global_step {global_step}.")
        self._added_run_metadata[tag] = run_metadata

    def flush(self) -> None:
        """Nothing to write."""

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""


def _replace(kind: Any) -> None:
    for module in (writer, writer_cache):
        setattr(module, "FileWriter", kind)  # noqa: B010, a checker of types would not allow it


def assert_summary(expected_tags: Sequence[str], expected_simple_values: Sequence[float], summary_proto: Any) -> None:
    """AssertionError unless a Summary has these tags and values, in this order."""
    found = [(value.tag, value.simple_value) for value in summary_proto.value]
    wanted = list(zip(expected_tags, expected_simple_values, strict=True))
    if found != wanted:
        raise AssertionError(f"expected {wanted}, got {found}")


def to_summary_proto(summary_str: bytes) -> Any:
    """The Summary of its bytes."""
    return Summary.FromString(summary_str)


def latest_event_file(base_dir: str) -> str | None:
    """The newest event file of a folder; None if there is none."""
    return max(files.matching(os.path.join(base_dir, "events.*")), key=os.path.getctime, default=None)


def latest_events(base_dir: str) -> list[Any]:
    """The events of the newest event file of a folder."""
    file = latest_event_file(base_dir)
    return list(summary_iterator(file)) if file else []


def latest_summaries(base_dir: str) -> list[Any]:
    """Those of these events that have a summary."""
    return [event for event in latest_events(base_dir) if event.HasField("summary")]

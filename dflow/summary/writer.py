"""FileWriter: writes summaries, graphs and other events of a program to event files.

Source: tf.summary.FileWriter of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import time
import warnings
import weakref
from typing import Any

from dflow.gfile.places import text_of_path
from dflow.graph import Graph
from dflow.summary.event_file import EventFileWriter
from dflow.summary.graphs import graph_bytes, is_graph_def, meta_graph_bytes
from dflow.summary_proto import Event, Summary, TaggedRunMetadata

_log = logging.getLogger("tensorflow")


class FileWriter:
    """Writes events to a file in a folder, in a thread of its own; see `event_file.py`.

        with df.summary.FileWriter("logs", sess.graph) as writer:
            writer.add_summary(sess.run(merged), step)

    logdir: the folder, which is made.  graph: is added at once.  graph_def: its old form.
    max_queue, flush_secs: how many events, and how many seconds, are gathered before they are written at the latest.
    filename_suffix: of the file's name.  session: writers of one folder that have the same session share their file.
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        _check_graph(graph, graph_def)
        options = (logdir, max_queue, flush_secs, filename_suffix)
        self.event_writer = EventFileWriter(*options) if session is None else _writer_of(session, *options)
        self._tags_of_runs: set[str] = set()
        self._tags_seen: set[str] = set()
        if graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)
            self._add(Event(meta_graph_def=meta_graph_bytes(graph if graph is not None else graph_def)), None)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The folder."""
        return self.event_writer.get_logdir()

    # -- events

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Add a Summary, or a serialized one, as the result of a run.

        What a tag's values are (their metadata) is written once for each tag, as TensorBoard needs it only once.
        """
        if isinstance(summary, bytes):
            summary = Summary.FromString(summary)
        for value in summary.value:
            if value.HasField("metadata"):
                if value.tag in self._tags_seen:
                    value.ClearField("metadata")
                else:
                    self._tags_seen.add(value.tag)
        self._add(Event(summary=summary), global_step)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Add a SessionLog, such as the start of a session."""
        self._add(Event(session_log=session_log), global_step)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Add a graph; TypeError for anything else, ValueError for both forms of one."""
        _check_graph(graph, graph_def)
        if graph is None and graph_def is None:
            raise TypeError("The passed graph must be an instance of `Graph` or the deprecated `GraphDef`")
        given = graph if graph is not None else graph_def
        if not isinstance(given, Graph):
            _log.warning("Passing a `GraphDef` to the SummaryWriter is deprecated. Pass a `Graph` object instead, such "
                         "as `sess.graph`.")  # fmt: skip
        self._add(Event(graph_def=graph_bytes(given)), global_step)

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Add a MetaGraphDef; TypeError for anything else."""
        if not hasattr(meta_graph_def, "meta_info_def"):
            raise TypeError(f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def)}")
        self._add(Event(meta_graph_def=meta_graph_def.SerializeToString()), global_step)

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Add the RunMetadata of a run; ValueError for a tag that was used already."""
        if tag in self._tags_of_runs:
            raise ValueError("The provided tag was already used for this event type")
        self._tags_of_runs.add(tag)
        tagged = TaggedRunMetadata(tag=tag, run_metadata=run_metadata.SerializeToString())
        self._add(Event(tagged_run_metadata=tagged), global_step)

    def add_event(self, event: Any) -> None:
        """Add an Event as it is."""
        if self.event_writer.closed:
            warnings.warn(
                "Attempting to use a closed FileWriter. The operation will be a noop unless the FileWriter is "
                "explicitly reopened.",
                stacklevel=2,
            )
        self.event_writer.add_event(event)

    def _add(self, event: Any, global_step: Any) -> None:
        event.wall_time = time.time()
        if global_step is not None:
            event.step = int(global_step)
        self.add_event(event)

    # -- the file

    def flush(self) -> None:
        """Wait until all events so far are in the file."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Go on with a new file after `close`."""
        self.event_writer.reopen()


_of_sessions: weakref.WeakKeyDictionary[Any, dict[str, EventFileWriter]] = weakref.WeakKeyDictionary()


def _writer_of(session: Any, logdir: Any, *options: Any) -> EventFileWriter:
    """The writer of a session for a folder; a new one if it has none that is open."""
    writers = _of_sessions.setdefault(session, {})
    found = writers.get(text_of_path(logdir))
    if found is None or found.closed:
        found = writers[text_of_path(logdir)] = EventFileWriter(logdir, *options)
    return found


def _check_graph(graph: Any, graph_def: Any) -> None:
    if graph is not None and graph_def is not None:
        raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
    for given in (graph, graph_def):
        if given is not None and not isinstance(given, Graph) and not is_graph_def(given):
            raise TypeError("The passed graph must be an instance of `Graph` or the deprecated `GraphDef`")

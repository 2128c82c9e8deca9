"""The protocol between a monitored session and its hooks.

A hook may add fetches and feeds to a run, sees their values after it, and may ask the session to stop.
Source: tf.train.SessionRunHook, SessionRunArgs, SessionRunContext and SessionRunValues of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dflow.graph import Graph, Tensor, get_default_graph
from dflow.train.global_step import get_or_create_global_step_read


class SessionRunArgs(NamedTuple):
    """What is to be run: the arguments of `Session.run`.

    fetches: what is fetched, in any structure that `Session.run` takes.  feed_dict, options: as in `Session.run`.
    """

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunValues(NamedTuple):
    """What a run gave.

    results: the values of the hook's own fetches, in their structure; None without any.
    options: the RunOptions of the run.  run_metadata: its RunMetadata.
    """

    results: Any
    options: Any
    run_metadata: Any


class SessionRunContext:
    """A run, as its hooks see it.

    original_args: the SessionRunArgs of the program.  session: the session, without its hooks.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args = original_args
        self._session = session
        self._stop_requested = False

    @property
    def original_args(self) -> SessionRunArgs:
        """The fetches, feeds and options that the program itself gave."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session of the run; its own runs call no hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook asked for the end."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Make `should_stop()` of the session true after this run."""
        self._stop_requested = True


class SessionRunHook:
    """A hook that does nothing: the base of all hooks.  Override what you need."""

    def begin(self) -> None:
        """Called once, before the session is made.  The graph may still be changed."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called for each new session, also after a recovery.  The graph is finalized.

        session: the session, without hooks.  coord: the Coordinator of its queue runners.
        """

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; gives what the run fetches and feeds for this hook, or None."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run that succeeded, with the values of what `before_run` asked for."""

    def end(self, session: Any) -> None:
        """Called once at the end, unless an error ends the session."""


def step_tensor(hook: str) -> Tensor:
    """The tensor that reads the global step.  RuntimeError, which names the class of the hook, if there is none."""
    step = get_or_create_global_step_read()
    if step is None:
        raise RuntimeError(f"Global step should be created to use {hook}.")
    return step


def graph_element(item: Any) -> Any:
    """A tensor of the default graph by its name, or a tensor or an operation itself.

    ValueError for one of another graph, and for the name of an operation with several outputs.
    """
    graph: Graph = get_default_graph()
    if not isinstance(item, str):
        if getattr(item, "graph", None) is not graph:
            raise ValueError(f"Passed {item} should have graph attribute that is equal to current graph {graph}.")
        return item
    if ":" in item:
        return graph.as_graph_element(item)
    element: Any = graph.as_graph_element(f"{item}:0")
    if len(element.op.outputs) > 1:
        raise ValueError(f"Name {item} is ambiguous, as this `Operation` has multiple outputs (at least 2).")
    return element

"""Sessions that call hooks at each run, stop with their threads, and come back after the loss of a worker.

A monitored session is made of layers around a `Session`: the innermost calls the hooks, the next one hears of errors in
threads, and the outermost makes a new session after an AbortedError or an UnavailableError.
Source: tf.train.MonitoredSession and SingularMonitoredSession of TensorFlow 1.15.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar

from dflow.errors import OutOfRangeError
from dflow.graph import Graph, GraphKeys, get_default_graph
from dflow.train.coordinator import Coordinator
from dflow.train.hooks.base import SessionRunHook
from dflow.train.queue_runner import start_queue_runners
from dflow.train.session_creators import ChiefSessionCreator, SessionCreator
from dflow.train.session_layers import StepContext, _CoordinatedSession, _HookedSession, _RecoverableSession


class _CoordinatedSessionCreator(SessionCreator):
    """Makes a session with its coordinator, its queue runners and its hooks."""

    def __init__(
        self, session_creator: SessionCreator, hooks: Sequence[SessionRunHook], stop_grace_period_secs: float
    ) -> None:
        self._session_creator = session_creator
        self._hooks = hooks
        self._stop_grace_period_secs = stop_grace_period_secs
        self.coord: Coordinator | None = None
        self.tf_sess: Any = None

    def create_session(self) -> _CoordinatedSession:
        """A new session; tells the hooks of it."""
        self.tf_sess = self._session_creator.create_session()
        self.coord = Coordinator(clean_stop_exception_types=())
        if get_default_graph().get_collection(GraphKeys.QUEUE_RUNNERS):
            start_queue_runners(sess=self.tf_sess, coord=self.coord)
        for hook in self._hooks:
            hook.after_create_session(self.tf_sess, self.coord)
        hooked = _HookedSession(self.tf_sess, self._hooks)
        return _CoordinatedSession(hooked, self.coord, self._stop_grace_period_secs)


class _MonitoredSession:
    """The base of both kinds of monitored sessions."""

    StepContext: ClassVar[type[StepContext]] = StepContext

    def __init__(
        self,
        session_creator: SessionCreator | None,
        hooks: Sequence[SessionRunHook] | None,
        should_recover: bool,
        stop_grace_period_secs: float = 120,
    ) -> None:
        self._graph_was_finalized = get_default_graph().finalized
        self._hooks = hooks or []
        for hook in self._hooks:
            hook.begin()
        self._coordinated_creator = _CoordinatedSessionCreator(
            session_creator or ChiefSessionCreator(), self._hooks, stop_grace_period_secs
        )
        self._sess: Any = None
        if should_recover:
            self._sess = _RecoverableSession(self._coordinated_creator)
        else:
            self._sess = self._coordinated_creator.create_session()

    @property
    def graph(self) -> Graph | None:
        """The graph of the session; None after the end."""
        graph: Graph | None = None if self._is_closed() else self._tf_sess().graph
        return graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`, with the hooks.  RuntimeError after a stop was requested."""
        return self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Call `step_fn(step_context)`, which may make several runs for one step; gives its result.

        After a loss that `MonitoredSession` recovers from, it is called again.  `step_context.request_stop()` ends the
        `with` block.  ValueError for a function with other arguments; RuntimeError after a stop was requested.
        """
        arguments = tuple(inspect.signature(step_fn).parameters)
        if arguments not in (("step_context",), ("self", "step_context")):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments if it's "
                f"an instance method. Got {arguments} instead."
            )
        return self._sess.run_step_fn(step_fn, self._tf_sess(), run_with_hooks=None)

    def should_stop(self) -> bool:
        """Whether a hook, or a thread, asked for the end."""
        return self._sess is None or bool(self._sess.should_stop())

    def close(self) -> None:
        """End the hooks and the session.  RuntimeError if it is closed already."""
        self._close_internal()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Close.  OutOfRangeError and StopIteration end the block quietly; `end` of the hooks is called then, too."""
        if kind is not None and kind in (OutOfRangeError, StopIteration):
            kind = None
        self._close_internal(kind)
        return kind is None

    def _close_internal(self, exception_type: type[BaseException] | None = None) -> None:
        try:
            if exception_type is None:
                for hook in self._hooks:
                    hook.end(self._coordinated_creator.tf_sess)
        finally:
            try:
                if self._sess is None:
                    raise RuntimeError("Session is already closed.")
                self._sess.close()
            finally:
                self._sess = None
                self._coordinated_creator.tf_sess = None
                self._coordinated_creator.coord = None
                if not self._graph_was_finalized:
                    get_default_graph().finalized = False

    def _is_closed(self) -> bool:
        return self._coordinated_creator.tf_sess is None

    def _tf_sess(self) -> Any:
        return self._coordinated_creator.tf_sess


class MonitoredSession(_MonitoredSession):
    """A session with hooks that comes back after a loss.

        with df.train.MonitoredSession(creator, hooks=[df.train.StopAtStepHook(last_step=1000)]) as sess:
            while not sess.should_stop():
                sess.run(train_op)

    session_creator: makes its sessions; by default a ChiefSessionCreator.  hooks: SessionRunHooks.
    stop_grace_period_secs: how long the end waits for threads.

    When a run, or a thread of a queue runner, ends with AbortedError or UnavailableError, it closes its session, makes
    a new one, which restores the newest checkpoint, and runs again.  It is not itself a Session, and cannot be the
    argument of a Saver or of `start_queue_runners`; hooks get the Session.
    """

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator, hooks, True, stop_grace_period_secs)


class SingularMonitoredSession(_MonitoredSession):
    """A session with hooks that does not come back after a loss; the error ends the program's `with` block.

    hooks: SessionRunHooks.  scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path: as in
    ChiefSessionCreator.  stop_grace_period_secs: how long the end waits for threads.
    """

    def __init__(
        self,
        hooks: Sequence[SessionRunHook] | None = None,
        scaffold: Any = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        creator = ChiefSessionCreator(
            scaffold=scaffold,
            master=master,
            config=config,
            checkpoint_dir=checkpoint_dir,
            checkpoint_filename_with_path=checkpoint_filename_with_path,
        )
        super().__init__(creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The Session, whose runs call no hooks."""
        return self._tf_sess()

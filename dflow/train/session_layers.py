"""The layers of a monitored session around its `Session`: hooks, the coordinator of its threads, recovery.

Each layer has the methods of the one below it, and adds something to them.
Source: monitored_session.py of TensorFlow 1.15.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from dflow import logging
from dflow.errors import AbortedError, UnavailableError
from dflow.graph import Graph
from dflow.runtime.base.config import RunMetadata, RunOptions
from dflow.train.coordinator import Coordinator
from dflow.train.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between attempts to make a session
_PREEMPTION_ERRORS = (AbortedError, UnavailableError)  # a worker was lost


class StepContext:
    """What a function of `run_step_fn` gets: the session, with and without hooks."""

    def __init__(self, session: Any, run_with_hooks_fn: Callable[..., Any]) -> None:
        self._session = session
        self._run_with_hooks_fn = run_with_hooks_fn

    @property
    def session(self) -> Any:
        """The session, whose runs call no hooks."""
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """As `MonitoredSession.run`."""
        return self._run_with_hooks_fn(*args, **kwargs)

    def request_stop(self) -> None:
        """End the `with` block of the monitored session."""
        raise StopIteration("step_fn has requested the iterations to stop.")


class _WrappedSession:
    """A layer that adds nothing: the base of the others.  sess: the session, or the layer, below."""

    def __init__(self, sess: Any) -> None:
        self._sess = sess
        self._wrapped_is_stoppable = isinstance(sess, _WrappedSession)

    @property
    def graph(self) -> Graph:
        graph: Graph = self._sess.graph
        return graph

    @property
    def sess_str(self) -> str:
        text: str = self._sess.sess_str
        return text

    def should_stop(self) -> bool:
        """Whether this layer, or one below, asks for the end.  True after `close`.  Overridden by `_check_stop`."""
        if self._check_stop():
            return True
        if self._sess is not None:
            return self._wrapped_is_stoppable and bool(self._sess.should_stop())
        return True

    def _check_stop(self) -> bool:
        """Whether this layer asks for the end."""
        return False

    def close(self) -> None:
        """Close the session below; its loss is no error then."""
        if self._sess is None:
            return
        try:
            self._sess.close()
        except _PREEMPTION_ERRORS as error:
            logging.error("An error occurred when attempting to close the session. This may be due to a preemption in "
                          "a connected worker or parameter server. Error: %s", error)  # fmt: skip
        finally:
            self._sess = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._sess.run(*args, **kwargs)


class _HookedSession(_WrappedSession):
    """Calls hooks before and after each run."""

    def __init__(self, sess: Any, hooks: Sequence[SessionRunHook]) -> None:
        super().__init__(sess)
        self._hooks = hooks
        self._should_stop = False

    def _check_stop(self) -> bool:
        return self._should_stop

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run what the program and the hooks ask for.  RuntimeError after a stop was requested."""
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        asked: dict[Any, Any] = {"caller": fetches}
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._sess)
        options = options or RunOptions()
        feeds = self._call_hook_before_run(context, asked, feed_dict, options)
        metadata = run_metadata or RunMetadata()
        wanted = run_metadata or (metadata if options.trace_level or options.output_partition_graphs else None)
        results = super().run(asked, feed_dict=feeds, options=options, run_metadata=wanted)
        for hook in self._hooks:
            hook.after_run(context, SessionRunValues(results.get(hook), options, metadata))
        self._should_stop = self._should_stop or context.stop_requested
        return results["caller"]

    def _call_hook_before_run(
        self, context: SessionRunContext, asked: dict[Any, Any], feed_dict: Any, options: Any
    ) -> Any:
        """Add what the hooks fetch to `asked`; gives all feeds."""
        feeds: dict[Any, Any] = {}
        for hook in self._hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                asked[hook] = request.fetches
            if request.feed_dict:
                _check_apart(feeds, request.feed_dict, "Same tensor is fed by two hooks.")
                feeds.update(request.feed_dict)
            if request.options:
                _merge_options(options, request.options)
        if not feeds:
            return feed_dict
        if feed_dict:
            _check_apart(feeds, feed_dict, "Same tensor is fed by a SessionRunHook and user.")
            feeds.update(feed_dict)
        return feeds


def _check_apart(one: Any, other: Any, message: str) -> None:
    twice = [key for key in one if any(key is there for there in other)]
    if twice:
        raise RuntimeError(message + " Conflict(s): " + ", ".join(str(key) for key in twice))


def _merge_options(options: Any, more: Any) -> None:
    """Raise options to those that a hook asks for."""
    for field in ("trace_level", "timeout_in_ms", "inter_op_thread_pool"):
        setattr(options, field, max(getattr(options, field), getattr(more, field)))
    for field in ("output_partition_graphs", "report_tensor_allocations_upon_oom"):
        setattr(options, field, getattr(options, field) or getattr(more, field))
    options.debug_options.debug_tensor_watch_opts.extend(more.debug_options.debug_tensor_watch_opts)


class _CoordinatedSession(_WrappedSession):
    """Stops with its coordinator: an error of a thread ends it, and its end stops the threads."""

    def __init__(self, sess: Any, coord: Coordinator, stop_grace_period_secs: float = 120) -> None:
        super().__init__(sess)
        self._coord = coord
        self._stop_grace_period_secs = stop_grace_period_secs

    def _check_stop(self) -> bool:
        self._coord.raise_requested_exception()
        return self._coord.should_stop()

    def close(self) -> None:
        """Stop the threads, wait for them, and close the session.  Raises the error that a thread stopped with."""
        self._coord.request_stop()
        try:
            self._coord.join(stop_grace_period_secs=self._stop_grace_period_secs, ignore_live_threads=True)
        finally:
            with suppress(Exception):
                super().close()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run.  If a thread met the loss of a worker, that is the error, and not what followed from it."""
        try:
            return self._sess.run(*args, **kwargs)
        except _PREEMPTION_ERRORS:
            raise
        except Exception:
            with suppress(Exception):
                try:
                    self._coord.raise_requested_exception()
                except _PREEMPTION_ERRORS as error:
                    lost: Exception | None = error
                else:
                    lost = None
            if lost is not None:
                raise lost from None
            raise

    def run_step_fn(
        self, step_fn: Callable[..., Any], raw_session: Any, run_with_hooks: Callable[..., Any] | None = None
    ) -> Any:
        """Call a function with the session below, and with a function that runs with hooks."""
        return step_fn(StepContext(raw_session, run_with_hooks or self.run))


class _RecoverableSession(_WrappedSession):
    """Makes a new session after the loss of a worker, and runs again.  sess_creator: makes the sessions."""

    def __init__(self, sess_creator: Any) -> None:
        self._sess_creator = sess_creator
        super().__init__(self._create_session())

    def _create_session(self) -> Any:
        """A new session.  Waits until the workers that its model needs are back."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._sess_creator.create_session()
            except _PREEMPTION_ERRORS as error:
                _tell("while a session was being created", error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _check_stop(self) -> bool:
        try:
            return bool(self._sess._check_stop()) if self._sess is not None else True
        except _PREEMPTION_ERRORS as error:
            _tell("while considering whether the session is complete", error)
            self._renew()
            return False
        except Exception:  # the next run raises it
            return True

    def _renew(self) -> None:
        self.close()
        self._sess = self._create_session()

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run, and again in a new session after a loss."""
        return self._again(
            lambda: self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)
        )

    def run_step_fn(
        self, step_fn: Callable[..., Any], raw_session: Any, run_with_hooks: Callable[..., Any] | None = None
    ) -> Any:
        """Call the function, and again with the new session after a loss."""
        first = self._sess

        def call() -> Any:
            raw = raw_session if self._sess is first else self._sess_creator.tf_sess
            return self._sess.run_step_fn(step_fn, raw, run_with_hooks)

        return self._again(call)

    def _again(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                if self._sess is None:
                    self._sess = self._create_session()
                return step()
            except _PREEMPTION_ERRORS as error:
                _tell("while running a step", error)
                self.close()
                self._sess = None


def _tell(when: str, error: Exception) -> None:
    logging.info(
        "An error was raised %s. This may be due to a preemption in a connected worker or parameter server. A new "
        "session is made. Error: %s", when, error,
    )  # fmt: skip

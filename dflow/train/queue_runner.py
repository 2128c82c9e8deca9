"""Queue runners keep a queue filled: loops run its enqueue operations until the input ends or a stop is requested.

In a local session a loop runs in a thread of this process; on a cluster it is a long-running Dask task next to the
devices of its operations, and the thread here only waits for its end.
Source: tf.train.QueueRunner of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from dflow import forks
from dflow.errors import (
    CancelledError,
    OpError,
    OutOfRangeError,
    error_code_from_exception_type,
    exception_type_from_error_code,
)
from dflow.graph import GraphKeys, get_default_graph, scopes
from dflow.ops.queues.kinds import QueueBase
from dflow.runtime.session.session import BaseSession
from dflow.train.collections import register_proto_function
from dflow.train.coordinator import Coordinator
from dflow.train.queue_runner_proto import QueueRunnerDef

logger = logging.getLogger("dflow.train")


class QueueRunner:
    """The enqueue operations that fill a queue, and how the queue is closed.

    queue: the queue; enqueue_ops: one loop each (the same operation may be listed several times).
    close_op: run when all loops have met the end of the input, by default `queue.close()`.
    cancel_op: run on a stop, by default `queue.close(cancel_pending_enqueues=True)`.
    queue_closed_exception_types: the errors that count as the end of the input, by default OutOfRangeError.
    queue_runner_def: all of these by their names in the default graph, under the scope `import_scope`.
    ValueError without a queue or enqueue operations; TypeError for exception types that are no OpErrors.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: tuple[type[OpError], ...] | None = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if queue_runner_def is None:
            self._init_from_args(queue, enqueue_ops, close_op, cancel_op, queue_closed_exception_types)
        elif queue is not None or enqueue_ops:
            raise ValueError("queue_runner_def and queue are mutually exclusive.")
        else:
            self._init_from_def(queue_runner_def, import_scope)
        self._lock = threading.Lock()
        self._runs: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # session -> threads that count
        self._exceptions_raised: list[BaseException] = []
        forks.new_lock_in_child(self, "_lock")

    def _init_from_args(
        self, queue: Any, enqueue_ops: Sequence[Any] | None, close_op: Any, cancel_op: Any, closed_types: Any
    ) -> None:
        if queue is None or not enqueue_ops:
            raise ValueError("Must provide queue and enqueue_ops.")
        self._closed_types = _exception_types(closed_types)
        self._queue = queue
        self._enqueue_ops = list(enqueue_ops)
        self._close_op = close_op if close_op is not None else queue.close()
        self._cancel_op = cancel_op if cancel_op is not None else queue.close(cancel_pending_enqueues=True)

    def _init_from_def(self, definition: Any, scope: str | None) -> None:
        if not isinstance(definition, QueueRunnerDef):
            raise TypeError(f"queue_runner_def must be a QueueRunnerDef, got {definition!r}")

        def element(name: str) -> Any:
            return get_default_graph().as_graph_element(f"{scope}/{name}" if scope else name)

        op = element(definition.queue_name)
        self._queue = QueueBase(op.attrs["queue"], op) if "queue" in op.attrs else op
        self._enqueue_ops = [element(name) for name in definition.enqueue_op_name]
        self._close_op = element(definition.close_op_name)
        self._cancel_op = element(definition.cancel_op_name)
        types = [exception_type_from_error_code(code) for code in definition.queue_closed_exception_types]
        self._closed_types = tuple(types) or (OutOfRangeError,)

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """The queue runner of a description; KeyError for names that the default graph does not have."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Its description, with names relative to `export_scope`; None if the queue is not in that scope."""
        prefix = f"{export_scope}/" if export_scope else ""
        if not self.name.startswith(prefix):
            return None
        return QueueRunnerDef(
            queue_name=self.name.removeprefix(prefix),
            enqueue_op_name=[_name(op).removeprefix(prefix) for op in self._enqueue_ops],
            close_op_name=_name(self._close_op).removeprefix(prefix),
            cancel_op_name=_name(self._cancel_op).removeprefix(prefix),
            queue_closed_exception_types=[error_code_from_exception_type(kind) for kind in self._closed_types],
        )

    @property
    def queue(self) -> Any:
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[OpError], ...]:
        return self._closed_types

    @property
    def exceptions_raised(self) -> list[BaseException]:
        """The exceptions of the threads, if there was no coordinator for them."""
        return self._exceptions_raised

    @property
    def name(self) -> str:
        """The queue's name."""
        name: str = self._queue.name
        return name

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """One thread for each enqueue operation, and one that runs the cancel operation when `coord` stops.

        Gives [] if threads of this session still run.  They are registered with `coord`.
        """
        with self._lock:
            if self._runs.get(sess, 0) > 0:
                return []
            self._runs[sess] = len(self._enqueue_ops)
            self._exceptions_raised = []
        threads = [
            threading.Thread(
                target=self._run, args=(sess, op, coord), name=f"QueueRunnerThread-{self.name}-{_name(op)}"
            )
            for op in self._enqueue_ops
        ]
        if coord is not None:
            name = f"QueueRunnerThread-{self.name}-close_on_stop"
            threads.append(threading.Thread(target=self._close_on_stop, args=(sess, coord), name=name))
        if coord is not None:
            coord.watch(sess)
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            thread.daemon = daemon
            if start:
                thread.start()
        return threads

    def _run(self, sess: Any, enqueue_op: Any, coord: Coordinator | None) -> None:
        """The body of one thread: run the loop, and report its end."""
        counted = True
        try:
            end = self._loop(sess, enqueue_op, coord)
            if end is not None:
                counted = False
                self._input_ended(sess)
        except Exception as error:
            if isinstance(error, self._closed_types):
                counted = False
                self._input_ended(sess)
            elif coord is not None:
                if not (coord.should_stop() and isinstance(error, CancelledError)):
                    coord.request_stop(error)
            elif not (sess._closed and isinstance(error, CancelledError)):
                with self._lock:
                    self._exceptions_raised.append(error)
                raise
        finally:
            if counted:
                self._one_less(sess)

    def _loop(self, sess: Any, enqueue_op: Any, coord: Coordinator | None) -> OpError | None:
        """Run the operation again and again; returns the error that was the end of the input, None on a stop."""
        if coord is not None and coord.should_stop():
            return None
        try:
            sess.graph.as_graph_element(enqueue_op)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"Operation not in the graph: {_name(enqueue_op)}: {error}") from None
        loop = sess.repeat(enqueue_op, name=_name(enqueue_op), every=sys.maxsize)  # nobody asks for reports
        if coord is not None:
            coord.call_at_stop(lambda: loop.stop(finish=True))
        loop.join()
        end: OpError | None = loop.end_of_input
        if end is not None and not isinstance(end, self._closed_types):
            raise end
        if end is None and coord is not None and not coord.should_stop():
            raise CancelledError(None, None, f"{_name(enqueue_op)} was cancelled: its session was closed")
        return end

    def _input_ended(self, sess: Any) -> None:
        """Close the queue, if this is the last thread whose input ended."""
        if self._one_less(sess) == 0:
            try:
                sess.run_aside(self._close_op)
            except Exception as error:
                logger.debug("ignored an exception of %s: %s", self._close_op.name, error)

    def _one_less(self, sess: Any) -> int:
        with self._lock:
            self._runs[sess] -= 1
            return self._runs[sess]

    def _close_on_stop(self, sess: Any, coord: Coordinator) -> None:
        coord.wait_for_stop()
        try:
            sess.run_aside(self._cancel_op)
        except Exception as error:
            logger.debug("ignored an exception of %s: %s", self._cancel_op.name, error)


register_proto_function(GraphKeys.QUEUE_RUNNERS, QueueRunnerDef, QueueRunner.to_proto, QueueRunner.from_proto)


def _name(op: Any) -> str:
    name: str = op.name
    return name


def _exception_types(types: Any) -> tuple[type[OpError], ...]:
    if types is None:
        return (OutOfRangeError,)
    good = isinstance(types, tuple) and types and all(isinstance(t, type) and issubclass(t, OpError) for t in types)
    if not good:
        raise TypeError(
            "queue_closed_exception_types, when provided, must be a non-empty tuple of OpError subclasses; "
            f"got {types!r}"
        )
    classes: tuple[type[OpError], ...] = types
    return classes


def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Add a queue runner to those that `start_queue_runners` starts."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None,
    coord: Coordinator | None = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Start all queue runners of the session's graph; gives their threads.

    sess: by default the default session (ValueError if there is none); nothing happens for a monitored session, which
    starts them itself.  TypeError for one that is no session,
    FailedPreconditionError in a forked child for one of its parent.
    """
    if sess is None:
        sess = scopes.get_default_session()
        if sess is None:
            raise ValueError(
                "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass "
                "an explicit session to tf.start_queue_runners(sess=sess)"
            )
    if type(sess).__name__ in ("MonitoredSession", "SingularMonitoredSession"):
        return []  # it has started them itself
    if not isinstance(sess, BaseSession):
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {type(sess)}")
    sess.check_process()
    with sess.graph.as_default():
        threads = []
        for runner in sess.graph.get_collection(collection):
            threads.extend(runner.create_threads(sess, coord=coord, daemon=daemon, start=start))
    return threads

"""Supervisor: a session with a Saver, event files and threads that look after it.

    sv = df.train.Supervisor(logdir="/models/run")
    with sv.managed_session() as sess:
        while not sv.should_stop():
            sess.run(train_op)

New programs use `MonitoredTrainingSession`.
Source: tf.train.Supervisor of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Thread
from typing import Any

from dflow import logging
from dflow.graph import Graph, GraphKeys, Operation, Tensor, get_default_graph
from dflow.ops.control import group
from dflow.ops.lookup.tables import tables_initializer
from dflow.ops.state.variable_lists import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from dflow.ops.summary.merge import merge_all
from dflow.runtime.session.session import Session
from dflow.summary.writer import FileWriter
from dflow.summary_proto import SessionLog
from dflow.train.coordinator import Coordinator
from dflow.train.global_step import global_step as value_of_step
from dflow.train.graph_files import write_graph
from dflow.train.looper import LooperThread
from dflow.train.meta_graph import create_meta_graph_def
from dflow.train.saver import Saver
from dflow.train.session_manager import SessionManager
from dflow.train.supervisor_threads import CheckpointThread, StepCounterThread, SummaryThread


class Supervisor:
    """Makes a session, restores or initializes its model, and saves checkpoints and summaries in threads.

    graph: by default the default graph; it is finalized.
    ready_op: a string tensor with the names of what is not initialized yet.  ready_for_local_init_op: the same for what
        local_init_op needs.  init_op, init_feed_dict, init_fn: initialize the model, if there is no checkpoint.
        local_init_op, local_init_run_options: run in each session.  summary_op: the merged summaries.
        saver: the Saver.  global_step: the global step.  By default all of these are the first items of their
        collections, or new ones.  None: none.
    is_chief: whether it initializes, saves and writes; the others wait for a model that is ready.
    logdir: the folder of the checkpoints and event files; None: nothing is written.
    save_summaries_secs, save_model_secs: how often; 0: never.  recovery_wait_secs: between looks at a model that is not
        ready.  stop_grace_secs: how long the end waits for threads.
    checkpoint_basename: of the checkpoints.  session_manager: makes the sessions.
    summary_writer: by default a FileWriter for logdir.
    ValueError for a variable without a device, if it is not the chief.
    """

    USE_DEFAULT: Any = 0

    def __init__(
        self,
        graph: Graph | None = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: str | None = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable[[Any], Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        self._graph = get_default_graph() if graph is None else graph
        with self._graph.as_default():
            self._ready_op = _one(ready_op, GraphKeys.READY_OP, report_uninitialized_variables)
            self._ready_for_local_init_op = _one(
                ready_for_local_init_op, GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: None
            )
            self._init_op = _one(init_op, GraphKeys.INIT_OP, global_variables_initializer)
            self._local_init_op = _one(local_init_op, GraphKeys.LOCAL_INIT_OP, _default_local_init_op)
            self._saver = _one(saver, GraphKeys.SAVERS, lambda: Saver() if global_variables() else None)
            self._summary_op = _one(summary_op, GraphKeys.SUMMARY_OP, merge_all)
            self._global_step = _one(global_step, GraphKeys.GLOBAL_STEP, self._default_global_step)
        self._init_feed_dict = init_feed_dict
        self._init_fn = init_fn
        self._is_chief = is_chief
        self._coord = Coordinator()
        self._stop_grace_secs = stop_grace_secs
        self._graph_added_to_summary = False
        self._logdir = logdir if is_chief else None
        self._save_summaries_secs = save_summaries_secs if is_chief else None
        self._save_model_secs = save_model_secs if is_chief else None
        self._save_path = os.path.join(logdir, checkpoint_basename) if is_chief and logdir else None
        self._summary_writer = None
        if is_chief and summary_writer is not Supervisor.USE_DEFAULT:
            self._summary_writer = summary_writer
        elif is_chief and logdir:
            self._summary_writer = FileWriter(logdir)
        self._session_manager = session_manager or SessionManager(
            local_init_op=self._local_init_op,
            ready_op=self._ready_op,
            ready_for_local_init_op=self._ready_for_local_init_op,
            graph=self._graph,
            recovery_wait_secs=recovery_wait_secs,
            local_init_run_options=local_init_run_options,
        )
        self._verify_setup()
        self._graph.finalize()

    def _default_global_step(self) -> Tensor | None:
        try:
            step: Tensor = self._graph.get_tensor_by_name("global_step:0")
        except KeyError:
            return None
        if not step.dtype.base_dtype.is_integer:
            logging.warning("Found 'global_step' is not an integer type: %s", step.dtype)
            return None
        return step

    def _verify_setup(self) -> None:
        if self._is_chief:
            return
        for op in self._graph.get_operations():
            if op.type in ("Variable", "VariableV2") and not op.device:
                raise ValueError(f"When using replicas, all Variables must have their device set: {op}")

    # -- properties

    @property
    def is_chief(self) -> bool:
        """Whether it initializes, saves and writes."""
        return self._is_chief

    @property
    def session_manager(self) -> SessionManager:
        """Makes its sessions."""
        return self._session_manager

    @property
    def coord(self) -> Coordinator:
        """The Coordinator of its threads."""
        return self._coord

    @property
    def init_op(self) -> Any:
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        return self._ready_for_local_init_op

    @property
    def summary_writer(self) -> Any:
        """The writer of its event file; None for one that is not the chief, or without a folder."""
        return self._summary_writer

    @property
    def summary_op(self) -> Any:
        return self._summary_op

    @property
    def save_summaries_secs(self) -> float | None:
        return self._save_summaries_secs

    @property
    def global_step(self) -> Any:
        return self._global_step

    @property
    def saver(self) -> Any:
        return self._saver

    @property
    def save_model_secs(self) -> float | None:
        return self._save_model_secs

    @property
    def save_path(self) -> str | None:
        """The prefix of its checkpoints."""
        return self._save_path

    # -- sessions

    @contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Session]:
        """A block with a session that is ready; its end stops all threads and closes the session.

        An exception of the block, or of a thread, leaves it; OutOfRangeError ends it quietly.
        """
        sess = None
        try:
            sess = self.prepare_or_wait_for_session(
                master=master, config=config, start_standard_services=start_standard_services
            )
            yield sess
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                with suppress(Exception):
                    if sess is not None:
                        sess.close()

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Session:
        """A session that is ready: the chief restores or initializes its model, the others wait for that.

        master, config: of the session.  wait_for_checkpoint: the chief waits for one.  max_wait_secs: at most so long.
        start_standard_services: start the threads, and the queue runners, too.
        """
        self._coord.clear_stop()
        if self._summary_writer:
            self._summary_writer.reopen()
        if self._is_chief:
            sess = self._session_manager.prepare_session(
                master,
                init_op=self._init_op,
                saver=self._saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self._init_feed_dict,
                init_fn=self._init_fn,
            )
            self._write_graph()
            if start_standard_services:
                logging.info("Starting standard services.")
                self.start_standard_services(sess)
        else:
            sess = self._session_manager.wait_for_session(master, config=config, max_wait_secs=max_wait_secs)
        if start_standard_services:
            logging.info("Starting queue runners.")
            self.start_queue_runners(sess)
        return sess

    def _write_graph(self) -> None:
        if self._logdir:
            write_graph(self._graph.as_graph_def(add_shapes=True), self._logdir, "graph.pbtxt")
        if self._summary_writer and not self._graph_added_to_summary:
            self._summary_writer.add_graph(self._graph)
            saver_def = self._saver.saver_def if self._saver else None
            self._summary_writer.add_meta_graph(create_meta_graph_def(graph=self._graph, saver_def=saver_def))
            self._graph_added_to_summary = True

    def start_standard_services(self, sess: Session) -> list[LooperThread] | None:
        """Start the threads that save summaries, the steps per second and checkpoints; gives them.

        None without a folder.  RuntimeError if this is not the chief.
        """
        if not self._is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write events."
            )
        if not self._logdir:
            logging.warning("Standard services need a 'logdir' passed to the SessionManager")
            return None
        if self._global_step is not None and self._summary_writer:
            log = SessionLog(status=SessionLog.START)
            self._summary_writer.add_session_log(log, value_of_step(sess, self._global_step))
        threads: list[LooperThread] = []
        if self._save_summaries_secs and self._summary_writer:
            if self._summary_op is not None:
                threads.append(SummaryThread(self, sess))
            if self._global_step is not None:
                threads.append(StepCounterThread(self, sess))
        if self._saver and self._save_model_secs:
            threads.append(CheckpointThread(self, sess))
        for thread in threads:
            thread.start()
        return threads

    def start_queue_runners(self, sess: Session, queue_runners: Iterable[Any] | None = None) -> list[Thread]:
        """Start queue runners, by default those of the graph; gives their threads."""
        if queue_runners is None:
            queue_runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS)
        threads: list[Thread] = []
        for runner in queue_runners:
            threads.extend(runner.create_threads(sess, coord=self._coord, daemon=True, start=True))
        return threads

    def summary_computed(self, sess: Session, summary: Any, global_step: Any = None) -> None:
        """Write a Summary, or a serialized one, of a step.  RuntimeError without a writer."""
        if not self._summary_writer:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = value_of_step(sess, self._global_step)
        self._summary_writer.add_summary(summary, global_step)

    # -- threads

    def loop(
        self,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> LooperThread:
        """A thread that calls a function every so many seconds until the stop, and runs already."""
        return LooperThread.loop(self._coord, timer_interval_secs, target, args, kwargs)

    def stop(self, threads: Any = None, close_summary_writer: bool = True, ignore_live_threads: bool = False) -> None:
        """Stop all threads and wait for them; raises the error that one of them stopped with.

        It does not close the session.  RuntimeError for threads that do not end in time, unless ignore_live_threads.
        """
        self._coord.request_stop()
        try:
            self._coord.join(
                threads, stop_grace_period_secs=self._stop_grace_secs, ignore_live_threads=ignore_live_threads
            )
        finally:
            if close_summary_writer and self._summary_writer:
                self._summary_writer.add_session_log(SessionLog(status=SessionLog.STOP))
                self._summary_writer.close()
                self._graph_added_to_summary = False

    def request_stop(self, ex: Any = None) -> None:
        """As `Coordinator.request_stop`."""
        self._coord.request_stop(ex=ex)

    def should_stop(self) -> bool:
        """As `Coordinator.should_stop`."""
        return self._coord.should_stop()

    def stop_on_exception(self) -> AbstractContextManager[None]:
        """As `Coordinator.stop_on_exception`."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> bool:
        """As `Coordinator.wait_for_stop`."""
        return self._coord.wait_for_stop()

    # the older names

    Loop = loop
    PrepareSession = prepare_or_wait_for_session
    RequestStop = request_stop
    ShouldStop = should_stop
    StartQueueRunners = start_queue_runners
    StartStandardServices = start_standard_services
    Stop = stop
    StopOnException = stop_on_exception
    SummaryComputed = summary_computed
    WaitForStop = wait_for_stop


def _one(given: Any, key: str, default: Callable[[], Any]) -> Any:
    """What was given; by default the first item of a collection, or a new one, which is added to it."""
    if given is not Supervisor.USE_DEFAULT:
        return given
    graph = get_default_graph()
    found = graph.get_collection(key)
    if len(found) > 1:
        logging.info("Found %d %s operations. Returning the first one.", len(found), key)
    if found:
        return found[0]
    item = default()
    if item is not None:
        graph.add_to_collection(key, item)
    return item


def _default_local_init_op() -> Operation:
    return group(local_variables_initializer(), tables_initializer())

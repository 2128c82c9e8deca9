"""Evaluations of checkpoints: count the runs, stop after some, and give final values.

Source: training/evaluation.py and tf.contrib.training of TensorFlow 1.15.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dflow import logging
from dflow.blocks import control_dependencies
from dflow.dtypes import int64
from dflow.graph import GraphKeys, Tensor, get_default_graph
from dflow.ops.control import identity
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.variables import Variable
from dflow.ops.summary.merge import merge_all
from dflow.summary.writer_cache import FileWriterCache
from dflow.train.checkpoint_utils import checkpoints_iterator
from dflow.train.global_step import get_or_create_global_step
from dflow.train.global_step import global_step as value_of_step
from dflow.train.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from dflow.train.hooks.tensors import FinalOpsHook
from dflow.train.monitored_session import MonitoredSession
from dflow.train.scaffold import Scaffold
from dflow.train.session_creators import ChiefSessionCreator


def get_or_create_eval_step() -> Variable:
    """The variable that counts the runs of an evaluation: a local int64 scalar, `eval_step`.

    ValueError if the collection EVAL_STEP has several.
    """
    found = get_default_graph().get_collection(GraphKeys.EVAL_STEP)
    if len(found) > 1:
        raise ValueError("Multiple tensors added to tf.GraphKeys.EVAL_STEP")
    if found:
        step: Variable = found[0]
        return step
    made: Variable = get_variable(
        "eval_step",
        shape=[],
        dtype=int64,
        initializer=zeros_initializer(),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.EVAL_STEP],
    )
    return made


class StopAfterNEvalsHook(SessionRunHook):
    """Stops an evaluation after so many runs.  num_evals: None: at the end of the input.  log_progress: log each."""

    def __init__(self, num_evals: int | None, log_progress: bool = True) -> None:
        self._num_evals = num_evals
        self._log_progress = log_progress
        self._log_frequency = 1 if num_evals is None or num_evals < 20 else num_evals // 10
        self._evals_completed: Tensor | None = None

    def _set_evals_completed_tensor(self, updated_eval_step: Tensor) -> None:
        self._evals_completed = updated_eval_step

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the number of runs."""
        return SessionRunArgs({"evals_completed": self._evals_completed})

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop, if these were enough."""
        done = run_values.results["evals_completed"]
        if self._log_progress and self._num_evals is None:
            logging.info("Evaluation [%d]", done)
        elif self._log_progress and (done % self._log_frequency == 0 or done == self._num_evals):
            logging.info("Evaluation [%d/%d]", done, self._num_evals)
        if self._num_evals is not None and done >= self._num_evals:
            run_context.request_stop()


class SummaryAtEndHook(SessionRunHook):
    """Writes summaries at the end of a session.

    log_dir: the folder, or summary_writer: a writer.  summary_op: by default all summaries.  feed_dict: for them.
    ValueError without a folder and a writer.
    """

    def __init__(
        self, log_dir: str | None = None, summary_writer: Any = None, summary_op: Any = None, feed_dict: Any = None
    ) -> None:
        if not log_dir and not summary_writer:
            raise ValueError("log_dir and summary_writer should not both be None.")
        self._log_dir = log_dir
        self._summary_writer = summary_writer
        self._summary_op = summary_op
        self._replace_summary_op = summary_op is None
        self._feed_dict = feed_dict

    def begin(self) -> None:
        """Merge the summaries, if that was not done."""
        if self._replace_summary_op:
            self._summary_op = merge_all()
        self._global_step = get_or_create_global_step()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Make the writer."""
        if not self._summary_writer and self._log_dir:
            self._summary_writer = FileWriterCache.get(self._log_dir)

    def end(self, session: Any) -> None:
        """Compute the summaries, and write them."""
        step = value_of_step(session, self._global_step)
        summary = session.run(self._summary_op, self._feed_dict)
        if self._summary_writer:
            self._summary_writer.add_summary(summary, step)
            self._summary_writer.flush()


def counted(eval_ops: Any, hooks: Iterable[SessionRunHook]) -> Any:
    """The operations of a run of an evaluation, with its count, which the hooks that stop it are told of."""
    if eval_ops is None:
        return None
    step = get_or_create_eval_step()
    update = step.assign_add(1)
    if isinstance(eval_ops, Mapping):
        every: Any = {**eval_ops, "update_eval_step": update}
    elif isinstance(eval_ops, (list, tuple)):
        every = [*eval_ops, update]
    else:
        every = [eval_ops, update]
    with control_dependencies(list(every.values()) if isinstance(every, dict) else every):
        value = identity(step.read_value())
    for hook in hooks:
        if isinstance(hook, StopAfterNEvalsHook):
            hook._set_evals_completed_tensor(value)
    return every


def evaluate_once(
    checkpoint_path: str | None,
    master: str = "",
    scaffold: Scaffold | None = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    config: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
) -> Any:
    """Evaluate one checkpoint; gives the values of `final_ops`.

    checkpoint_path: its prefix.  master, config, scaffold: of the session.  eval_ops, feed_dict: what each run does,
    until a hook stops it or the input ends; None: no runs.  final_ops, final_ops_feed_dict: what is run at the end.
    """
    hooks = list(hooks or [])
    eval_ops = counted(eval_ops, hooks)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=checkpoint_path)
    logging.info("Starting evaluation at %s", _now())
    _evaluate(creator, [*hooks, final], eval_ops, feed_dict)
    logging.info("Finished evaluation at %s", _now())
    return final.final_ops_values


def evaluate_repeatedly(
    checkpoint_dir: str,
    master: str = "",
    scaffold: Scaffold | None = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    eval_interval_secs: float = 60,
    hooks: Sequence[SessionRunHook] | None = None,
    config: Any = None,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Any:
    """Evaluate each new checkpoint of a folder, as `evaluate_once` does; gives the last values of `final_ops`.

    eval_interval_secs: between two evaluations at least.  max_number_of_evaluations: None: no limit.
    timeout: seconds without a new checkpoint after which it ends, if `timeout_fn` is None or gives True.
    """
    hooks = list(hooks or [])
    eval_ops = counted(eval_ops, hooks)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    paths = checkpoints_iterator(checkpoint_dir, eval_interval_secs, timeout=timeout, timeout_fn=timeout_fn)
    for number, path in enumerate(paths, 1):
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=path)
        logging.info("Starting evaluation at %s", _now())
        _evaluate(creator, [*hooks, final], eval_ops, feed_dict)
        logging.info("Finished evaluation at %s", _now())
        if max_number_of_evaluations is not None and number >= max_number_of_evaluations:
            break
    return final.final_ops_values


def _evaluate(creator: ChiefSessionCreator, hooks: Sequence[SessionRunHook], eval_ops: Any, feed_dict: Any) -> None:
    with MonitoredSession(creator, hooks) as session:
        while eval_ops is not None and not session.should_stop():
            session.run(eval_ops, feed_dict)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

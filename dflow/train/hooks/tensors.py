"""Hooks that log tensors during a training, and compute some at its end.

Source: tf.train.LoggingTensorHook and FinalOpsHook of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dflow import logging
from dflow.errors import OutOfRangeError
from dflow.train.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues, graph_element
from dflow.train.hooks.timer import NeverTriggerTimer, SecondOrStepTimer


class LoggingTensorHook(SessionRunHook):
    """Logs the values of tensors, on the level INFO: `df.logging.set_verbosity(df.logging.INFO)` shows them.

    tensors: tensors or their names, a list, or a dict from the tags in the log.
    every_n_iter: every so many runs.  every_n_secs: every so many seconds.  at_end: also, or only, at the end.
    formatter: makes the text from the dict of tags and values.
    ValueError unless one of every_n_iter and every_n_secs is given, or at_end alone.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError("either at_end and/or exactly one of every_n_iter and every_n_secs must be provided.")
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        if not isinstance(tensors, Mapping):
            self._tag_order = tensors
            tensors = {item: item for item in tensors}
        else:
            self._tag_order = sorted(tensors)
        self._tensors = tensors
        self._formatter = formatter
        self._timer: Any = NeverTriggerTimer()
        if not only_at_end:
            self._timer = SecondOrStepTimer(every_secs=every_n_secs, every_steps=every_n_iter)
        self._log_at_end = at_end

    def begin(self) -> None:
        """Find the tensors in the default graph."""
        self._timer.reset()
        self._iter_count = 0
        self._current_tensors = {tag: graph_element(tensor) for tag, tensor in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Ask for the tensors, if it is time."""
        self._should_trigger = self._timer.should_trigger_for_step(self._iter_count)
        return SessionRunArgs(self._current_tensors) if self._should_trigger else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log the values, if it was time."""
        if self._should_trigger:
            self._log_tensors(run_values.results)
        self._iter_count += 1

    def end(self, session: Any) -> None:
        """Log once more, if that was asked for."""
        if self._log_at_end:
            self._log_tensors(session.run(self._current_tensors))

    def _log_tensors(self, tensor_values: Mapping[Any, Any]) -> None:
        elapsed_secs, _ = self._timer.update_last_triggered_step(self._iter_count)
        with np.printoptions(suppress=True):
            if self._formatter is not None:
                logging.info(self._formatter(tensor_values))
                return
            text = ", ".join(f"{tag} = {tensor_values[tag]}" for tag in self._tag_order)
            if elapsed_secs is not None:
                logging.info("%s (%.3f sec)", text, elapsed_secs)
            else:
                logging.info("%s", text)


class FinalOpsHook(SessionRunHook):
    """Runs something at the end of a session.

    final_ops: what is run, in any structure of fetches, or None.  final_ops_feed_dict: its feeds.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops = final_ops
        self._final_ops_feed_dict = final_ops_feed_dict
        self._final_ops_values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """Their values, after the end."""
        return self._final_ops_values

    def end(self, session: Any) -> None:
        """Run them.  OutOfRangeError, with a warning in the log, if they need input that is at its end."""
        if self._final_ops is None:
            return
        try:
            self._final_ops_values = session.run(self._final_ops, feed_dict=self._final_ops_feed_dict)
        except (OutOfRangeError, StopIteration):
            logging.warning(
                "The input ended while FinalOpsHook ran its operations, so that they seem to have a dependency back to "
                "some input source, which should not happen: at the end of a session the input is at its end, too."
            )
            raise

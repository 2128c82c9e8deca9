"""The threads of a Supervisor.  Source: supervisor.py of TensorFlow 1.15."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dflow import logging
from dflow.summary_proto import SessionLog, Summary
from dflow.train.global_step import global_step as value_of_step
from dflow.train.looper import LooperThread


class SummaryThread(LooperThread):
    """Writes the summaries of a Supervisor every so many seconds."""

    def __init__(self, sv: Any, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv = sv
        self._sess = sess

    def run_loop(self) -> None:
        """Compute them, and write them."""
        step = None
        if self._sv.global_step is not None:
            summary, step = self._sess.run([self._sv.summary_op, self._sv.global_step])
            step = np.asarray(step).item()
        else:
            summary = self._sess.run(self._sv.summary_op)
        if self._sv.summary_writer:
            self._sv.summary_writer.add_summary(summary, step)


class StepCounterThread(LooperThread):
    """Writes the steps per second every so many seconds."""

    def __init__(self, sv: Any, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv = sv
        self._sess = sess
        self._summary_tag = f"{sv.global_step.op.name}/sec"

    def start_loop(self) -> None:
        """Note the step at the start."""
        self._last_time = time.time()
        self._last_step = value_of_step(self._sess, self._sv.global_step)

    def run_loop(self) -> None:
        """Write how many steps there were since the last time."""
        step, now = value_of_step(self._sess, self._sv.global_step), time.time()
        added, elapsed = step - self._last_step, now - self._last_time
        self._last_step, self._last_time = step, now
        rate = added / elapsed if elapsed else float("inf")
        if self._sv.summary_writer:
            summary = Summary(value=[Summary.Value(tag=self._summary_tag, simple_value=rate)])
            self._sv.summary_writer.add_summary(summary, step)
        logging.log_first_n(logging.INFO, "%s: %g", 10, self._summary_tag, rate)


class CheckpointThread(LooperThread):
    """Saves the model every so many seconds."""

    def __init__(self, sv: Any, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_model_secs)
        self._sv = sv
        self._sess = sess

    def run_loop(self) -> None:
        """Save it."""
        logging.info("Saving checkpoint to path %s", self._sv.save_path)
        self._sv.saver.save(self._sess, self._sv.save_path, global_step=self._sv.global_step)
        if self._sv.summary_writer and self._sv.global_step is not None:
            log = SessionLog(status=SessionLog.CHECKPOINT, checkpoint_path=self._sv.save_path)
            self._sv.summary_writer.add_session_log(log, value_of_step(self._sess, self._sv.global_step))

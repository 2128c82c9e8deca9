"""Hooks that end a training: at a step, or when the loss is no number; and one that delays its start.

Source: tf.train.StopAtStepHook, NanTensorHook and GlobalStepWaiterHook of TensorFlow 1.15.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dflow import logging
from dflow.train.hooks.base import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    step_tensor,
)

_LOOK = 0.5  # seconds between looks at the global step


class StopAtStepHook(SessionRunHook):
    """Stops at a step.

    num_steps: after so many steps from the present one.  last_step: when the global step is so high.
    ValueError unless exactly one of them is given.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if num_steps is None and last_step is None:
            raise ValueError("One of num_steps or last_step must be specified.")
        if num_steps is not None and last_step is not None:
            raise ValueError("Only one of num_steps or last_step can be specified.")
        self._num_steps = num_steps
        self._last_step = last_step

    def begin(self) -> None:
        """RuntimeError if the graph has no global step."""
        self._global_step_tensor = step_tensor("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Compute the last step, the first time."""
        if self._last_step is None:
            assert self._num_steps is not None
            self._last_step = session.run(self._global_step_tensor) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the global step."""
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop at the last step.  The run may have read the global step before its own update."""
        assert self._last_step is not None
        if run_values.results + 1 < self._last_step:
            return
        if run_context.session.run(self._global_step_tensor) >= self._last_step:
            run_context.request_stop()


class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number."""

    def __str__(self) -> str:
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Ends the training when a loss is no number.

    loss_tensor: the loss, a scalar.  fail_on_nan_loss: end with NanLossDuringTrainingError; otherwise with a stop.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss_tensor = loss_tensor
        self._fail_on_nan_loss = fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the loss."""
        return SessionRunArgs(self._loss_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Look at the loss."""
        if not np.isnan(run_values.results):
            return
        message = "Model diverged with loss = NaN."
        if self._fail_on_nan_loss:
            logging.error(message)
            raise NanLossDuringTrainingError
        logging.warning(message)
        run_context.request_stop()


class GlobalStepWaiterHook(SessionRunHook):
    """Delays the first run until the global step is so high, so that workers start one after the other.

    wait_until_step: 0 or less: no delay.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._wait_until_step = wait_until_step

    def begin(self) -> None:
        """RuntimeError if the graph has no global step."""
        self._worker_is_started = False
        self._global_step_tensor = step_tensor("_GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> None:
        """Wait, the first time.  Blocks as long as the other workers take."""
        if self._worker_is_started:
            return
        self._worker_is_started = True
        if self._wait_until_step <= 0:
            return
        logging.info("Waiting for global step %d before starting training.", self._wait_until_step)
        last_logged = 0
        while (step := run_context.session.run(self._global_step_tensor)) < self._wait_until_step:
            if step - last_logged > 1000:
                logging.info("Waiting for global step %d before starting training. Current step is %d.",
                             self._wait_until_step, step)  # fmt: skip
                last_logged = step
            time.sleep(_LOOK)
        logging.info("Done waiting, as the global step is %d.", step)


class FeedFnHook(SessionRunHook):
    """Feeds each run with what a function gives.  feed_fn: without arguments; gives a feed_dict."""

    def __init__(self, feed_fn: Any) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Feed the run."""
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())

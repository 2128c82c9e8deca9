"""MonitoredTrainingSession: a monitored session with the usual hooks.

Source: tf.train.MonitoredTrainingSession of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.train.hooks.base import SessionRunHook
from dflow.train.hooks.checkpoints import CheckpointSaverHook
from dflow.train.hooks.summaries import StepCounterHook, SummarySaverHook
from dflow.train.monitored_session import MonitoredSession
from dflow.train.scaffold import Scaffold
from dflow.train.session_creators import ChiefSessionCreator, SessionCreator, WorkerSessionCreator

USE_DEFAULT: Any = object()


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: float | None = USE_DEFAULT,
    save_summaries_steps: int | None = USE_DEFAULT,
    save_summaries_secs: float | None = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: int | None = USE_DEFAULT,
    summary_dir: str | None = None,
) -> MonitoredSession:
    """A MonitoredSession for a training.

        with df.train.MonitoredTrainingSession(checkpoint_dir="/models/run", hooks=hooks) as sess:
            while not sess.should_stop():
                sess.run(train_op)

    master: the target, "" or the address of a Dask scheduler.  config: its options.
    is_chief: whether it initializes or restores the model, and saves it; other workers wait, max_wait_secs at most.
    checkpoint_dir: the folder of the checkpoints, from the newest of which it starts.  None: nothing is saved.
    scaffold: the parts of the graph, by default a new Scaffold.  hooks, chief_only_hooks: SessionRunHooks.
    save_checkpoint_secs, save_checkpoint_steps: how often a checkpoint is saved, by default every 600 seconds; if both
        are None, or one is 0, never.
    save_summaries_steps, save_summaries_secs: how often summaries are written, by default every 100 steps.
    log_step_count_steps: how often the steps per second are logged; None: never.
    summary_dir: the folder of the summaries, by default checkpoint_dir.
    stop_grace_period_secs: how long the end waits for threads.
    """
    if save_summaries_steps is USE_DEFAULT and save_summaries_secs is USE_DEFAULT:
        save_summaries_steps, save_summaries_secs = 100, None
    else:
        save_summaries_steps = _given(save_summaries_steps)
        save_summaries_secs = _given(save_summaries_secs)
    if save_checkpoint_secs is USE_DEFAULT and save_checkpoint_steps is USE_DEFAULT:
        save_checkpoint_steps, save_checkpoint_secs = None, 600
    else:
        save_checkpoint_steps = _given(save_checkpoint_steps)
        save_checkpoint_secs = _given(save_checkpoint_secs)
    scaffold = scaffold or Scaffold()
    if not is_chief:
        waiting = WorkerSessionCreator(scaffold=scaffold, master=master, config=config, max_wait_secs=max_wait_secs)
        return MonitoredSession(waiting, list(hooks or []), stop_grace_period_secs)
    creator: SessionCreator = ChiefSessionCreator(
        scaffold=scaffold, checkpoint_dir=checkpoint_dir, master=master, config=config
    )
    all_hooks = list(chief_only_hooks or [])
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir:
        if log_step_count_steps and log_step_count_steps > 0:
            all_hooks.append(StepCounterHook(output_dir=summary_dir, every_n_steps=log_step_count_steps))
        if (save_summaries_steps and save_summaries_steps > 0) or (save_summaries_secs and save_summaries_secs > 0):
            all_hooks.append(
                SummarySaverHook(
                    scaffold=scaffold,
                    save_steps=save_summaries_steps,
                    save_secs=save_summaries_secs,
                    output_dir=summary_dir,
                )
            )
    if checkpoint_dir and (
        (save_checkpoint_secs and save_checkpoint_secs > 0) or (save_checkpoint_steps and save_checkpoint_steps > 0)
    ):
        all_hooks.append(
            CheckpointSaverHook(
                checkpoint_dir, save_steps=save_checkpoint_steps, save_secs=save_checkpoint_secs, scaffold=scaffold
            )
        )
    return MonitoredSession(creator, all_hooks + list(hooks or []), stop_grace_period_secs)


def _given(value: Any) -> Any:
    return None if value is USE_DEFAULT else value

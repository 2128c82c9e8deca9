"""basic_train_loop: a training loop under a Supervisor.  Source: tf.train.basic_train_loop of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow.errors import AbortedError
from dflow.train.supervisor import Supervisor


def basic_train_loop(
    supervisor: Supervisor,
    train_step_fn: Callable[..., Any],
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    master: str = "",
) -> None:
    """Call `train_step_fn(sess, *args, **kwargs)` until the supervisor is to stop; again after an AbortedError.

    master: the target of the session.
    """
    while True:
        try:
            with supervisor.managed_session(master) as sess:
                while not supervisor.should_stop():
                    train_step_fn(sess, *(args or ()), **(kwargs or {}))
            return
        except AbortedError:  # a worker has lost its state
            continue

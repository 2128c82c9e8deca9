"""What the programs of this folder share: threads whose end is awaited, and how to see that something waits."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

import dflow as tf
from dflow.cluster.process import child_environment

SECONDS = 30.0  # after which something that should have happened did not
SHORT = tf.RunOptions(timeout_in_ms=150)  # for a run that would wait for ever


def in_thread(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """Start `work` in a thread of its own: the future has what it gives or raises."""
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def run_script(folder: Path, text: str, *arguments: str) -> str:
    """Run a script in a client process of its own; gives what it printed."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(text))
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(condition: Callable[[], Any]) -> None:
    """Return as soon as `condition()` holds; fail if it never does."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.002)


def _waiting_spec(queue: Any) -> tf.TensorSpec:
    return tf.TensorSpec([2], tf.int32)


def _waiting_kernel(context: Any, queue: Any) -> Any:
    row = context.resource_of(queue).row()
    return np.array([row["waiting_enqueues"], row["waiting_dequeues"]], np.int32)


tf.define(
    "TestWaiting",
    spec=_waiting_spec,
    kernel=_waiting_kernel,
    gradient=tf.no_gradient("it counts"),
    stateful=True,
    host_only=True,
)
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker has this module


class Waiting:
    """How many attempts wait in a queue's two lines.  Make it before the session runs in other threads."""

    def __init__(self, sess: tf.Session, queue: tf.QueueBase) -> None:
        with queue.graph.as_default(), tf.colocate_with(queue.op):
            self._counts = tf.add_op("TestWaiting", queue=queue.spec)
        self._run = sess.make_callable(self._counts)

    def enqueues(self, n: int) -> None:
        """Return when `n` enqueues or closes wait."""
        until(lambda: self._run()[0] == n)

    def dequeues(self, n: int) -> None:
        """Return when `n` dequeues wait."""
        until(lambda: self._run()[1] == n)


def _where_spec() -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.uint8)  # text is for CPUs only


def _where_kernel(context: Any) -> Any:
    return context.asarray(np.frombuffer(context.device.encode(), np.uint8))


tf.define("TestWhere", spec=_where_spec, kernel=_where_kernel, gradient=tf.no_gradient("it is a name"), stateful=True)


def where_am_i(name: str | None = None) -> tf.Tensor:
    """The full name of the device that this operation runs on; `device_name` reads its value."""
    tensor: tf.Tensor = tf.add_op("TestWhere", name=name)
    return tensor


def device_name(value: Any) -> str:
    return bytes(value).decode()

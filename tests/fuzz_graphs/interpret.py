"""Run a program, a list of lines of Python, on one library, and say as JSON what each line gives.

A line that is an expression gives its value, any other gives None, and one that fails the class of its error and the
operation that the error names.  Knows neither TensorFlow nor dflow: programs say `tf`.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np

from tests.oracle.tools import class_name

LIMIT_MS = 20_000  # for what is never meant to wait
AT_MOST = 100  # steps of a loop to the end of the input

Program = list[str]
Outcomes = list[Any]  # one for each line
HANGS: Outcomes = ["hangs"]
DIED: Outcomes = ["the process died"]


class Tools:
    """What a program may use beside `tf` and `np`: the public methods.  `patience_ms`: after that, a run waits."""

    def __init__(self, tf: Any, sess: Any, places: Sequence[str], patience_ms: int) -> None:
        self._tf, self._sess, self._places = tf, sess, places
        self._options = tf.RunOptions(timeout_in_ms=patience_ms)
        self._patience = patience_ms / 1000
        self._kept: list[str] = []

    def run(self, fetches: Any, feeds: Any = None) -> Any:
        """As `sess.run`; a run that waits ends with DeadlineExceededError."""
        return self._sess.run(fetches, feeds, options=self._options)

    def made(self, fetches: Any, feed_list: Any = None) -> Callable[..., Any]:
        """As `sess.make_callable`; a call that waits ends as a run does."""
        function = self._sess.make_callable(fetches, feed_list, accept_options=True)
        return lambda *values: function(*values, options=self._options)

    def on(self, place: int) -> AbstractContextManager[Any]:
        """One of the devices that this session has."""
        device: AbstractContextManager[Any] = self._tf.device(self._places[place % len(self._places)])
        return device

    def drain(self, fetches: Any) -> list[Any]:
        """What runs give until the input ends."""
        found: list[Any] = []
        with suppress(self._tf.errors.OutOfRangeError):
            while len(found) < AT_MOST:
                found.append(self.run(fetches))
        return found

    def later(self, fetches: Any, feeds: Any = None) -> Future[Any]:
        """A run in a thread of its own, without a limit: it has ended, or it waits."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(self._sess.run(fetches, feeds))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        with suppress(FutureTimeoutError):
            future.exception(self._patience / 2)
        return future

    def result(self, future: Future[Any]) -> Any:
        """What a thread's run gives in the end."""
        return future.result(LIMIT_MS / 1000)

    def keep(self, components: Any, many: bool = False) -> list[Any]:
        """Elements whose order is random: keeps them for `kept`, and gives the dtypes of one, the shapes of several."""
        found = components if isinstance(components, list) else [components]
        parts = [np.asarray(part, object if isinstance(part, bytes) else None) for part in found]
        rows = zip(*parts, strict=True) if many else [parts]
        self._kept += [repr([shown(np.asarray(part)) for part in row]) for row in rows]
        return [list(part.shape) if many else part.dtype.name for part in parts]

    def kept(self) -> list[str]:
        """All elements that were kept, in an order of their own."""
        found, self._kept = sorted(self._kept), []
        return found

    def names(self) -> dict[str, Any]:
        public = {name: getattr(self, name) for name in dir(type(self)) if not name.startswith("_") and name != "names"}
        return {"tf": self._tf, "np": np, "sess": self._sess, **public}


def outcomes(
    tf: Any, program: Program, places: Sequence[str], patience_ms: int, target: str = "", container: str = "fuzz"
) -> Outcomes:
    """What the lines give in a graph, a session and a container of their own; places: names of devices."""
    config = tf.ConfigProto(operation_timeout_in_ms=LIMIT_MS)
    with tf.Graph().as_default(), tf.container(container), tf.Session(target, config=config) as sess:
        names = Tools(tf, sess, places, patience_ms).names()
        return [outcome(line, names) for line in program]


def outcome(line: str, names: dict[str, Any]) -> Any:
    """What one line gives."""
    try:
        parsed = ast.parse(line).body[0]
        if isinstance(parsed, ast.Expr):
            return shown(eval(line, names))
        exec(line, names)
    except Exception as error:
        op = getattr(error, "op", None)
        return {"error": class_name(error), "op": getattr(op, "name", None)}
    return None


def shown(value: Any) -> Any:
    """A value as JSON that keeps dtypes, shapes and the kinds of containers and of what has no dimensions."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, (np.ndarray, np.generic)):
        return {"ndarray" if isinstance(value, np.ndarray) else "scalar": _array(np.asarray(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {"dict": [[str(key), shown(it)] for key, it in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [shown(it) for it in value]}
    return f"<{type(value).__name__.removeprefix('Symbolic')}>"  # as TensorFlow 2 calls a Tensor of a graph


def _array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.dtype.kind in "OSU":
        values = [shown(it) for it in array.ravel().tolist()]
        return {"array": "string", "shape": list(array.shape), "values": values}
    parts = array.ravel().view(f"f{array.itemsize // 2}") if array.dtype.kind == "c" else array.ravel()
    return {"array": array.dtype.name, "shape": list(array.shape), "values": parts.tolist()}

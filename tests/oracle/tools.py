"""What the programs share, and how their results become plain JSON.  Knows neither TensorFlow nor dflow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 20.0  # after which something that should have happened did not


def session(tf: Any, **options: Any) -> Any:
    """A session in which every run ends."""
    return tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=int(SECONDS * 1000), **options))


def error(call: Callable[[], Any], *fragments: str) -> dict[str, Any]:
    """The class of the error that `call()` raises, its operation if it has one, and which fragments its text has."""
    try:
        call()
    except Exception as error:
        op = getattr(error, "op", None)
        text = str(error)
        found: dict[str, Any] = {"error": class_name(error), "op": getattr(op, "name", None)}
        return found | {f"says {fragment!r}": fragment in text for fragment in fragments}
    return {"error": None}


def class_name(error: BaseException) -> str:
    """The name of an error's class; for a subclass of Python's own errors, the name of that one."""
    for kind in type(error).__mro__:
        if kind.__module__ == "builtins" or hasattr(error, "error_code"):
            return kind.__name__
    raise AssertionError("every exception has a class of builtins")


def kind_of_error(call: Callable[[], Any], *fragments: str) -> dict[str, Any]:
    """As `error`, without the operation: where its name is not part of the interface."""
    return {key: it for key, it in error(call, *fragments).items() if key != "op"}


def outcome(sess: Any, build: Callable[[], Any], feeds: Any = None) -> Any:
    """What `build()` gives in a run, with its static shape if it is one tensor; or the class of the error, and when."""
    return outcomes(sess, {"it": build}, feeds)["it"]


def outcomes(sess: Any, builds: dict[str, Callable[[], Any]], feeds: Any = None) -> dict[str, Any]:
    """The `outcome` of each; all of them in one run, if none fails."""
    fetches, found = {}, {}
    for name, build in builds.items():
        try:
            fetches[name] = build()
        except Exception as error:
            found[name] = f"built: {class_name(error)}"
    static = {name: {"static": shape(it)} for name, it in fetches.items() if hasattr(it, "op") and hasattr(it, "dtype")}
    for name, value in _runs(sess, fetches, feeds).items():
        found[name] = value | static.get(name, {})
    return found


def _runs(sess: Any, fetches: dict[str, Any], feeds: Any) -> dict[str, dict[str, Any]]:
    try:
        return {name: {"value": it} for name, it in sess.run(fetches, feeds).items()}
    except Exception as error:
        if len(fetches) == 1:
            return {name: {"run": class_name(error)} for name in fetches}
    names = list(fetches)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    return {
        key: it for half in halves for key, it in _runs(sess, {name: fetches[name] for name in half}, feeds).items()
    }


def refusals(found: Any) -> Any:
    """The outcomes, with one word for whatever error says that a value does not fit."""
    if isinstance(found, dict) and "run" not in found:
        return {key: refusals(it) for key, it in found.items()}
    return "refused" if isinstance(found, dict) or (isinstance(found, str) and found.startswith("built")) else found


def waits(tf: Any, sess: Any, fetch: Any, feed_dict: Any = None) -> bool:
    """Whether a run of `fetch` waits for something that nobody does."""
    try:
        sess.run(fetch, feed_dict, options=tf.RunOptions(timeout_in_ms=300))
    except tf.errors.DeadlineExceededError:
        return True
    return False


def in_thread(work: Callable[..., Any], *args: Any) -> Future[Any]:
    """Start `work` in a thread of its own: the future has what it gives or raises."""
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(work(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def is_waiting(future: Future[Any]) -> bool:
    """Whether the work of a thread is still not done after a while."""
    try:
        future.exception(timeout=0.3)
    except FutureTimeoutError:
        return True
    return False


def until_the_end(tf: Any, sess: Any, fetch: Any, at_most: int = 1000) -> list[Any]:
    """What runs give until the input ends."""
    found = []
    for _ in range(at_most):
        try:
            found.append(sess.run(fetch))
        except tf.errors.OutOfRangeError:
            break
    return found


def shape(tensor: Any) -> list[int | None] | None:
    """A tensor's static shape: None if its rank is unknown."""
    return None if tensor.shape.ndims is None else list(tensor.shape.as_list())


def names(ops: Iterable[Any]) -> list[str]:
    """The names of operations or tensors."""
    return [op.name for op in ops]


def write(folder: Path, **files: bytes | str) -> list[str]:
    """Write files, named `a.txt` for `a=`; gives their paths."""
    paths = []
    for name, content in files.items():
        path = folder / f"{name}.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(str(path))
    return paths


def canonical(value: Any, folder: str) -> Any:
    """`value` as JSON that keeps dtypes, shapes and the kinds of containers; `folder` becomes `<folder>`."""
    if isinstance(value, bytes):
        return _text(value, folder)
    if isinstance(value, str):
        return value.replace(folder, "<folder>")
    if value is None or (isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, dict):
        return {str(key): canonical(it, folder) for key, it in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {type(value).__name__: canonical(value._asdict(), folder)}
    if isinstance(value, tuple):
        return {"tuple": [canonical(it, folder) for it in value]}
    if isinstance(value, list):
        return [canonical(it, folder) for it in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _array(np.asarray(value), folder)
    raise TypeError(f"a result holds a {type(value).__module__}.{type(value).__qualname__}: {value!r}")


def _text(value: bytes, folder: str) -> dict[str, Any]:
    return {"string": "bytes", "shape": [], "values": value.replace(folder.encode(), b"<folder>").decode("latin-1")}


def _array(array: np.ndarray, folder: str) -> dict[str, Any]:
    if array.dtype.kind in "OSU":
        if array.ndim == 0:
            return _text(array.item(), folder)
        values = [_text(it, folder)["values"] for it in array.ravel().tolist()]
        return {"string": "bytes", "shape": list(array.shape), "values": values}
    parts = array.ravel().view(f"f{array.itemsize // 2}") if array.dtype.kind == "c" else array.ravel()
    values = parts.tolist() if array.dtype.kind != "V" else parts.astype(np.float32).tolist()
    return {"array": array.dtype.name, "shape": list(array.shape), "values": values}

"""Session.run: what can be fetched and fed, and what goes wrong."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, session

Pair = namedtuple("Pair", ["left", "right"])


def fetches(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = tf.constant(1.0, name="a"), tf.constant([2, 3], name="b")
    v = tf.Variable(4.0, name="v")
    nothing = tf.no_op(name="nothing")
    with session(tf) as sess:
        sess.run(v.initializer)
        forms = {
            "a tensor": a,
            "an operation": nothing,
            "an operation with an output": a.op,
            "a variable": v,
            "a name": "b:0",
            "a name in bytes": b"b:0",
            "the name of an operation": "nothing",
            "a list": [a, b],
            "a tuple": (a, b),
            "a nested structure": [a, (b, [v, nothing]), {"x": a, "y": [b]}],
            "a named tuple": Pair(a, [b, b]),
            "a dictionary": {"x": a, "y": b, "z": nothing},
            "twice": [a, a, a],
            "an empty list": [],
            "an empty tuple": (),
            "an empty dictionary": {},
        }
        found: dict[str, Any] = {name: sess.run(it) for name, it in forms.items()}
        ordered = sess.run(OrderedDict([("z", a), ("a", b)]))
        found["an ordered dictionary"] = [type(ordered).__name__, list(ordered)]
        return found


def types_of_results(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        values = sess.run(
            [tf.constant(1.5), tf.constant([1, 2]), tf.constant("s"), tf.constant(["a", "b"]), tf.constant(True)]
        )
        return {
            "types": [isinstance(it, (np.generic, np.ndarray, bytes)) for it in values],
            "bytes": type(values[2]).__name__,
        }


def wrong_fetches(tf: Any, folder: Path) -> dict[str, Any]:
    a = tf.constant(1.0, name="a")
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with session(tf) as sess, tf.Session(graph=tf.Graph()) as empty:
        return {
            "none": error(lambda: sess.run(None)),
            "none inside": error(lambda: sess.run([a, None])),
            "a number": error(lambda: sess.run(1)),
            "unknown name": error(lambda: sess.run("nonsense")),
            "unknown output": error(lambda: sess.run("a:1")),
            "another graph": error(lambda: sess.run(foreign)),
            "empty graph": error(lambda: empty.run([]), "The Session graph is empty."),
        }


def feeds(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.placeholder(tf.float32, [None, 2], name="x"), tf.placeholder(tf.int32, name="y")
    default = tf.placeholder_with_default([1.0, 2.0], [None])
    c = tf.constant(5.0)
    v = tf.Variable(1.0)
    with session(tf) as sess:
        sess.run(v.initializer)
        return {
            "a list": sess.run(x * 2, {x: [[1, 2], [3, 4]]}),
            "an array": sess.run(x * 2, {x: np.ones((1, 2))}),
            "none": sess.run(x * 2, {x: np.zeros((0, 2))}),
            "by name": sess.run(x * 2, {"x:0": [[1, 1]]}),
            "any shape": [sess.run(y + 1, {y: it}) for it in (1, [1, 2], [[1], [2]])],
            "a default": [sess.run(default * 2), sess.run(default * 2, {default: [7.0]})],
            "a constant": sess.run(c * 2, {c: 10.0}),
            "a value in between": sess.run((c + 1) * 2, {c: 1.0}),
            "a variable": sess.run(v * 2, {v: 10.0}),
            "a variable keeps its value": sess.run(v),
            "fetched as fed": sess.run(x, {x: [[1, 2]]}),
        }


def feeds_of_text(tf: Any, folder: Path) -> dict[str, Any]:
    text = tf.placeholder(tf.string, [None])
    with session(tf) as sess:
        return {
            "str": sess.run(tf.identity(text), {text: ["a", "\u00e4"]}),
            "bytes": sess.run(tf.identity(text), {text: [b"\xff", b""]}),
            "an array": sess.run(tf.identity(text), {text: np.array([b"\xff", "b"], object)}),
            "both": sess.run(tf.identity(text), {text: ["a", b"\xff"]}),
        }


def wrong_feeds(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [2], name="x")
    number = tf.placeholder(tf.int32, (), name="number")
    with session(tf) as sess:
        return {
            "not fed": error(lambda: sess.run(tf.identity(x, name="use")), "You must feed a value for placeholder"),
            "shape": error(lambda: sess.run(x, {x: [1.0, 2.0, 3.0]}), "Cannot feed value of shape"),
            "a tensor": error(lambda: sess.run(x, {x: tf.zeros([2])}), "cannot be a tf.Tensor object"),
            "an operation": error(lambda: sess.run(x, {"x": [1.0, 2.0]}), "Cannot interpret feed_dict"),
            "a key of a wrong type": error(lambda: sess.run(x, {1: [1.0, 2.0]}), "Cannot interpret feed_dict"),
            "a lossy value": error(lambda: sess.run(number, {number: 1.5}))["error"],
            "text for a number": error(lambda: sess.run(number, {number: "a"}))["error"],
        }


def one_step(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(0, name="v")
    count = v.assign_add(1)
    with session(tf) as sess:
        sess.run(v.initializer)
        found = {"fetched twice": sess.run([count, count, tf.identity(count)]), "value": sess.run(v)}
        sess.run([tf.constant(1)])
        return found | {"only what is needed": sess.run(v)}


def session_objects(tf: Any, folder: Path) -> dict[str, Any]:
    a = tf.constant(3.0)
    found: dict[str, Any] = {"none": tf.get_default_session() is None}
    with tf.Session() as sess:
        found["default"] = tf.get_default_session() is sess
        found["eval"] = [a.eval(), (a + 1).eval(), sess.run(a)]
        found["graph"] = sess.graph is tf.get_default_graph()
    found["closed"] = kind_of_error(lambda: sess.run(a), "Attempted to use a closed Session.")
    found["no session"] = error(lambda: a.eval(), "No default session is registered")
    other = tf.Graph()
    with other.as_default():
        b = tf.constant(4.0)
    with tf.Session(graph=other) as sess:
        found["another graph"] = sess.run(b)
    interactive = tf.InteractiveSession()
    found["interactive"] = a.eval()
    interactive.close()
    return found


def wrong_sessions(tf: Any, folder: Path) -> dict[str, Any]:
    return {
        "target": error(lambda: tf.Session(1)),
        "graph": error(lambda: tf.Session(graph="nonsense")),
        "config": error(lambda: tf.Session(config="nonsense")),
    }


def callables(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with session(tf) as sess:
        product = sess.make_callable(x * y, feed_list=[x, y])
        both = sess.make_callable([x + y, tf.no_op()], [x, y])
        return {"product": [product(2.0, 3.0), product([1.0, 2.0], 3.0)], "both": both(1.0, 2.0)}


def errors_of_operations(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(1.0, name="v")
    index = tf.placeholder(tf.int32, ())
    left, right = tf.placeholder(tf.float32, None), tf.placeholder(tf.float32, None)
    with session(tf) as sess:
        return {
            "not initialized": kind_of_error(lambda: sess.run(v), "Attempting to use uninitialized value v"),
            "shapes": error(lambda: sess.run(tf.add(left, right, name="sum"), {left: [1, 2], right: [1, 2, 3]})),
            "matrices": error(
                lambda: sess.run(
                    tf.matmul(left, right, name="product"), {left: np.ones((2, 3)), right: np.ones((2, 3))}
                )
            ),
            "index": error(lambda: sess.run(tf.gather([1, 2, 3], index, name="pick"), {index: 3})),
            "reshape": error(lambda: sess.run(tf.reshape(left, [2, 2], name="form"), {left: [1, 2, 3]})),
            "assert": error(lambda: sess.run(tf.Assert(index > 5, [index], name="check"), {index: 3})),
            "division": error(lambda: sess.run(tf.floordiv(7, index, name="div"), {index: 0})),
        }


def error_objects(tf: Any, folder: Path) -> dict[str, Any]:
    names = [it for it in dir(tf.errors) if it.endswith("Error") and not it.startswith("_")]
    found: dict[str, Any] = {}
    for name in names:
        kind = getattr(tf.errors, name)
        if name == "OpError" or not issubclass(kind, tf.errors.OpError):
            continue
        made = kind(None, None, "text")
        found[name] = [made.message, made.error_code, made.op, made.node_def]
    return found


def python_functions(tf: Any, folder: Path) -> dict[str, Any]:
    def double(x: Any) -> Any:
        return x * 2

    def two(x: Any, y: Any) -> Any:
        return x + y, np.array(x.shape, np.int64)

    def fails(kind: type[Exception]) -> dict[str, Any]:
        def fail(x: Any) -> Any:
            raise kind("inside")

        return kind_of_error(lambda: sess.run(tf.py_func(fail, [x], tf.float32)), "inside")

    kinds = [TypeError, ValueError, StopIteration, MemoryError, NotImplementedError, KeyError, OSError, IndexError]
    x = tf.constant([1.0, 2.0])
    with session(tf) as sess:
        return {
            "one": sess.run(tf.py_func(double, [x], tf.float32)),
            "two": sess.run(tf.py_func(two, [x, x], [tf.float32, tf.int64])),
            "text": sess.run(tf.py_func(lambda it: it + b"!", [tf.constant("a")], tf.string)),
            "fails": {kind.__name__: fails(kind) for kind in kinds},
            "of another dtype": kind_of_error(lambda: sess.run(tf.py_func(lambda: 1, [], tf.float32))),
        }

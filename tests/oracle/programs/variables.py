"""Variables, their initialization, and variable scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, names, session, shape


def values(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 2.0], name="v")
    with session(tf) as sess:
        found: dict[str, Any] = {"before": kind_of_error(lambda: sess.run(v), "uninitialized value v")}
        sess.run(v.initializer)
        found |= {
            "value": sess.run(v),
            "assign": sess.run(v.assign([3.0, 4.0])),
            "assign_add": sess.run(v.assign_add([1.0, 1.0])),
            "assign_sub": sess.run(v.assign_sub([0.5, 0.5])),
            "functions": [sess.run(tf.assign(v, [9.0, 9.0])), sess.run(tf.assign_add(v, [1.0, 2.0]))],
            "eval": v.eval(sess),
            "read": sess.run([v.read_value(), v.value(), v.initialized_value()]),
            "arithmetic": sess.run([v + 1, 2 * v, v - v, -v, v / 2, v[0]]),
        }
        v.load([7.0, 8.0], sess)
        found["loaded"] = sess.run(v)
        return found


def changes_of_another_shape(tf: Any, folder: Path) -> dict[str, Any]:
    v, p = tf.Variable(tf.ones([2, 2]), name="v"), tf.placeholder(tf.float32)
    changes = {"add": v.assign_add(p), "sub": v.assign_sub(p)}
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name, change in changes.items():
            for wrong in (1.0, [1.0, 1.0], [[1.0, 1.0]], [[[1.0, 1.0]]]):
                sess.run(v.initializer)
                found[f"{name} {wrong}"] = kind_of_error(lambda it=change, fed=wrong: sess.run(it, {p: fed}), "")
    return found


def collections(tf: Any, folder: Path) -> dict[str, Any]:
    tf.Variable(1.0, name="a")
    tf.Variable(1.0, name="b", trainable=False)
    tf.Variable(1.0, name="c", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    tf.Variable(1.0, name="d", collections=["mine"])
    return {
        "global": names(tf.global_variables()),
        "trainable": names(tf.trainable_variables()),
        "local": names(tf.local_variables()),
        "mine": names(tf.get_collection("mine")),
    }


def initialization(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    c = tf.Variable(a.initialized_value() * 10, name="c")
    missing = tf.report_uninitialized_variables()
    known = tf.is_variable_initialized(a)
    with session(tf) as sess:
        found: dict[str, Any] = {"all": sorted(sess.run(missing).tolist()), "known": sess.run(known)}
        sess.run(tf.variables_initializer([a, c]))
        found["one"] = sess.run(missing)
        found["c"] = sess.run(c)
        sess.run(tf.global_variables_initializer())
        return found | {"none": sess.run(missing), "values": sess.run([a, b, c]), "known now": sess.run(known)}


def without_a_value(tf: Any, folder: Path) -> dict[str, Any]:
    """What needs no value of an uninitialized variable: its shape, and to wait for it.  Of each kind of variable."""

    def found(sess: Any, fetch: Any) -> Any:
        try:
            return sess.run(fetch)
        except tf.errors.FailedPreconditionError:
            return "no value"

    def after(item: Any, *reads: Any) -> Any:
        with tf.control_dependencies([item]):
            return tf.constant(3) if not reads else tf.identity(*reads)

    def of(v: Any) -> dict[str, Any]:
        return {
            "shape, size, rank": [tf.shape(v), tf.size(v), tf.rank(v)],
            "like": [tf.zeros_like(v), tf.ones_like(v)],
            "of what is computed": [tf.shape(v + 1), tf.size(tf.identity(v)), tf.zeros_like(v.value())],
            "operations": [v.op, tf.group(v), tf.group(v.op), tf.group(v, tf.constant(1))],
            "waited for": [after(v), after(v.op)],
            "waited for and read": after(v, v),
            "read": v,
            "value": v.value(),
            "operation and read": [v.op, v],
            "read anew": tf.group(v.read_value()),
            "tuple": tf.tuple([v]),
            "initialized": tf.is_variable_initialized(v),
            "assigned": v.assign(tf.ones_like(v)).op,
        }

    results = {}
    for resource in (False, True):
        for dtype in ("float32", "int64", "complex64"):
            v = tf.Variable(np.array([1, 2], dtype), use_resource=resource)
            with session(tf) as sess:
                results[f"{dtype}, {resource}"] = {key: found(sess, it) for key, it in of(v).items()}
    open_shape = tf.Variable([1.0, 2.0], validate_shape=False, use_resource=False)
    with session(tf) as sess:
        results["validate_shape"] = {key: found(sess, it) for key, it in of(open_shape).items()}
    return results


def counting(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(0, name="v")
    count, function = v.count_up_to(3), tf.count_up_to(v, 4)
    with session(tf) as sess:
        sess.run(v.initializer)
        return {
            "counts": [sess.run(count) for _ in range(3)],
            "end": kind_of_error(lambda: sess.run(count)),
            "value": sess.run(v),
            "function": sess.run(function),
            "then": kind_of_error(lambda: sess.run(function)),
        }


def wrong_assignments(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 2.0], name="v")
    unknown = tf.placeholder(tf.float32, None)
    loose = tf.Variable([1.0], validate_shape=False, name="loose")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "shape": error(lambda: v.assign([1.0, 2.0, 3.0])),
            "fed shape": kind_of_error(lambda: sess.run(v.assign(unknown), {unknown: [1.0, 2.0, 3.0]})),
            "dtype": error(lambda: v.assign(["a", "b"]))["error"] in ("TypeError", "ValueError"),
            "kept": sess.run(v),
            "any shape": sess.run(tf.assign(loose, [1.0, 2.0, 3.0], validate_shape=False)),
            "read": sess.run(loose.read_value()),
            "no value": error(lambda: tf.Variable(None)),
            "unknown shape": error(lambda: tf.Variable(unknown)),
        }


def names_of_variables(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = tf.Variable(1.0), tf.Variable([1.0, 2.0], name="mine")
    with tf.name_scope("scope"):
        c = tf.Variable(1, name="mine")
    return {
        "names": names([a, b, c]),
        "ops": names([a.op, b.op, c.op]),
        "initializers": names([a.initializer, b.initializer, c.initializer]),
        "values": names([b.initial_value, b.value()]),
        "shapes": [shape(it) for it in (a, b, c)],
        "dtypes": [it.dtype.base_dtype.name for it in (a, b, c)],
        "type": a.op.type,
    }


def variable_scopes(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.variable_scope("outer"):
        a = tf.get_variable("a", [2], initializer=tf.constant_initializer(3.0))
        with tf.variable_scope("inner"):
            b = tf.get_variable("b", initializer=tf.constant([1.0, 2.0]))
    with tf.variable_scope("outer", reuse=True):
        again = tf.get_variable("a", [2])
    with tf.variable_scope("outer", reuse=tf.AUTO_REUSE):
        auto, new = tf.get_variable("a", [2]), tf.get_variable("new", [], initializer=tf.zeros_initializer())
    x = tf.get_variable("x", [2, 2], tf.float64, initializer=tf.ones_initializer(), trainable=False)

    def duplicate() -> None:
        with tf.variable_scope("outer"):
            tf.get_variable("a", [2])

    def missing() -> None:
        with tf.variable_scope("outer", reuse=True):
            tf.get_variable("nonsense", [2])

    def other_shape() -> None:
        with tf.variable_scope("outer", reuse=True):
            tf.get_variable("a", [3])

    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "names": names([a, b, new, x]),
            "same": [again is a, auto is a],
            "values": sess.run([a, b, new, x]),
            "trainable": names(tf.trainable_variables()),
            "duplicate": error(duplicate, "already exists"),
            "missing": error(missing, "does not exist"),
            "another shape": error(other_shape),
        }


def scope_objects(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.variable_scope("s", initializer=tf.constant_initializer(2.0)) as scope:
        a = tf.get_variable("a", [])
        first = tf.constant(1.0, name="c")
    with tf.variable_scope(scope, reuse=True):
        same = tf.get_variable("a", [])
        second = tf.constant(1.0, name="c")
        reusing = tf.get_variable_scope().reuse
    with session(tf) as sess:
        sess.run(a.initializer)
        return {
            "scope": [scope.name, tf.get_variable_scope().name, reusing, same is a],
            "names": names([first, second]),
            "value": sess.run(a),
        }


def concurrent_updates(tf: Any, folder: Path) -> dict[str, Any]:
    from tests.oracle.tools import in_thread

    v = tf.Variable(0, name="v")
    add = v.assign_add(1, use_locking=True)
    with session(tf) as sess:
        sess.run(v.initializer)

        def work() -> None:
            for _ in range(50):
                sess.run(add)

        for it in [in_thread(work) for _ in range(4)]:
            it.result(30)
        return {"value": sess.run(v)}


def dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    made = [
        tf.Variable(np.array([1, 2], name)) for name in ("int32", "int64", "float16", "float32", "float64", "complex64")
    ]
    made += [tf.Variable(["a", "b"]), tf.Variable([True, False])]
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {"values": sess.run(made)}


def sessions_have_their_own(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(0, name="v")
    with session(tf) as one, session(tf) as two:
        one.run(v.initializer)
        two.run(v.initializer)
        one.run(v.assign_add(5))
        return {"values": [one.run(v), two.run(v)]}


def initial_values_of_others(tf: Any, folder: Path) -> dict[str, Any]:
    """Variables whose initial values depend on another one."""
    v = tf.Variable([1.0, 2.0], name="v")
    others = [tf.Variable(2.0 * v, name="w"), tf.Variable(lambda: tf.reduce_sum(v) + 1.0, name="x")]
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        found = {"values": sess.run([v, *others]), "copies": [it.initializer.inputs[1].op.name for it in others]}
        sess.run(v.assign([5.0, 6.0]))
        sess.run([it.initializer for it in others])
        return {**found, "again": sess.run([v, *others]), "ranks": sess.run(tf.assert_variables_initialized())}

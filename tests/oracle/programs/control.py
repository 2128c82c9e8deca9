"""Control dependencies, group and tuple."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, names, session


def built_inside(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = tf.constant(1.0, name="a"), tf.no_op(name="b")
    v = tf.Variable(1.0, name="v")
    with tf.control_dependencies([a, b, v]):
        inside = tf.constant(3.0)
        with tf.control_dependencies(None):
            free = tf.constant(4.0)
        with tf.control_dependencies([inside]):
            nested = tf.constant(5.0)
            direct = tf.identity(inside)
    after = tf.constant(6.0)
    return {
        it: names(op.op.control_inputs)
        for it, op in {
            "inside": inside,
            "free": free,
            "nested": nested,
            "direct": direct,
            "after": after,
        }.items()
    }


def wrong_dependencies(tf: Any, folder: Path) -> dict[str, Any]:
    def depend(on: Any) -> dict[str, Any]:
        def build() -> None:
            with tf.control_dependencies(on):
                tf.no_op()

        return error(build)

    return {"a number": depend([1]), "an object": depend([object()])}


def order(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(1.0, name="v")
    outside = tf.identity(v)
    assign = v.assign(2.0)
    with tf.control_dependencies([assign]):
        read = v.read_value()
        identity = tf.identity(v)
        again = v.assign_add(10.0)
    with tf.control_dependencies([again]):
        last = v.read_value()
    with session(tf) as sess:
        sess.run(v.initializer)
        found: dict[str, Any] = {"outside": sess.run(outside)}
        found["read"] = sess.run(read)
        sess.run(v.initializer)
        found["identity"] = sess.run(identity)
        sess.run(v.initializer)
        found["last"] = sess.run(last)
        return found


def a_failed_dependency(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(0, name="v")
    with tf.control_dependencies([tf.Assert(False, ["no"])]):
        count = v.assign_add(1)
    with session(tf) as sess:
        sess.run(v.initializer)
        return {"fails": kind_of_error(lambda: sess.run(count)), "value": sess.run(v)}


def what_an_assertion_shows(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        return {
            shown: kind_of_error(lambda data=data, many=many: sess.run(tf.Assert(False, data, summarize=many)), shown)
            for data, many, shown in (
                ([["a:18", "b"], 20], 3, "assertion failed: [a:18 b] [20]"),
                ([[1, 2, 3, 4]], 3, "assertion failed: [1 2 3...]"),
                ([[1, 2, 3, 4]], -1, "assertion failed: [1 2 3 4]"),
            )
        }


def groups(tf: Any, folder: Path) -> dict[str, Any]:
    v, w = tf.Variable(0), tf.Variable(0)
    both = tf.group(v.assign_add(1), w.assign_add(2), name="both")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "run": sess.run(both),
            "values": sess.run([v, w]),
            "name": both.name,
            "type": both.type,
            "nothing": sess.run(tf.group()),
            "wrong": error(lambda: tf.group(1)),
        }


def tuples(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(0)
    count = v.assign_add(1)
    a = tf.constant(5)
    together = tf.tuple([a, None, a * 2], control_inputs=[count])
    beside_variable, variable = tf.tuple([a, tf.Variable(1)])
    with session(tf) as sess:
        sess.run(v.initializer)
        found: dict[str, Any] = {"value": sess.run(together[0]), "none": together[1]}
        found |= {"beside": sess.run(beside_variable), "uninitialized": kind_of_error(lambda: sess.run(variable))}
        return found | {"counted": sess.run(v), "nothing": error(lambda: tf.tuple([None]))}


def queues_in_order(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=())
    with tf.control_dependencies([queue.enqueue(1)]), tf.control_dependencies([queue.enqueue(2)]):
        third = queue.enqueue(3)
    with tf.control_dependencies([third]):
        size = queue.size()
    with session(tf) as sess:
        return {"size": sess.run(size), "last": sess.run(queue.dequeue_many(3))[2]}

"""Branches, loops, functions of rows, arrays of tensors: tf.cond, tf.while_loop, tf.map_fn, tf.TensorArray."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, shape


def branches(tf: Any, folder: Path) -> dict[str, Any]:
    p = tf.placeholder(tf.bool, [])
    x = tf.constant([1.0, 2.0])
    y = tf.cond(p, lambda: x + 1.0, lambda: x * 3.0)
    several = tf.cond(p, lambda: (x, [x * 2.0]), lambda: (x + 5.0, [x]))
    nested = tf.cond(p, lambda: tf.cond(x[0] > 5.0, lambda: x - 1.0, lambda: x - 2.0), lambda: -x)
    dictionary = tf.cond(p, lambda: {"a": x, "b": x[0]}, lambda: {"a": -x, "b": x[1]})
    single = tf.cond(p, lambda: [x], lambda: [x + 1.0])
    kept = tf.cond(p, lambda: [x], lambda: [x + 1.0], strict=True)
    sizes = tf.cond(p, lambda: tf.zeros([2, 3]), lambda: tf.zeros([2, 4]))
    n = tf.placeholder(tf.int32, [])
    cases = tf.case([(n < 1, lambda: x), (n < 2, lambda: x * 2.0)], default=lambda: x * 3.0)
    exclusive = tf.case({tf.equal(n, 0): lambda: x, tf.equal(n, 1): lambda: x * 2.0}, exclusive=True)
    numbered = tf.switch_case(n, [lambda: x, lambda: x * 10.0], default=lambda: x * 100.0)
    with session(tf) as sess:
        return {
            "names": [y.name, y.op.type, several[0].name, nested.name],
            "static": [shape(y), shape(sizes)],
            "values": [sess.run([y, several, nested, dictionary, single, kept], {p: value}) for value in (True, False)],
            "sizes": [sess.run(sizes, {p: value}) for value in (True, False)],
            "cases": [sess.run([cases, numbered], {n: value}) for value in (0, 1, 2, -1)],
            "exclusive": [sess.run(exclusive, {n: value}) for value in (0, 1)],
            "none of them": kind_of_error(lambda: sess.run(exclusive, {n: 7})),
            "gradients": [
                sess.run([tf.gradients(it, x)[0] for it in (y, several[1][0], nested)], {p: value})
                for value in (True, False)
            ],
            "no vector": kind_of_error(lambda: sess.run(tf.cond(tf.constant([True, False]), lambda: x, lambda: x))),
        }


def what_a_branch_runs(tf: Any, folder: Path) -> dict[str, Any]:
    """Only what was built inside of a branch depends on it."""
    p = tf.placeholder(tf.bool, [])
    outside, inside = (tf.Variable(0.0, name=name) for name in ("outside", "inside"))
    before = tf.assign_add(outside, 1.0)
    read = tf.cond(p, lambda: tf.assign_add(inside, 1.0), lambda: tf.identity(before))
    queue = tf.FIFOQueue(10, [tf.float32], shapes=[[]])
    put = queue.enqueue([1.0])
    taken = tf.cond(p, queue.dequeue, lambda: tf.constant(-1.0))
    done = tf.cond(p, lambda: queue.enqueue([7.0]), tf.no_op)

    def waits() -> Any:
        with tf.control_dependencies([tf.assign_add(inside, 10.0)]):
            return tf.constant(1.0)

    waited = tf.cond(p, waits, lambda: tf.constant(2.0))
    with session(tf) as sess:
        sess.run([outside.initializer, inside.initializer])
        found: dict[str, Any] = {
            "read": [(sess.run(read, {p: it}), sess.run([outside, inside])) for it in (True, False)]
        }
        sess.run(put)
        found["not taken"] = [sess.run(taken, {p: False}), sess.run(queue.size())]
        found["taken"] = [sess.run(taken, {p: True}), sess.run(queue.size())]
        sess.run(done, {p: False})
        found["an operation"] = sess.run(queue.size())
        sess.run(done, {p: True})
        found["an operation that ran"] = sess.run(queue.size())
        found["after"] = [(sess.run(waited, {p: it}), sess.run(inside)) for it in (True, False)]
        return found


def wrong_branches(tf: Any, folder: Path) -> dict[str, Any]:
    x, p = tf.constant(1.0), tf.constant(True)
    return {
        "a Python bool": error(lambda: tf.cond(True, lambda: x, lambda: x)),
        "no function": error(lambda: tf.cond(p, x, lambda: x)),
        "none at all": error(lambda: tf.cond(p)),
        "dtypes": kind_of_error(lambda: tf.cond(p, lambda: x, lambda: 1)),
        "structures": kind_of_error(lambda: tf.cond(p, lambda: [x, x], lambda: [x])),
        "nothing": error(lambda: tf.cond(p, lambda: None, lambda: x)),
        "no pairs": error(lambda: tf.case([])),
        "a pair that is a list": error(lambda: tf.case([[p, lambda: x]])),
    }


def loops(tf: Any, folder: Path) -> dict[str, Any]:
    n = tf.placeholder(tf.int32, [])
    i, total = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), (0, 0))
    single = tf.while_loop(lambda i: i < n, lambda i: i + 2, [0])
    same = tf.while_loop(lambda i: i < n, lambda i: i + 2, [0], return_same_structure=True)
    limited = tf.while_loop(lambda i: i < n, lambda i: i + 1, [0], maximum_iterations=3)
    grows = tf.while_loop(
        lambda i, x: i < n,
        lambda i, x: (i + 1, tf.concat([x, x], 0)),
        (0, tf.constant([[1.0, 2.0]])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 2])),
    )[1]
    Pair = collections.namedtuple("Pair", "a b")
    pair = tf.while_loop(
        lambda i, pair: i < n,
        lambda i, pair: (i + 1, Pair(pair.b, {"x": pair.a["x"] + 1.0})),
        (0, Pair({"x": tf.constant(1.0)}, {"x": tf.constant(10.0)})),
    )[1]
    nested = tf.while_loop(
        lambda i, s: i < n,
        lambda i, s: (i + 1, tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + j), (0, s))[1]),
        (0, 0),
    )[1]
    with_branch = tf.while_loop(
        lambda i, s: i < n,
        lambda i, s: (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: s + i, lambda: s * 2)),
        (0, 1),
    )[1]
    with session(tf) as sess:
        fetches = [i, total, single, same, limited, grows, pair, nested, with_branch]
        return {
            "names": [i.name, total.name, i.op.type, single.name],
            "static": [shape(total), shape(grows)],
            "values": [sess.run(fetches, {n: value}) for value in (0, 1, 5)],
        }


def gradients_of_loops(tf: Any, folder: Path) -> dict[str, Any]:
    n = tf.placeholder(tf.int32, [])
    x, w = tf.constant(3.0), tf.constant([2.0, 0.5])
    power = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), (0, tf.constant(1.0)))[1]
    vector = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, tf.sin(a * w) + x), (0, w))[1]

    def body(i: Any, a: Any) -> Any:
        a = tf.cond(tf.equal(i % 2, 0), lambda: a * w, lambda: a + x)
        a = tf.while_loop(lambda j, b: j < i, lambda j, b: (j + 1, b * 0.5 + w), (0, a))[1]
        return i + 1, a

    nested = tf.while_loop(lambda i, a: i < n, body, (0, w))[1]
    in_branch = tf.cond(
        n > 2,
        lambda: tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * w), (0, w))[1],
        lambda: w * x,
    )
    unused = tf.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, a * 2.0, b), (0, x, w))
    stopped = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), (0, x), back_prop=False)[1]
    ys = {"power": power, "vector": vector, "nested": nested, "in a branch": in_branch, "a": unused[1], "b": unused[2]}
    grads = {name: [it for it in tf.gradients(y, [x, w]) if it is not None] for name, y in ys.items()}
    with session(tf) as sess:
        return {
            "values": [sess.run(grads, {n: value}) for value in (0, 1, 4)],
            "no gradient": tf.gradients(stopped, x)[0] is None,
            "of a gradient": kind_of_error(lambda: tf.gradients(tf.gradients(power, x)[0], x)),
        }


def state_in_loops(tf: Any, folder: Path) -> dict[str, Any]:
    count = tf.Variable(0, name="count")
    queue = tf.FIFOQueue(100, [tf.int32], shapes=[[]])

    def body(i: Any) -> Any:
        with tf.control_dependencies([tf.assign_add(count, 2), queue.enqueue([i * i])]):
            return i + 1

    filled = tf.while_loop(lambda i: i < 5, body, [0])
    drained = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + queue.dequeue()), (0, 0))[1]
    with session(tf) as sess:
        sess.run(count.initializer)
        return {
            "filled": sess.run(filled),
            "count": sess.run(count),
            "size": sess.run(queue.size()),
            "drained": sess.run(drained),
            "left": sess.run(queue.size()),
        }


def wrong_loops(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(1.0)
    inner = []

    def keeps(i: Any) -> Any:
        inner.append(i + 1)
        return inner[0]

    tf.while_loop(lambda i: i < 3, keeps, [0])
    return {
        "no function": error(lambda: tf.while_loop(x, lambda i: i, [0])),
        "no body": error(lambda: tf.while_loop(lambda i: i < 3, x, [0])),
        "no variables": error(lambda: tf.while_loop(lambda: x, lambda: x, [])),
        "another structure": kind_of_error(lambda: tf.while_loop(lambda i: i < 3, lambda i: (i, i), [0])),
        "another shape": kind_of_error(
            lambda: tf.while_loop(lambda i: x < 3.0, lambda i: tf.concat([i, i], 0), [tf.constant([1.0])])
        ),
        "a wrong invariant": kind_of_error(
            lambda: tf.while_loop(
                lambda i: x < 3.0, lambda i: i, [tf.constant([1.0])], shape_invariants=[tf.TensorShape([2])]
            )
        ),
        "a value of an iteration": kind_of_error(lambda: inner[0] * 2),
        "no count": error(lambda: tf.while_loop(lambda i: i < 3, lambda i: i, [0], parallel_iterations=0)),
    }


def functions_of_rows(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([1.0, 2.0, 3.0])
    rows = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    unknown = tf.placeholder_with_default([4.0, 5.0], [None])
    made = {
        "map": tf.map_fn(lambda a: a * a + x[0], x),
        "map of rows": tf.map_fn(tf.reduce_sum, rows),
        "map of two": tf.map_fn(lambda pair: pair[0] * pair[1], (x, x + 1.0), dtype=tf.float32),
        "map to two": tf.map_fn(lambda a: (a, -a), x, dtype=(tf.float32, tf.float32)),
        "map to integers": tf.map_fn(lambda a: tf.cast(a, tf.int64), x, dtype=tf.int64),
        "map of an unknown size": tf.map_fn(lambda a: a + 1.0, unknown),
        "scan": tf.scan(lambda a, b: a + b, x),
        "scan with a first value": tf.scan(lambda a, b: a * b, x, initializer=tf.constant(10.0)),
        "scan back": tf.scan(lambda a, b: a * 2.0 + b, x, reverse=True),
        "scan back with a first value": tf.scan(lambda a, b: a * 2.0 + b, x, initializer=1.0, reverse=True),
        "scan of two": tf.scan(lambda a, b: (a[0] + b, a[1] * b), x, initializer=(0.0, 1.0)),
        "foldl": tf.foldl(lambda a, b: a * 2.0 + b, x),
        "foldl with a first value": tf.foldl(lambda a, b: a * 2.0 + b, x, initializer=7.0),
        "foldr": tf.foldr(lambda a, b: a * 2.0 + b, x),
        "foldr of rows": tf.foldr(lambda a, b: a - b, rows),
    }
    one = {name: it for name, it in made.items() if hasattr(it, "op")}
    of = {name: rows if "rows" in name else unknown if "unknown" in name else x for name in one}
    with session(tf) as sess:
        return {
            "values": sess.run(made),
            "static": {name: shape(it) for name, it in one.items()},
            "gradients": sess.run(
                {name: tf.gradients(it, of[name])[0] for name, it in one.items() if it.dtype == tf.float32}
            ),
            "a scalar": kind_of_error(lambda: tf.map_fn(lambda a: a, tf.constant(1.0))),
        }


def arrays_of_tensors(tf: Any, folder: Path) -> dict[str, Any]:
    def array(**options: Any) -> Any:
        return tf.TensorArray(tf.float32, size=3, **options)

    x = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    written = array().write(0, [1.0]).write(2, [3.0]).write(1, [2.0])
    unstacked = array(clear_after_read=False).unstack(x)
    grown = tf.TensorArray(tf.float32, size=0, dynamic_size=True).write(4, 1.0)
    parts = array(infer_shape=False, clear_after_read=False).split(tf.constant([1.0, 2.0, 3.0, 4.0]), [1, 0, 3])
    read = unstacked.read(1) * 2.0 + unstacked.read(2)
    with session(tf) as sess:

        def fails(build: Any, *fragments: str) -> Any:
            return kind_of_error(lambda: sess.run(build()), *fragments)

        return {
            "stack": sess.run(written.stack()),
            "static": [shape(written.stack()), shape(unstacked.read(0)), shape(unstacked.gather([0, 2]))],
            "sizes": sess.run([array().size(), grown.size()]),
            "gather": sess.run(unstacked.gather([2, 0])),
            "concat": sess.run(unstacked.concat()),
            "split": sess.run([parts.read(0), parts.concat()]),
            "scatter": sess.run(array().scatter([2, 0, 1], x).stack()),
            "gradient of reads": sess.run(tf.gradients(read, x)[0]),
            "gradient of a stack": sess.run(tf.gradients(array().unstack(x).stack() ** 2, x)[0]),
            "gradient of a concat": sess.run(tf.gradients(array().unstack(x).concat() ** 2, x)[0]),
            "gradient of a split": sess.run(
                tf.gradients(array(infer_shape=False).split(x[:, 0], [1, 1, 1]).concat() ** 2, x)[0]
            ),
            "read twice": fails(lambda: [array().unstack(x).read(0)] * 1),
            "cleared": fails(
                lambda: (lambda a: a.read(0) + a.read(0))(array().unstack(x)), "cleared after a previous read"
            ),
            "written twice": fails(lambda: array().write(0, 1.0).write(0, 2.0).flow, "has already been written to"),
            "outside": fails(lambda: array().write(3, 1.0).flow, "not resizeable"),
            "read outside": fails(lambda: array().read(3), "Tried to read from index 3"),
            "never written": fails(lambda: array().read(0), "Could not read from TensorArray index 0"),
            "zeros": sess.run(tf.TensorArray(tf.float32, size=2, element_shape=[2]).write(0, [1.0, 2.0]).stack()),
            "another dtype": kind_of_error(lambda: array().write(0, 1)),
            "another shape": kind_of_error(lambda: array().write(0, [1.0]).write(1, [1.0, 2.0])),
            "no size": kind_of_error(lambda: tf.TensorArray(tf.float32)),
            "closed": fails(lambda: _closed(tf, array())),
        }


def _closed(tf: Any, array: Any) -> Any:
    with tf.control_dependencies([array.close()]):
        return array.write(0, 1.0).flow


def structures(tf: Any, folder: Path) -> dict[str, Any]:
    nest = tf.nest
    Point = collections.namedtuple("Point", "x y")
    structure = {"b": [1, (2, 3)], "a": Point(4, 5)}
    return {
        "flat": nest.flatten(structure),
        "a leaf": nest.flatten("abc"),
        "packed": repr(nest.pack_sequence_as(structure, [7, 8, 9, 10, 11])),
        "mapped": nest.map_structure(lambda a, b: a + b, structure, structure)["b"],
        "nested": [nest.is_nested(it) for it in ([1], (), {"a": 1}, "a", 1)],
        "too few": kind_of_error(lambda: nest.pack_sequence_as(structure, [1])),
        "other lengths": kind_of_error(lambda: nest.assert_same_structure([1, 2], [1])),
        "other types": kind_of_error(lambda: nest.assert_same_structure([1, 2], (1, 2))),
        "other keys": kind_of_error(lambda: nest.assert_same_structure({"a": 1}, {"b": 1})),
        "a leaf and a list": kind_of_error(lambda: nest.assert_same_structure(1, [1])),
        "types that do not matter": nest.assert_same_structure([1, 2], (1, 2), check_types=False),
    }

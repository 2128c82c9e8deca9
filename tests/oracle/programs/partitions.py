"""Partitioned variables, and the other arguments of variable scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, names, session, shape


def partitioned(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(3)):
        w = tf.get_variable("w", [7, 2], initializer=tf.constant(np.arange(14.0, dtype=np.float32).reshape(7, 2)))
        scalar = tf.get_variable("scalar", [], initializer=tf.zeros_initializer())
    with tf.variable_scope("scope", reuse=True):
        again = tf.get_variable("w") is w
    whole = w.as_tensor()
    doubled = w.assign(tf.ones([7, 2]) * 2.0)
    added = w.assign_add(tf.ones([7, 2]))
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "names": [w.name, whole.name, scalar.name, *names(w)],
            "shapes": [shape(w), *(shape(it) for it in w)],
            "same": again,
            "len": len(w),
            "partitions": w._get_partitions(),
            "specs": [it._save_slice_info.spec for it in w],
            "full names": [it._save_slice_info.full_name for it in w],
            "value": sess.run(whole),
            "used": sess.run(tf.reduce_sum(w, 0)),
            "assigned": [sess.run(doubled), sess.run(added)],
            "variables": sorted(names(tf.global_variables())),
        }


def created(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.variable_scope("hi"):
        first = tf.create_partitioned_variables([2, 4], [1, 2], tf.constant([[1, 2, 3, 4], [5, 6, 7, 8]]))
        second = tf.create_partitioned_variables([5], [2], tf.ones_initializer(), name="mine")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "names": names([*first, *second]),
            "values": sess.run([*first, *second]),
            "specs": [it._save_slice_info.spec for it in (*first, *second)],
            "errors": [
                error(lambda it=it: tf.create_partitioned_variables([10, 43], it, tf.zeros_initializer()))["error"]
                for it in ([1], [1, 2, 3], [2, 2], [0, 1])
            ],
        }


def partitioners(tf: Any, folder: Path) -> dict[str, Any]:
    sizes = [tf.TensorShape(it) for it in ([1000, 64], [3, 5], [7])]
    made = {
        "fixed": tf.fixed_size_partitioner(4),
        "by bytes": tf.variable_axis_size_partitioner(10000),
        "by bytes, few": tf.variable_axis_size_partitioner(1000, max_shards=5),
        "by bytes, other axis": tf.variable_axis_size_partitioner(64),
        "at least": tf.min_max_variable_partitioner(10, min_slice_size=30),
        "at least, large": tf.min_max_variable_partitioner(1000, min_slice_size=3000),
    }
    found: dict[str, Any] = {
        name: [[int(n) for n in it(shape=size, dtype=dtype)] for size in sizes for dtype in (tf.float32, tf.string)]
        for name, it in made.items()
        if "other" not in name
    }
    return found | {
        "errors": [
            error(lambda: tf.variable_axis_size_partitioner(0))["error"],
            error(lambda: tf.variable_axis_size_partitioner(10, max_shards=0))["error"],
        ]
    }


def slots_of_parts(tf: Any, folder: Path) -> dict[str, Any]:
    w = tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2), initializer=tf.ones_initializer())
    optimizer = tf.train.AdamOptimizer(0.1)
    train = optimizer.minimize(tf.reduce_sum(tf.square(tf.gather(w, [0, 3]))))
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        slots = [optimizer.get_slot(it, "v") for it in w]
        return {
            "value": sess.run(w.as_tensor()),
            "slots": [[it.name, it._save_slice_info.full_name, it._save_slice_info.spec] for it in slots],
        }


def getters_and_creators(tf: Any, folder: Path) -> dict[str, Any]:
    seen = []

    def getter(getter: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        seen.append([name, sorted(kwargs)])
        return getter(f"{name}/of", *args, **kwargs) + getter(f"{name}/two", *args, **kwargs)

    def creator(next_creator: Any, **kwargs: Any) -> Any:
        seen.append(["creator", kwargs["name"]])
        kwargs["name"] = "forced"
        return next_creator(**kwargs)

    with tf.variable_scope("outer", custom_getter=getter), tf.variable_scope("inner", custom_getter=getter):
        total = tf.get_variable("v", [2], initializer=tf.ones_initializer())
    with tf.variable_creator_scope(creator):
        tf.Variable(1.0, name="mine")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {"value": sess.run(total), "seen": seen, "names": sorted(names(tf.global_variables()))}


def scopes(tf: Any, folder: Path) -> dict[str, Any]:
    def double(x: Any) -> Any:
        return x * 2.0

    with tf.variable_scope("a", regularizer=tf.reduce_sum, constraint=double, dtype=tf.float64) as a:
        v = tf.get_variable("v", [2], initializer=tf.ones_initializer())
        u = tf.get_variable("u", [2], regularizer=tf.no_regularizer)
    local = tf.get_local_variable("local", [], initializer=tf.zeros_initializer())
    resource = tf.get_variable("resource", [], use_resource=True)
    unmatched = tf.constant(1, tf.int32)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "losses": names(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
            "loss": sess.run(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
            "constraint": [v.constraint is double, u.constraint is double, a.constraint is double],
            "dtypes": [it.dtype.base_dtype.name for it in (v, u, local, resource)],
            "local": [names(tf.local_variables()), names(tf.trainable_variables())],
            "resource": [type(resource).__name__, resource.name, shape(resource)],
            "collection": names(a.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)),
            "unmatched": error(lambda: tf.get_variable("x", initializer=unmatched, dtype=tf.float64), "don't match"),
            "no scope": error(lambda: tf.variable_scope(None))["error"],
            "wrong scope": error(lambda: tf.variable_scope(3))["error"],
            "auxiliary": error(lambda: tf.variable_scope("x", auxiliary_name_scope=3).__enter__())["error"],
            "getter": error(lambda: tf.get_variable("y", [1], custom_getter=3), "not callable"),
            "initializer": error(
                lambda: tf.get_variable("z", initializer=lambda x: [2]), "The initializer passed is not valid"
            ),
        }


def protos(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 2.0], name="v", trainable=False)
    message = v.to_proto()
    again = tf.Variable.from_proto(message)
    with session(tf) as sess:
        sess.run(again.initializer)
        return {
            "text": str(message),
            "bytes": message.SerializeToString(deterministic=True),
            "value": sess.run([v, again, again.value()]),
            "names": [again.name, again.op.name, again.initializer.name, again.trainable],
            "scope": v.to_proto("other"),
        }


def rows_of_parts(tf: Any, folder: Path) -> dict[str, Any]:
    """Each part gets the gradients of its own rows."""
    start = tf.constant(np.arange(14.0, dtype=np.float32).reshape(7, 2))
    w = tf.get_variable("w", initializer=start, partitioner=tf.fixed_size_partitioner(3))
    ids = tf.constant([[6, 0], [3, 0]])
    found, fetches = {}, {}
    for strategy in ("mod", "div"):
        rows = tf.nn.embedding_lookup(w, ids, strategy)
        fetches[strategy] = [rows, tf.nn.embedding_lookup(w, ids, strategy, max_norm=2.0)]
        found[f"{strategy}, shape"] = shape(rows)
    loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(w, ids, "div")))
    optimizer = tf.train.AdagradOptimizer(0.1)
    pairs = optimizer.compute_gradients(loss)
    train = optimizer.apply_gradients(pairs)
    found["slices"] = [isinstance(it, tf.IndexedSlices) for it, _ in pairs]
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        found["rows"] = sess.run(fetches)
        for _ in range(3):
            sess.run(train)
        return found | {"trained": sess.run(list(w)), "names": names(w)}

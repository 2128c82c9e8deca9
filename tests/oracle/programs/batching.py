"""batch, batch_join, shuffle_batch, shuffle_batch_join and maybe_*."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.programs.producers import _running
from tests.oracle.tools import error, kind_of_error, session, shape, until_the_end


def _numbers(tf: Any, n: int, **options: Any) -> Any:
    return tf.train.range_input_producer(n, num_epochs=1, shuffle=False, **options).dequeue()


def _all(batches: list[Any]) -> list[int]:
    return [int(it) for batch in batches for it in np.asarray(batch).ravel()]


def batch(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 10)
    made = tf.train.batch([number, tf.as_string(number) if hasattr(tf, "as_string") else number, number * 10], 3)[::2]
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": [shape(it) for it in made]}


def smaller_final_batch(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 10)
    made = tf.train.batch([number], 4, allow_smaller_final_batch=True)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": shape(made), "name": made.name}


def dictionaries(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 4)
    made = tf.train.batch({"n": number, "double": number * 2}, 2)
    single = tf.train.batch({"only": _numbers(tf, 4)}, 2)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "single": sess.run(single)}


def many_at_once(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 6)
    rows = tf.stack([number, number + 100, number + 200])
    made = tf.train.batch([rows, tf.stack([rows, rows], axis=1)], 4, enqueue_many=True)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": [shape(it) for it in made]}


def padded(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 6)
    length = tf.fill(tf.stack([number]), number)
    made = tf.train.batch([number, length], 2, dynamic_pad=True)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": [shape(it) for it in made]}


def several_threads(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.train.batch([_numbers(tf, 40)], 4, num_threads=3)
    with _running(tf) as sess:
        return {"once each": sorted(_all(until_the_end(tf, sess, made)))}


def a_small_capacity(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.train.batch([_numbers(tf, 12)], 4, capacity=2)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made)}


def join(tf: Any, folder: Path) -> dict[str, Any]:
    one, two = _numbers(tf, 12), _numbers(tf, 20) + 100
    made = tf.train.batch_join([[one, one * 2], [two, two * 2]], 4)
    with _running(tf) as sess:
        found = until_the_end(tf, sess, made)
        numbers = _all([it[0] for it in found])
        return {
            "first": [it for it in numbers if it < 100],
            "second": [it for it in numbers if it >= 100],
            "pairs": all((2 * a == b).all() for a, b in found),
            "static": [shape(it) for it in made],
            "name": made[0].name,
        }


def join_dictionaries(tf: Any, folder: Path) -> dict[str, Any]:
    one, two = _numbers(tf, 5), _numbers(tf, 4) + 100
    made = tf.train.batch_join([{"x": one}, {"x": two}], 2, allow_smaller_final_batch=True)
    with _running(tf) as sess:
        found = until_the_end(tf, sess, made)
        return {"all": sorted(_all([it["x"] for it in found])), "static": shape(made["x"])}


def shuffled(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 30)
    made = tf.train.shuffle_batch([number, number * 3], 5, capacity=20, min_after_dequeue=10, seed=3)
    with _running(tf) as sess:
        found = until_the_end(tf, sess, made)
        return {
            "once each": sorted(_all([it[0] for it in found])),
            "pairs": all((3 * a == b).all() for a, b in found),
            "in order": _all([it[0] for it in found]) == list(range(30)),
            "static": [shape(it) for it in made],
            "name": made[0].name,
        }


def shuffled_and_smaller(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.train.shuffle_batch(
        [_numbers(tf, 11)], 4, capacity=20, min_after_dequeue=5, num_threads=2, allow_smaller_final_batch=True
    )
    with _running(tf) as sess:
        found = until_the_end(tf, sess, made)
        return {"sizes": [len(it) for it in found], "once each": sorted(_all(found)), "static": shape(made)}


def shuffled_join(tf: Any, folder: Path) -> dict[str, Any]:
    one, two = _numbers(tf, 12), _numbers(tf, 8) + 100
    made = tf.train.shuffle_batch_join([[one], [two]], 4, capacity=32, min_after_dequeue=4)
    with _running(tf) as sess:
        return {"once each": sorted(_all(until_the_end(tf, sess, made))), "name": made.name}


def kept(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 12)
    made = tf.train.maybe_batch([number], tf.equal(number % 3, 0), 2)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": shape(made)}


def kept_rows(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 5)
    rows = tf.stack([number, number + 10, number + 20])
    made = tf.train.maybe_batch([rows], tf.equal(rows % 2, 0), 4, enqueue_many=True, allow_smaller_final_batch=True)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made), "static": shape(made)}


def kept_whole_batches(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 6)
    rows = tf.stack([number, number + 10])
    made = tf.train.maybe_batch([rows], tf.equal(number % 2, 0), 2, enqueue_many=True)
    with _running(tf) as sess:
        return {"batches": until_the_end(tf, sess, made)}


def kept_of_several(tf: Any, folder: Path) -> dict[str, Any]:
    one, two = _numbers(tf, 10), _numbers(tf, 10) + 100
    made = tf.train.maybe_batch_join([[one], [two]], tf.constant(True), 5, allow_smaller_final_batch=True)
    with _running(tf) as sess:
        return {"all": sorted(_all(until_the_end(tf, sess, made)))}


def kept_and_shuffled(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 20)
    made = tf.train.maybe_shuffle_batch([number], 5, 16, 4, tf.less(number, 10))
    joined = tf.train.maybe_shuffle_batch_join([[_numbers(tf, 6)], [_numbers(tf, 4) + 50]], 5, 16, 4, tf.constant(True))
    with _running(tf) as sess:
        return {
            "kept": sorted(_all(until_the_end(tf, sess, made))),
            "joined": sorted(_all(until_the_end(tf, sess, joined))),
        }


def keys_of_several_types(tf: Any, folder: Path) -> dict[str, Any]:
    example = {"z": 1, 1: [2, 3], ("a", "b"): "x", 10: 4, 9: 5}
    made = tf.train.batch(example, 2)
    joined = tf.train.batch_join([example, dict(reversed(example.items()))], 2)
    with _running(tf) as sess:
        return {"batch": sess.run(made), "joined": sess.run(joined)}


def sparse(tf: Any, folder: Path) -> dict[str, Any]:
    matrix = tf.SparseTensor([[0, 1], [2, 0]], [1.0, 2.0], [3, 2])
    text = tf.SparseTensor([[0], [2]], ["a", "bc"], [3])
    scalar = tf.SparseTensor(tf.zeros([1, 0], tf.int64), ["s"], tf.zeros([0], tf.int64))
    made = {
        "one at a time": tf.train.batch([matrix], 2),
        "many": tf.train.batch([matrix], 2, enqueue_many=True),
        "kept": tf.train.maybe_batch([matrix], [True, False, True], 2, enqueue_many=True),
        "text": tf.train.batch([text], 2),
        "scalars": tf.train.batch([scalar], 2),
    }
    static = {key: [shape(it.indices), shape(it.values), shape(it.dense_shape)] for key, it in made.items()}
    with _running(tf) as sess:
        return {"batches": sess.run(made), "static": static}


def sparse_vectors_as_many(tf: Any, folder: Path) -> dict[str, Any]:
    vector, many = tf.SparseTensor([[0], [2]], [1.0, 2.0], [3]), {"enqueue_many": True}
    made = [
        tf.train.batch([vector], 2, **many),
        tf.train.shuffle_batch([vector], 2, 9, 1, **many),
        tf.train.maybe_batch([vector], [True, False, True], 2, **many),
        tf.train.maybe_shuffle_batch_join([[vector]], 2, 9, 1, [True, False, True], **many),
    ]
    unknown = tf.SparseTensor(tf.placeholder(tf.int64), tf.placeholder(tf.float32), tf.placeholder(tf.int64))
    return {
        "static": [shape(it.dense_shape) for it in made],
        "run": _failing(tf, made[0], "Rank of input SparseTensor should be > 1, but saw rank: 1"),
        "joined": shape(tf.train.batch_join([[vector], [unknown]], 2).dense_shape),
        "unknown first": shape(tf.train.batch_join([[unknown], [vector]], 2).dense_shape),
    }


def bools_for_other_numbers_of_examples(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    for keep in ([True, False], [True, False, True, False]):
        for what in ("dense", "sparse"):
            with tf.Graph().as_default():
                sparse = tf.SparseTensor([[0, 1], [2, 0]], [1.0, 2.0], [3, 2])
                rows = tf.placeholder_with_default([1, 2, 3], [None])
                bools = tf.placeholder_with_default(keep, [None])
                made = tf.train.maybe_batch([sparse if what == "sparse" else rows], bools, 2, enqueue_many=True)
                found[f"{what}, {len(keep)}"] = _failing(tf, made)
    return found


def _failing(tf: Any, made: Any, *fragments: str) -> dict[str, Any]:
    """How a batch fails, and why."""
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        tf.train.start_queue_runners(sess, coord)
        return {
            "consumer": kind_of_error(lambda: sess.run(made)),
            "join": kind_of_error(lambda: coord.join(stop_grace_period_secs=20), *fragments),
        }


def wrong_batches(tf: Any, folder: Path) -> dict[str, Any]:
    train, unknown = tf.train, tf.placeholder(tf.int32, None)
    partial, one = tf.placeholder(tf.int32, [None]), tf.constant(1)
    return {
        "nothing": error(lambda: train.batch([], 2)),
        "unknown rank": error(lambda: train.batch([unknown], 2), "Cannot infer Tensor's rank"),
        "unknown size": error(lambda: train.batch([partial], 2), "All shapes must be fully defined"),
        "a given shape": shape(train.batch([unknown], 2, shapes=[[3]])),
        "capacity": error(lambda: train.shuffle_batch([one], 2, capacity=5, min_after_dequeue=5)),
        "fewer": error(lambda: train.batch_join([[one, one], [one]], 2))["error"] in ("TypeError", "ValueError"),
        "more": error(lambda: train.batch_join([[one], [one, one]], 2)),
        "dtypes": error(lambda: train.batch_join([[one], [tf.constant(1.0)]], 2)),
        "keys": error(lambda: train.batch_join([{"a": one}, {"b": one}], 2), "must have the same keys"),
        "shapes": error(lambda: train.batch_join([[tf.zeros([2])], [tf.zeros([3])]], 2)),
        "a vector": error(lambda: train.maybe_batch([one], [True, False], 2), "`keep_input` cannot be a vector"),
        "a matrix": error(
            lambda: train.maybe_batch([tf.zeros([2])], [[True], [False]], 2, enqueue_many=True),
            "must be 0 or 1 dimensions",
        ),
        "unknown": error(
            lambda: train.maybe_batch([one], tf.placeholder(tf.bool, None), 2),
            "dimensions must be known at graph construction",
        ),
    }


def a_failing_input(tf: Any, folder: Path) -> dict[str, Any]:
    return _failing(tf, tf.train.batch([tf.placeholder(tf.int32, ())], 2))


def shared_names(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.train.batch([_numbers(tf, 4)], 2, shared_name="mine")
    tf.train.shuffle_batch([_numbers(tf, 4)], 2, 9, 3, shared_name="mine_too", name="named")
    runners = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)
    return {
        "queues": [it.name for it in runners],
        "threads": [len(it.enqueue_ops) for it in runners],
        "name": made.name,
    }


def many_dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    number = _numbers(tf, 4)
    dtypes = [tf.int8, tf.int64, tf.float32, tf.float64, tf.bool, tf.uint8, tf.complex64]
    made = tf.train.batch([tf.cast(number, it) for it in dtypes], 4)
    with _running(tf) as sess:
        return {"batch": sess.run(made)}


def a_pipeline(tf: Any, folder: Path) -> dict[str, Any]:
    """Files, lines, columns, batches, and a model that is trained on them."""
    for part in range(2):
        lines = [f"{it},{2 * it + 1}" for it in range(part * 4, part * 4 + 4)]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    files = tf.train.string_input_producer([str(folder / f"{it}.csv") for it in range(2)], num_epochs=3, shuffle=False)
    _, line = tf.TextLineReader().read(files)
    x, y = tf.train.batch(tf.decode_csv(line, [[0.0], [0.0]]), 4)
    slope, offset = tf.Variable(0.0), tf.Variable(0.0)
    loss = tf.reduce_mean(tf.square(slope * x + offset - y))
    step = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
    losses = []
    with session(tf) as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        try:
            while not coord.should_stop():
                losses.append(sess.run([loss, step])[0])
        except tf.errors.OutOfRangeError:
            coord.request_stop()
        coord.join(threads)
        return {"losses": losses, "model": sess.run([slope, offset])}

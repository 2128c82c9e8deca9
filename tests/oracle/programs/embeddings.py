"""Rows of tables, whole and in parts; candidates and losses over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, names, outcomes, session

TABLE = np.arange(26, dtype=np.float32).reshape(13, 2)
IDS = [[0, 7, 12], [3, 3, 8]]


def _parts(tf: Any, strategy: str, count: int) -> list[Any]:
    rows = [TABLE[i::count] for i in range(count)] if strategy == "mod" else np.array_split(TABLE, count)
    return [tf.constant(part) for part in rows]


def lookup(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                f"{strategy} {count} {norm}": lambda s=strategy, n=count, norm=norm: tf.nn.embedding_lookup(
                    _parts(tf, s, n), IDS, partition_strategy=s, max_norm=norm
                )
                for strategy in ("mod", "div")
                for count in (1, 2, 5)
                for norm in (None, 5.0)
            },
        )
        parts = _parts(tf, "div", 3)
        rows = tf.nn.embedding_lookup(parts, tf.constant(IDS, tf.int64), "div")
        found["gradients"] = sess.run([tf.convert_to_tensor(it) for it in tf.gradients(rows * rows, parts)])
        ids, table = tf.placeholder(tf.int32), tf.placeholder(tf.float32)
        found["unknown"] = sess.run(tf.nn.embedding_lookup([table, table], ids, max_norm=3.0), {ids: IDS, table: TABLE})
        found["names"] = names([rows])
    found["strategy"] = kind_of_error(
        lambda: tf.nn.embedding_lookup(parts, IDS, "no"), "Unrecognized partition strategy"
    )
    found["nothing"] = kind_of_error(lambda: tf.nn.embedding_lookup([], IDS), "Need at least one param")
    return found


def sparse_lookup(tf: Any, folder: Path) -> dict[str, Any]:
    places = [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2]]
    ids = tf.SparseTensor(places, np.array([1, 3, 0, 12, 1, 12], np.int64), [3, 4])
    weights = tf.SparseTensor(places, np.array([1.0, 2.0, 0.5, 3.0, 1.0, 4.0], np.float32), [3, 4])
    table = tf.constant(TABLE)
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                f"{combiner} {heavy is not None} {count}": lambda c=combiner, w=heavy, n=count: (
                    tf.nn.embedding_lookup_sparse(_parts(tf, "mod", n), ids, w, combiner=c)
                )
                for combiner in ("sum", "mean", "sqrtn")
                for heavy in (None, weights)
                for count in (1, 3)
            },
        )
        rows = [
            tf.nn.embedding_lookup_sparse(table, ids, w, combiner=c)
            for c in ("sum", "mean", "sqrtn")
            for w in (None, weights)
        ]
        found["gradients"] = sess.run([tf.convert_to_tensor(tf.gradients(it * it, table)[0]) for it in rows])
    found["combiner"] = kind_of_error(
        lambda: tf.nn.embedding_lookup_sparse(table, ids, None, combiner="max"), "combiner must be one of"
    )
    found["dense"] = kind_of_error(
        lambda: tf.nn.embedding_lookup_sparse(table, [1], None), "sp_ids must be SparseTensor"
    )
    return found


def sampled_losses(tf: Any, folder: Path) -> dict[str, Any]:
    rng = np.random.RandomState(1)
    weights, biases = tf.constant(rng.normal(size=(13, 4)), tf.float32), tf.constant(rng.normal(size=13), tf.float32)
    inputs = tf.constant(rng.normal(size=(3, 4)), tf.float32)
    labels = tf.constant([[0, 5], [1, 1], [12, 3]], tf.int64)
    drawn = (
        tf.constant([5, 2, 12, 7], tf.int64),
        tf.constant(rng.uniform(size=(3, 2)), tf.float32),
        tf.constant(rng.uniform(size=4), tf.float32),
    )
    found = {}
    with session(tf) as sess:
        for hits in (False, True):
            shared = (labels, inputs, 4, 13, 2, drawn, hits)
            losses = [
                tf.nn.nce_loss(weights, biases, *shared),
                tf.nn.sampled_softmax_loss(weights, biases, *shared),
                tf.nn.sampled_softmax_loss(list(tf.split(weights, [7, 6])), biases, *shared, partition_strategy="div"),
            ]
            found[str(hits)] = sess.run(losses)
            found[f"gradients {hits}"] = sess.run([tf.gradients(it, inputs)[0] for it in losses])
    return found


def candidates(tf: Any, folder: Path) -> dict[str, Any]:
    labels = tf.constant([[0, 5], [1, 1], [2, 3]], tf.int64)
    samplers = {
        "all": list(tf.nn.all_candidate_sampler(labels, 2, 6, True)),
        "uniform": tf.nn.uniform_candidate_sampler(labels, 2, 4, False, 6)[1:],
        "log uniform": tf.nn.log_uniform_candidate_sampler(labels, 2, 4, False, 6)[1],
        "unigram": tf.nn.fixed_unigram_candidate_sampler(
            labels, 2, 4, False, 6, distortion=0.5, num_reserved_ids=1, unigrams=[1.0, 4.0, 2.0, 3.0, 9.0]
        )[1],
        "learned": tf.nn.learned_unigram_candidate_sampler(labels, 2, 4, False, 6)[1],
    }
    hits = tf.nn.compute_accidental_hits(labels, tf.constant([3, 5, 1, 9], tf.int64), 2)
    with session(tf) as sess:
        found = {name: sess.run(it) for name, it in samplers.items()}
        found["learned, again"] = sess.run(samplers["learned"])
        found["hits"] = sess.run(list(hits))
        found["range"] = kind_of_error(
            lambda: sess.run(tf.nn.uniform_candidate_sampler(labels, 2, 7, True, 6)), "Sampler's range is too small"
        )
        found["columns"] = kind_of_error(lambda: sess.run(tf.nn.uniform_candidate_sampler(labels, 1, 7, True, 6)))
    return found


def safe_sparse_lookup(tf: Any, folder: Path) -> dict[str, Any]:
    places = [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 2, 0], [1, 0, 0], [1, 1, 1]]
    ids = tf.SparseTensor(places, np.array([1, 3, -1, -1, 5, 7], np.int64), [2, 3, 4])
    weights = tf.SparseTensor(places, np.array([1.0, 2.0, 1.0, 1.0, 3.0, 0.0], np.float32), [2, 3, 4])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                f"{combiner} {heavy is not None} {default}": lambda c=combiner, w=heavy, d=default: (
                    tf.nn.safe_embedding_lookup_sparse(_parts(tf, "div", 3), ids, w, c, d)
                )
                for combiner in ("sum", "mean", "sqrtn")
                for heavy in (None, weights)
                for default in (None, 2)
            },
        )

"""SequenceExample protocol buffers: parse_single_sequence_example and tf.io.parse_sequence_example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.programs.example import _feature, _sparse
from tests.oracle.tools import error, kind_of_error, session, shape


def _sequence(tf: Any, context: dict[str, list[Any]] | None = None, **lists: list[Any]) -> bytes:
    """A SequenceExample; None in place of a step: one without any kind of values."""
    train = tf.train

    def steps(values: list[Any]) -> Any:
        return train.FeatureList(feature=[train.Feature() if it is None else _feature(tf, it) for it in values])

    made: bytes = train.SequenceExample(
        context=train.Features(feature={key: _feature(tf, it) for key, it in (context or {}).items()}),
        feature_lists=train.FeatureLists(feature_list={key: steps(it) for key, it in lists.items()}),
    ).SerializeToString()
    return made


def sequence_examples(tf: Any, folder: Path) -> dict[str, Any]:
    train = tf.train

    def steps(*values: list[Any]) -> Any:
        return train.FeatureList(feature=[_feature(tf, it) for it in values])

    serialized = train.SequenceExample(
        context=train.Features(feature={"length": _feature(tf, [3])}),
        feature_lists=train.FeatureLists(
            feature_list={"f": steps([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]), "v": steps([b"a"], [b"b", b"c"])}
        ),
    ).SerializeToString()
    context, sequence = tf.parse_single_sequence_example(
        serialized,
        {"length": tf.FixedLenFeature([], tf.int64)},
        {
            "f": tf.FixedLenSequenceFeature([2], tf.float32),
            "v": tf.VarLenFeature(tf.string),
            "none": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        },
    )
    with session(tf) as sess:
        got_context, got = sess.run([context, sequence])
        missing = tf.parse_single_sequence_example(
            serialized, sequence_features={"x": tf.FixedLenSequenceFeature([], tf.int64)}
        )[1]
        return {
            "context": got_context,
            "f": got["f"],
            "v": _sparse(got["v"]),
            "none": got["none"],
            "missing": kind_of_error(lambda: sess.run(missing), "x"),
        }


def batches_of_sequence_examples(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [
        _sequence(tf, {"n": [1], "w": [1.0, 2.0]}, f=[[1, 2], [3, 4]], v=[[b"a"], None, [b"b", b"c"]]),
        _sequence(tf),
        _sequence(tf, {"n": [3]}, f=[[5, 6]], v=[], s=[[7], [8], [9]]),
    ]
    context, lists, lengths = tf.io.parse_sequence_example(
        serialized,
        {"n": tf.FixedLenFeature([], tf.int64, -1), "w": tf.VarLenFeature(tf.float32)},
        {
            "f": tf.FixedLenSequenceFeature([2], tf.int64, allow_missing=True),
            "s": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
            "none": tf.FixedLenSequenceFeature([3], tf.float32, allow_missing=True),
            "v": tf.VarLenFeature(tf.string),
        },
    )
    with session(tf) as sess:
        got = sess.run([context, lists, lengths])
        only_lists = tf.io.parse_sequence_example(serialized, None, {"v": tf.VarLenFeature(tf.string)})
        only_contexts = tf.io.parse_sequence_example(serialized, {"w": tf.VarLenFeature(tf.float32)})
        return {
            "context": [got[0]["n"], _sparse(got[0]["w"])],
            "lists": [got[1][key] for key in ("f", "s", "none")] + [_sparse(got[1]["v"])],
            "lengths": got[2],
            "static": [shape(it) for it in (context["n"], lists["f"], lists["s"], lists["v"], lengths["f"])],
            "only lists": [_sparse(sess.run(only_lists[1]["v"])), only_lists[0], only_lists[2]],
            "only contexts": [_sparse(sess.run(only_contexts[0]["w"])), only_contexts[1], only_contexts[2]],
        }


def names_of_sequence_examples(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_sequence(tf, f=[[1]]), _sequence(tf, f=[[2]])]
    features = {"f": tf.FixedLenSequenceFeature([], tf.int64)}
    fed = tf.placeholder(tf.string)
    parsed = tf.io.parse_sequence_example(serialized, None, features, fed)[1]
    with session(tf) as sess:

        def run(names: list[str]) -> Any:
            return sess.run(parsed, {fed: np.array(names, object)})

        return {
            "two": run(["x", "y"]),
            "none": run([]),
            "one": kind_of_error(lambda: run(["x"])),
            "three": kind_of_error(lambda: run(["x", "y", "z"])),
        }


def wrong_sequence_examples(tf: Any, folder: Path) -> dict[str, Any]:
    context = {"c": tf.FixedLenFeature([], tf.int64, 0), "w": tf.VarLenFeature(tf.int64)}
    sequence = {
        "f": tf.FixedLenSequenceFeature([2], tf.int64, allow_missing=True),
        "v": tf.VarLenFeature(tf.string),
    }
    required = {"f": tf.FixedLenSequenceFeature([2], tf.int64)}
    found: dict[str, Any] = {}
    with session(tf) as sess:

        def fails(name: str, bad: bytes, features: Any, *fragments: str) -> None:
            """The fragments are for the batch, in which it is the second one, named two, and for the single one."""
            many = tf.io.parse_sequence_example([_sequence(tf, f=[]), bad], context, features, ["one", "two"])
            single = tf.parse_single_sequence_example(bad, context, features, "two")
            found[name] = [kind_of_error(lambda it=it: sess.run(list(it[:2])), *fragments) for it in (many, single)]

        fails(
            "type", _sequence(tf, f=[[1, 2], [1.5, 2.5]]), sequence,
            "Name: two, Feature list: f, Index: 1.  Data types don't match. Expected type: int64",
        )  # fmt: skip
        fails(
            "type of any length", _sequence(tf, v=[[b"a"], [1]]), sequence,
            "Name: two, Feature list: v, Index: 1.  Data types don't match. Expected type: string",
        )  # fmt: skip
        fails("no kind", _sequence(tf, f=[[1, 2], None]), sequence)
        fails("number", _sequence(tf, f=[[1, 2], [1]]), sequence)
        fails("missing", _sequence(tf), required, "Name: two, Feature list 'f' is required but could not be found.")
        fails(
            "context", _sequence(tf, {"c": [1.5]}), sequence,
            "Name: two, Context feature: c.  Data types don't match. Expected type: int64",
        )  # fmt: skip
        fails(
            "context of any length", _sequence(tf, {"w": [1.5]}), sequence,
            "Name: two, Context feature: w.  Data types don't match. Expected type: int64",
        )  # fmt: skip
        fails("number in the context", _sequence(tf, {"c": [1, 2]}), sequence)
    found["default"] = error(
        lambda: tf.io.parse_sequence_example(
            [b""], None, {"f": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True, default_value=7)}
        )
    )
    found["nothing"] = error(lambda: tf.io.parse_sequence_example([b""]))
    found["class"] = error(lambda: tf.io.parse_sequence_example([b""], None, {"f": tf.FixedLenFeature([], tf.int64)}))
    found["a matrix"] = error(lambda: tf.io.parse_sequence_example([[b""]], context, sequence))
    return found

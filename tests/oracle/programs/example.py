"""Example protocol buffers: parse_example, parse_single_example, decode_raw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, session, shape


def _feature(tf: Any, values: list[Any]) -> Any:
    train = tf.train
    if values and isinstance(values[0], bytes):
        return train.Feature(bytes_list=train.BytesList(value=values))
    if values and isinstance(values[0], int):
        return train.Feature(int64_list=train.Int64List(value=values))
    return train.Feature(float_list=train.FloatList(value=values))


def _example(tf: Any, **values: list[Any]) -> bytes:
    features = {key: _feature(tf, value) for key, value in values.items()}
    made: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return made


def _sparse(value: Any) -> list[Any]:
    return [value.indices, value.values, value.dense_shape]


def bytes_on_disk(tf: Any, folder: Path) -> dict[str, Any]:
    again = tf.train.Example.FromString(_example(tf, a=[1, -2, 300]))
    return {
        "int64": _example(tf, a=[1, -2, 300]),
        "float": _example(tf, a=[1.5, -2.5]),
        "bytes": _example(tf, a=[b"x", b""]),
        "none": _example(tf),
        "an empty list": _example(tf, a=[]),
        "read back": list(again.features.feature["a"].int64_list.value),
    }


def fixed_length(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf, f=[1.0, 2.0], i=[it], s=[b"x", b"y%d" % it], other=[1]) for it in range(3)]
    parsed = tf.parse_example(
        serialized,
        {
            "f": tf.FixedLenFeature([2], tf.float32),
            "i": tf.FixedLenFeature([], tf.int64),
            "s": tf.FixedLenFeature([2, 1], tf.string),
        },
    )
    with session(tf) as sess:
        return {"values": sess.run(parsed), "static": {key: shape(it) for key, it in sorted(parsed.items())}}


def default_values(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf), _example(tf, f=[1.0, 2.0], i=[5], s=[b"there"]), _example(tf, f=[])]
    parsed = tf.parse_example(
        serialized,
        {
            "f": tf.FixedLenFeature([2], tf.float32, default_value=[-1.0, -2.0]),
            "i": tf.FixedLenFeature([], tf.int64, default_value=-1),
            "s": tf.FixedLenFeature([1], tf.string, default_value=b"none"),
        },
    )
    with session(tf) as sess:
        return {
            "two": sess.run(
                tf.parse_example(serialized[:2], {"i": tf.FixedLenFeature([], tf.int64, default_value=-1)})
            ),
            "an empty list is too short": kind_of_error(lambda: sess.run(parsed)),
            "wrong shape": error(
                lambda: tf.parse_example(serialized, {"f": tf.FixedLenFeature([2], tf.float32, default_value=0.0)})
            ),
        }


def variable_length(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf, f=[1.0, 2.0]), _example(tf), _example(tf, f=[3.0], s=[b"a", b"b", b"c"])]
    parsed = tf.parse_example(serialized, {"f": tf.VarLenFeature(tf.float32), "s": tf.VarLenFeature(tf.string)})
    with session(tf) as sess:
        got = sess.run(parsed)
        return {"f": _sparse(got["f"]), "s": _sparse(got["s"]), "static": shape(parsed["f"])}


def sequences_in_examples(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf, f=[1.0, 2.0, 3.0, 4.0]), _example(tf), _example(tf, f=[5.0, 6.0], i=[7])]
    features = {
        "f": tf.FixedLenSequenceFeature([2], tf.float32, allow_missing=True),
        "i": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True, default_value=-1),
    }
    parsed = tf.parse_example(serialized, features)
    single = [tf.parse_single_example(it, features) for it in serialized]
    with session(tf) as sess:
        return {
            "batch": sess.run(parsed),
            "single": sess.run(single),
            "static": [shape(parsed["f"]), shape(single[0]["f"])],
            "stride": kind_of_error(lambda: sess.run(tf.parse_example([_example(tf, f=[1.0])], features))),
            "missing not allowed": error(
                lambda: tf.parse_example(serialized, {"f": tf.FixedLenSequenceFeature([2], tf.float32)}),
                "requires allow_missing to be True",
            ),
        }


def sparse_features(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf, at=[5, 1], value=[50.0, 10.0]), _example(tf), _example(tf, at=[9], value=[90.0])]
    features = {"sparse": tf.SparseFeature("at", "value", tf.float32, 10)}
    with session(tf) as sess:

        def fails(**values: list[Any]) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(tf.parse_example([_example(tf, **values)], features)))

        got = sess.run(tf.parse_example(serialized, features))["sparse"]
        single = sess.run(tf.parse_single_example(serialized[0], features))["sparse"]
        return {
            "batch": _sparse(got),
            "single": _sparse(single),
            "lengths": fails(at=[1, 2], value=[1.0]),
            "too large": fails(at=[10], value=[1.0]),
        }


def sparse_features_with_the_same_keys(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = [_example(tf, i=[7, 2], v=[0.5, 1.5], j=[0, 1]), _example(tf)]

    def build(features: dict[str, Any], *fragments: str) -> dict[str, Any]:
        return error(lambda: tf.parse_example(serialized, features), *fragments)

    same = {
        "a": tf.SparseFeature("i", "v", tf.float32, 9),
        "b": tf.SparseFeature("i", "v", tf.float32, 5, already_sorted=True),
        "c": tf.SparseFeature("j", "i", tf.int64, 9),
        "d": tf.SparseFeature(["i", "i"], "v", tf.float32, [9, 9]),
        "i": tf.VarLenFeature(tf.int64),
        "v": tf.VarLenFeature(tf.float32),
    }
    with session(tf) as sess:
        got = sess.run(tf.parse_example(serialized, same))
        found: dict[str, Any] = {key: _sparse(got[key]) for key in same}
    return found | {
        "values": build(
            {"a": same["a"], "b": tf.SparseFeature("i", "v", tf.int64, 9)}, "Conflicting type", "for feature v."
        ),
        "indices": build({"a": same["a"], "i": tf.VarLenFeature(tf.float32)}, "Conflicting type", "for feature i."),
    }


def names_of_examples(tf: Any, folder: Path) -> dict[str, Any]:
    serialized, features = [_example(tf, a=[1]), _example(tf, a=[2])], {"a": tf.FixedLenFeature([], tf.int64)}
    fed = tf.placeholder(tf.string)
    parsed = tf.parse_example(serialized, features, example_names=fed)
    required = tf.parse_example([_example(tf, a=[1]), _example(tf)], features, example_names=fed)
    text = "Expected names have the same shape as serialized"
    with session(tf) as sess:

        def run(names: Any, parsed: Any = parsed) -> Any:
            return sess.run(parsed, {fed: np.array(names, object)})

        def build(names: Any) -> Any:
            return tf.parse_example(serialized, features, example_names=np.array(names, object))

        return {
            "two": run(["x", "y"]),
            "none": run([]),
            "one": kind_of_error(lambda: run(["x"]), text, "name.shape=[1], serialized.shape=[2]"),
            "three": kind_of_error(lambda: run(["x", "y", "z"]), text),
            "a scalar": kind_of_error(lambda: run("x"), text),
            "static none": sess.run(build([])),
            "static one": kind_of_error(lambda: sess.run(build(["x"])), text),
            "a matrix": error(lambda: build([["x", "y"]])),
            "named": kind_of_error(lambda: run(["x", "y"], required), "Name: y, Feature: a"),
            "not named": kind_of_error(lambda: run([], required), "Name: <unknown>, Feature: a"),
        }


def computed_defaults(tf: Any, folder: Path) -> dict[str, Any]:
    given, of_any_shape = tf.placeholder(tf.int64, []), tf.placeholder(tf.int64, None)
    variable = tf.Variable([1.0, 2.0])
    features = {
        "a": tf.FixedLenFeature([], tf.int64, given),
        "b": tf.FixedLenFeature([2], tf.float32, variable * 2.0),
        "c": tf.FixedLenSequenceFeature([], tf.int64, allow_missing=True, default_value=given + 1),
    }
    serialized = [_example(tf), _example(tf, a=[5], b=[6.0, 7.0], c=[8, 9])]
    parsed = tf.parse_example(serialized, features)
    fixed = {key: features[key] for key in ("a", "b")}
    alone = [tf.parse_single_example(it, fixed) for it in serialized]
    wrong = tf.parse_example(serialized, {"a": tf.FixedLenFeature([], tf.int64, of_any_shape)})
    with session(tf) as sess:
        sess.run(variable.initializer)
        return {
            "values": [sess.run([parsed, alone], {given: value}) for value in (3, 4)],
            "wrong shape": kind_of_error(lambda: sess.run(wrong, {of_any_shape: [1, 2]})),
            "wrong number": error(
                lambda: tf.parse_example(serialized, {"a": tf.FixedLenSequenceFeature([], tf.int64, True, [])}),
                "Cannot reshape a tensor with 0 elements to shape [] (1 elements)",
            ),
            "vector of one": sess.run(
                tf.parse_example(serialized, {"c": tf.FixedLenSequenceFeature([], tf.int64, True, [7])})
            ),
        }


def sparse_features_of_two_axes(tf: Any, folder: Path) -> dict[str, Any]:
    """In the order of their indices, or in the one that they have."""
    serialized = [_example(tf, row=[1, 0, 1], column=[2, 3, 0], value=[12.0, 3.0, 10.0]), _example(tf)]
    found = {}
    with session(tf) as sess:
        for kept in (False, True):
            feature = tf.SparseFeature(["row", "column"], "value", tf.float32, [2, 4], already_sorted=kept)
            parsed = tf.parse_example(serialized, {"x": feature})["x"]
            found[f"already sorted: {kept}"] = [_sparse(sess.run(parsed)), shape(parsed)]
    return found


def single(tf: Any, folder: Path) -> dict[str, Any]:
    parsed = tf.parse_single_example(
        _example(tf, f=[1.0, 2.0], i=[3], v=[4, 5, 6]),
        {
            "f": tf.FixedLenFeature([2], tf.float32),
            "i": tf.FixedLenFeature([], tf.int64),
            "v": tf.VarLenFeature(tf.int64),
            "missing": tf.FixedLenFeature([1], tf.string, default_value=b"none"),
        },
    )
    with session(tf) as sess:
        got = sess.run(parsed)
        return {
            "f": got["f"],
            "i": got["i"],
            "v": _sparse(got["v"]),
            "missing": got["missing"],
            "static": [shape(parsed[key]) for key in ("f", "i", "v", "missing")],
        }


def an_empty_batch(tf: Any, folder: Path) -> dict[str, Any]:
    serialized = tf.placeholder(tf.string, [None])
    parsed = tf.parse_example(serialized, {"f": tf.FixedLenFeature([2], tf.float32), "v": tf.VarLenFeature(tf.int64)})
    with session(tf) as sess:
        got = sess.run(parsed, {serialized: np.zeros([0], object)})
        return {"f": got["f"], "v": _sparse(got["v"]), "static": shape(parsed["f"])}


def failures(tf: Any, folder: Path) -> dict[str, Any]:
    def fails(features: dict[str, Any], *fragments: str, **values: list[Any]) -> dict[str, Any]:
        with session(tf) as sess:
            parsed = tf.parse_example([_example(tf, ok=[1]), _example(tf, **values)], features)
            return kind_of_error(lambda: sess.run(parsed), *fragments)

    a = {"a": tf.FixedLenFeature([2], tf.float32, default_value=[0.0, 0.0])}
    required = {"c": tf.FixedLenFeature([1], tf.float32)}
    ints = {"a": tf.VarLenFeature(tf.int64)}
    with session(tf) as sess:
        return {
            "count": fails(a, "Name: <unknown>, Key: a, Index: 1.  Number of float values != expected.", a=[1.0]),
            "count of texts": fails(
                {"a": tf.FixedLenFeature([2], tf.string, ["", ""])}, "Number of bytes values != expected.", a=[b"x"]
            ),
            "dtype": fails(a, "Key: a", a=[1, 2]),
            "dtype of a list": fails(ints, "Key: a", a=[1.5]),
            "required": fails(required, "Feature: c (data type: float) is required but could not be found."),
            "no example": kind_of_error(
                lambda: sess.run(tf.parse_example(["nonsense"], a)), "Could not parse example input"
            ),
            "names": kind_of_error(
                lambda: sess.run(tf.parse_example([_example(tf, a=[1.0])], a, example_names=["mine"])), "Name: mine"
            ),
        }


def wrong_features(tf: Any, folder: Path) -> dict[str, Any]:
    def build(features: Any, *fragments: str) -> dict[str, Any]:
        return error(lambda: tf.parse_example([_example(tf)], features), *fragments)

    def fixed(*args: Any) -> dict[str, Any]:
        return {"a": tf.FixedLenFeature(*args)}

    return {
        "none": build({}),
        "missing": build(None),
        "shape": build(fixed(None, tf.float32), "Missing shape for feature a"),
        "first size": build(fixed([None, 2], tf.float32), "First dimension of shape for feature a unknown."),
        "inner size": build(
            fixed([1, None], tf.float32),
            "All dimensions of shape for feature a need to be known but received",
        ),
        "dtype": build(fixed([1], tf.int32))["error"] in ("TypeError", "ValueError"),
        "class": build({"a": "nonsense"}),
        "no dtype": build({"a": tf.VarLenFeature(None)}),
    }


def raw_bytes(tf: Any, folder: Path) -> dict[str, Any]:
    text = tf.placeholder(tf.string, None)
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name in ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"):
            data = np.array([1, 2, 3], name).tobytes()
            found[name] = [
                sess.run(tf.decode_raw(data, getattr(tf, name))),
                sess.run(tf.decode_raw([data, data[::-1]], getattr(tf, name), little_endian=False))[0],
            ]
        made = tf.decode_raw(text, tf.int16)
        found["shapes"] = [sess.run(made, {text: it}) for it in (b"abcd", [b"ab", b"cd"], [[b"abcd"]], [b"", b""])]
        found["static"] = [shape(made), shape(tf.decode_raw(["ab", "cd"], tf.uint8))]
        found["length"] = kind_of_error(
            lambda: sess.run(made, {text: b"abc"}), "Input to DecodeRaw has length 3 that is not a multiple of"
        )
        found["bytes="] = sess.run(tf.decode_raw(bytes=[b"ab"], out_type=tf.uint8))
        found["both"] = error(lambda: tf.decode_raw([b"ab"], tf.uint8, bytes=[b"ab"]))
        found["neither"] = error(lambda: tf.decode_raw(out_type=tf.uint8))
        found["lengths"] = kind_of_error(lambda: sess.run(made, {text: [b"ab", b"abcd"]}))
    return found


def from_a_file(tf: Any, folder: Path) -> dict[str, Any]:
    path = str(folder / "examples")
    with tf.python_io.TFRecordWriter(path) as writer:
        for it in range(5):
            writer.write(_example(tf, x=[it * 1.5], label=[it]))
    queue = tf.FIFOQueue(5, tf.string, shapes=())
    features = {"x": tf.FixedLenFeature([], tf.float32), "label": tf.FixedLenFeature([], tf.int64)}
    _, serialized = tf.TFRecordReader().read_up_to(queue, 2)
    parsed = tf.parse_example(serialized, features)
    with session(tf) as sess:
        sess.run(queue.enqueue(path))
        return {"batches": [sess.run(parsed) for _ in range(3)]}

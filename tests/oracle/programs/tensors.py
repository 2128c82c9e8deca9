"""Tensors as strings and as messages: serialize_tensor, parse_tensor, make_tensor_proto, make_ndarray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session, shape

DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
DTYPES += ["float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool"]


def tensors_as_strings(tf: Any, folder: Path) -> dict[str, Any]:
    made = {name: tf.cast(tf.constant([[1, 0, 1]]), getattr(tf, name)) for name in DTYPES}
    made |= {"text": tf.constant(["a", "", "bc"]), "scalar": tf.constant(1.5), "empty": tf.zeros([0, 3])}
    found = {}
    with session(tf) as sess:
        for name, tensor in made.items():
            text = tf.serialize_tensor(tensor)
            again = tf.parse_tensor(text, tensor.dtype)
            found[name] = [sess.run(text), sess.run(tf.equal(again, tensor)), shape(again), shape(text)]
    return found


def wrong_strings(tf: Any, folder: Path) -> dict[str, Any]:
    text = tf.placeholder(tf.string)
    small = tf.make_tensor_proto(np.uint8([1])).SerializeToString()
    with session(tf) as sess:

        def fails(value: Any, *fragments: str) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(tf.parse_tensor(text, tf.uint16), {text: value}), *fragments)

        return {
            "bogus": fails(b"bogus", "Could not parse `serialized` as TensorProto"),
            "empty": fails(b"", "Cannot parse tensor from proto"),
            "vector": fails([b"bogus"], "Expected `serialized` to be a scalar, got shape: [1]"),
            "dtype": fails(small, "Type mismatch between parsed tensor (uint8) and dtype (uint16)"),
        }


def tensors_as_messages(tf: Any, folder: Path) -> dict[str, Any]:
    values: dict[str, tuple[Any, dict[str, Any]]] = {
        "int": (3, {}),
        "floats": ([1.5, 2.5], {}),
        "text": (["a", b"b"], {}),
        "unicode": ("\u00e9", {}),
        "bools": ([True, False], {}),
        "complex": ([1 + 2j, 3], {}),
        "complex64": ([1 + 2j], {"dtype": tf.complex64}),
        "half": (np.float16([1]), {}),
        "bfloat16": ([1.5], {"dtype": tf.bfloat16}),
        "filled": (5, {"shape": [2, 3]}),
        "last": ([5.0, 6.0], {"shape": [2, 3]}),
        "reshaped": ([1, 2, 3, 4], {"shape": [2, 2]}),
        "broadcast": ([1], {"shape": [2], "allow_broadcast": True}),
        "none": ([], {"shape": [0, 3]}),
        "cast": (np.array([1.5, 2.0]), {"dtype": tf.int32}),
        "large": (2**40, {}),
    }
    values |= {f"{name}s": (np.array([1, 0]).astype(name), {}) for name in DTYPES if name != "bfloat16"}
    values |= {f"one {name}": (np.array(1).astype(name), {}) for name in DTYPES if name != "bfloat16"}
    found: dict[str, Any] = {}
    for name, (value, options) in values.items():
        message = tf.make_tensor_proto(value, **options)
        found[name] = [message.SerializeToString(), tf.make_ndarray(message)]
    wrong: dict[str, tuple[Any, dict[str, Any]]] = {
        "too many": ([1, 2, 3], {"shape": [2]}),
        "another shape": ([1], {"shape": [2], "verify_shape": True}),
        "no broadcast": ([1, 2], {"shape": [4], "allow_broadcast": True}),
        "both": ([1], {"shape": [1], "allow_broadcast": True, "verify_shape": True}),
        "fraction": ([1.5], {"dtype": tf.int32}),
        "None": (None, {}),
        "mixed": ([1, "a"], {}),
        "tensor": (tf.constant(1), {}),
    }
    for name, (value, options) in wrong.items():
        found[name] = kind_of_error(lambda value=value, options=options: tf.make_tensor_proto(value, **options))
    return found


def sparse_tensors_as_strings(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name in [*DTYPES, "text", "long text"]:
            values: Any = tf.cast(tf.constant([1, 0, 1]), getattr(tf, name, tf.int32))
            if "text" in name:
                values = tf.constant(["a", "", "bc" if name == "text" else "x" * 300])
            sparse = tf.SparseTensor([[0, 1], [1, 0], [1, 2]], values, [2, 300])
            row, rows = tf.serialize_sparse(sparse), tf.serialize_many_sparse(sparse)
            again = tf.deserialize_many_sparse(rows, values.dtype, rank=2)
            same = tf.equal(again.values, values)
            found[name] = [sess.run([row, rows, again.indices, same, again.dense_shape]), shape(row), shape(rows)]
            found[name] += [shape(again.indices), shape(again.dense_shape)]
        for size, places in (([0, 3], []), ([3, 3], [[1, 2]]), ([2, 1, 4], [[1, 0, 3]]), ([1] * 9, [[0] * 9])):
            indices = np.array(places, np.int64).reshape(-1, len(size))
            rows = tf.serialize_many_sparse(tf.SparseTensor(indices, [1.5] * len(places), size))
            found[str(size)] = sess.run(rows)
        vector, cube = tf.SparseTensor([[1]], [1.5], [3]), tf.SparseTensor([[0, 0, 1]], [1.5], [1, 1, 2])
        found["vector"] = sess.run(tf.serialize_sparse(vector))
        text = tf.placeholder(tf.string, [None, 3])
        one, other = sess.run([tf.serialize_sparse(vector), tf.serialize_sparse(cube)])

        def fails(rows: Any, dtype: Any = tf.float32) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(tf.deserialize_many_sparse(text, dtype)[0], {text: rows}))

        return found | {
            "rank 1": kind_of_error(lambda: sess.run(tf.serialize_many_sparse(vector))),
            "no messages": fails([["a", "b", "c"]]),
            "empty": fails([["", "", ""]]),
            "dtype": fails([one], tf.int32),
            "ranks": fails([one, other]),
            "cut": fails([[it[:-1] for it in one]]),
            "mixed": fails([[one[0], other[1], other[2]]]),
        }


def json_examples(tf: Any, folder: Path) -> dict[str, Any]:
    def one(kind: str, values: str) -> str:
        return f'{{"features": {{"feature": {{"a": {{"{kind}": {{"value": {values}}}}}}}}}}}'

    texts = ["{}", one("int64List", '["1", -2]'), one("float_list", '[1.5, "-2"]'), one("bytesList", '["aGk=", "_-8"]')]
    made = tf.decode_json_example([texts])
    with session(tf) as sess:

        def fails(text: str) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(tf.decode_json_example(["{}", text])), "Error while parsing JSON")

        return {
            "examples": [str(tf.train.Example.FromString(it)) for it in sess.run(made)[0]],
            "static": shape(made),
            "no JSON": fails("{]"),
            "another field": fails('{"unknown": 1}'),
            "fraction": fails(one("int64List", "[1.5]")),
            "base64": fails(one("bytesList", '["!!"]')),
            "list": fails("[]"),
            "nothing": fails(""),
        }

"""Names of operations, name scopes, collections and graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, names


def unique_names(tf: Any, folder: Path) -> dict[str, Any]:
    made = [tf.constant(1.0, name="a"), tf.constant(1.0, name="a"), tf.constant(1.0, name="A"), tf.constant(1.0)]
    made += [tf.add(made[0], 1.0), made[0] + 1.0, made[0] * made[1], -made[0], made[0] / 2.0, made[0] - 1.0]
    made += [
        tf.placeholder(tf.float32),
        tf.identity(made[0]),
        tf.zeros([2]),
        tf.reduce_sum(tf.ones([2])),
        tf.square(2.0),
    ]
    made += [tf.constant(1.0, name="a_1"), tf.constant(1.0, name="a")]
    return {"names": names(made)}


def name_scopes(tf: Any, folder: Path) -> dict[str, Any]:
    found = []
    with tf.name_scope("s") as scope:
        found += [scope, tf.constant(1.0, name="a").name]
        with tf.name_scope("t") as inner:
            found += [inner, tf.constant(1.0, name="a").name]
        with tf.name_scope("t") as again:
            found += [again, tf.constant(1.0, name="a").name]
        with tf.name_scope(None) as root:
            found += [root, tf.constant(1.0, name="root").name]
    with tf.name_scope("s") as second:
        found += [second, tf.constant(1.0, name="a").name]
    with tf.name_scope(scope):
        found.append(tf.constant(1.0, name="a").name)
    with tf.name_scope(None, "default", [tf.constant(1.0)]) as default:
        found.append(default)
    with tf.name_scope("given", "default"):
        found.append(tf.get_default_graph().get_name_scope())
    return {"names": found, "none": tf.get_default_graph().get_name_scope()}


def wrong_names(tf: Any, folder: Path) -> dict[str, Any]:
    def scope(name: str) -> dict[str, Any]:
        def build() -> None:
            with tf.name_scope(name):
                pass

        return error(build)

    return {
        "operation": [error(lambda it=it: tf.constant(1.0, name=it)) for it in ("a b", "_a", "a:0", "-a", "a$")],
        "good": names([tf.constant(1.0, name=it) for it in ("a.b", "a/b", "a-b", "a_b", "9a", ".a")]),
        "scope": [scope(it) for it in ("a b", "_a", "9", "a$")],
    }


def outputs(tf: Any, folder: Path) -> dict[str, Any]:
    parts = tf.split(tf.constant([1.0, 2.0]), 2, name="parts")
    stacked = tf.stack(parts, name="stacked")
    return {
        "names": names(parts),
        "inputs": names(stacked.op.inputs),
        "outputs": names(parts[0].op.outputs),
        "consumers": names(parts[0].consumers()),
        "index": [it.value_index for it in parts],
        "types": [stacked.op.type, parts[0].op.type],
    }


def lookups(tf: Any, folder: Path) -> dict[str, Any]:
    a = tf.constant(1.0, name="a")
    graph = tf.get_default_graph()
    return {
        "tensor": graph.get_tensor_by_name("a:0") is a,
        "operation": graph.get_operation_by_name("a") is a.op,
        "element": [
            graph.as_graph_element("a:0") is a,
            graph.as_graph_element(a) is a,
            graph.as_graph_element("a") is a.op,
        ],
        "operations": names(graph.get_operations()),
        "no such operation": error(lambda: graph.get_operation_by_name("b")),
        "no such tensor": error(lambda: graph.get_tensor_by_name("b:0")),
        "no such output": error(lambda: graph.get_tensor_by_name("a:1")),
        "an operation as tensor": error(lambda: graph.get_tensor_by_name("a")),
    }


def collections(tf: Any, folder: Path) -> dict[str, Any]:
    tf.add_to_collection("mine", 1)
    tf.add_to_collection("mine", "two")
    graph = tf.get_default_graph()
    graph.add_to_collections(["mine", "other", "other"], 3)
    copy = tf.get_collection("mine")
    copy.append(4)
    graph.get_collection_ref("ref").append(5)
    with tf.name_scope("s"):
        tf.add_to_collection("tensors", tf.constant(1.0, name="a"))
    tf.add_to_collection("tensors", tf.constant(1.0, name="b"))
    return {
        "mine": tf.get_collection("mine"),
        "other": tf.get_collection("other"),
        "ref": tf.get_collection("ref"),
        "none": tf.get_collection("nonsense"),
        "in a scope": names(tf.get_collection("tensors", scope="s/")),
        "keys": sorted(graph.get_all_collection_keys()),
    }


def graphs(tf: Any, folder: Path) -> dict[str, Any]:
    default, graph = tf.get_default_graph(), tf.Graph()
    with graph.as_default():
        a = tf.constant(1.0, name="a")
        inside = tf.get_default_graph() is graph
    b = tf.constant(1.0, name="a")
    graph.finalize()

    def build() -> None:
        with graph.as_default():
            tf.constant(1.0)

    return {
        "default": [inside, tf.get_default_graph() is default],
        "names": [a.name, b.name],
        "mixed": error(lambda: a + b),
        "finalized": [graph.finalized, error(build)],
        "truth": error(lambda: bool(b)),
        "iteration": error(lambda: list(b)),
        "hash": len({b, b}),
    }


def constants(tf: Any, folder: Path) -> dict[str, Any]:
    made = [
        tf.constant(1),
        tf.constant(1.5),
        tf.constant("s"),
        tf.constant(True),
        tf.constant(1j),
        tf.constant([[1, 2]]),
        tf.constant(1, tf.float64),
        tf.constant(2.0, shape=[2, 2]),
        tf.constant([]),
    ]
    return {
        "dtypes": [it.dtype.name for it in made],
        "shapes": [it.shape.as_list() for it in made],
        "ragged": error(lambda: tf.constant([[1], [1, 2]])),
        "mixed": error(lambda: tf.constant([1, "a"]))["error"] is not None,
        "shape": error(lambda: tf.constant([1, 2], shape=[3]))["error"] is not None,
        "none": error(lambda: tf.constant(None))["error"],
    }


def dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (
        *("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool"),
        *("complex64", "complex128", "string"),
    ):
        it = tf.as_dtype(name)
        found[name] = [it is getattr(tf, name), it.name, it.is_floating, it.is_integer, it.is_complex, it.is_bool]
    return found | {
        "numpy": [np.dtype(tf.as_dtype("int32").as_numpy_dtype).name, np.dtype(tf.string.as_numpy_dtype).name],
        "numpy type": kind_of_error(lambda: tf.float32.as_numpy_dtype(1)),
        "python": [tf.as_dtype(float).name, tf.as_dtype(bool).name],
        "unknown": error(lambda: tf.as_dtype("nonsense")),
    }

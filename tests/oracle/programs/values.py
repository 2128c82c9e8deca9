"""Values at the edges: NaN, complex numbers, other byte orders, casts, feeds, old names, numbers that are tensors.

What `tests/conformance/test_values.py` and its kin expect, as TensorFlow gives it, for several dtypes and shapes.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import outcome, outcomes, refusals, session, shape

NAN, INF = float("nan"), float("inf")
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "int64"]
ORDERED = ["int16", "uint16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"]

SHAPED = {
    "vector": [3.0, NAN, 3.0],
    "first": [NAN, 1.0, 2.0],
    "all": [NAN, NAN],
    "infinite": [-INF, NAN, INF],
    "only -inf": [NAN, -INF],
    "matrix": [[3.0, NAN, 4.0], [NAN, NAN, NAN], [NAN, 1.0, 2.0]],
    "empty rows": np.zeros([0, 3]),
}


def nan(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    for dtype in FLOATS:
        for name, value in SHAPED.items():
            x = tf.constant(np.array(value, dtype))
            last = len(np.shape(value)) - 1
            builds = {
                "argmax": lambda x=x, last=last: tf.argmax(x, last),
                "argmin": lambda x=x, last=last: tf.argmin(x, last, output_type=tf.int32),
                "argmax 0": lambda x=x: tf.argmax(x, 0),
                "reduce_max": lambda x=x: tf.reduce_max(x),
                "reduce_min": lambda x=x: tf.reduce_min(x),
                "max of rows": lambda x=x, last=last: tf.reduce_max(x, last),
                "min of rows": lambda x=x, last=last: tf.reduce_min(x, last, keepdims=True),
                "maximum": lambda x=x: tf.maximum(x, 2),
                "maximum of": lambda x=x: tf.maximum(tf.constant(2, x.dtype), x),
                "minimum": lambda x=x: tf.minimum(x, 2),
                "minimum of": lambda x=x: tf.minimum(tf.constant(2, x.dtype), x),
                "clip": lambda x=x: tf.clip_by_value(x, -1, 2),
                "relu": lambda x=x: tf.nn.relu(x),
                "sign": lambda x=x: tf.sign(x),
                "softmax": lambda x=x: tf.nn.softmax(x),
                "log_softmax": lambda x=x: tf.nn.log_softmax(x),
                "logsumexp": lambda x=x, last=last: tf.reduce_logsumexp(x, last),
                "sum": lambda x=x: tf.reduce_sum(x),
                "mean": lambda x=x: tf.reduce_mean(x, 0),
                "prod": lambda x=x: tf.reduce_prod(x, 0),
                "count_nonzero": lambda x=x: tf.count_nonzero(x),
                "compared": lambda x=x: [x < 2, x >= 2, tf.equal(x, x), tf.not_equal(x, x)],
                "sigmoid": lambda x=x: tf.sigmoid(x),
                "softplus": lambda x=x: tf.nn.softplus(x),
                "bool": lambda x=x: tf.cast(x, tf.bool),
                "gradient of max": lambda x=x, last=last: tf.gradients(tf.reduce_max(x, last), x)[0],
                "gradient of maximum": lambda x=x: tf.gradients(tf.maximum(x, 2), x)[0],
                "gradient of minimum": lambda x=x: tf.gradients(tf.minimum(x, 2), x)[0],
                "gradient of relu": lambda x=x: tf.gradients(tf.nn.relu(x), x)[0],
                "gradient of clip": lambda x=x: tf.gradients(tf.clip_by_value(x, -1, 2), x)[0],
                "gradient of abs": lambda x=x: tf.gradients(tf.abs(x), x)[0],
                "clip_by_norm": lambda x=x: tf.clip_by_norm(x, 1.0) if x.dtype == tf.float32 else x,
                "global norm": lambda x=x: tf.clip_by_global_norm([x], tf.constant(1, x.dtype))[0][0],
                "floordiv": lambda x=x: x // 2,
                "floormod": lambda x=x: tf.floormod(x, 2),
                "pow": lambda x=x: [tf.pow(x, 0), tf.pow(tf.constant(1, x.dtype), x)],
                "round": lambda x=x: [tf.round(x), tf.ceil(x), tf.floor(x)],
                "where": lambda x=x: tf.where(tf.is_nan(x), tf.zeros_like(x), x),
                "in_top_k": lambda x=x: tf.nn.in_top_k(tf.constant([[1.0, 2.0], [NAN, 1.0]]), [0, 1], 1),
            }
            with session(tf) as sess:
                found[f"{dtype} {name}"] = outcomes(sess, builds)
    return found


def in_top_k_of_odd_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    rows = [[1.0, 1.0, 0.0], [NAN, 1.0, 0.0], [1.0, NAN, 0.0], [INF, 1.0, 0.0], [1.0, INF, 2.0], [-INF, -INF, -INF]]
    builds = {
        f"{target}, {k}": lambda target=target, k=k: tf.nn.in_top_k(tf.constant(rows), [target] * len(rows), k)
        for target in range(-1, 4)
        for k in range(-1, 5)
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def losses_of_odd_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    logits = tf.constant([[1.0, NAN], [INF, 0.0], [-INF, 0.0], [1000.0, -1000.0]])
    labels = tf.constant([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    nn = tf.nn
    builds = {
        "softmax": lambda: nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits),
        "sparse": lambda: nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1, 0, 0], logits=logits),
        "sigmoid": lambda: nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
        "l2": lambda: nn.l2_loss(logits),
        "logsumexp": lambda: tf.reduce_logsumexp(logits, 1),
        "softplus": lambda: nn.softplus(logits),
        "gradient of softplus": lambda: tf.gradients(nn.softplus(logits), logits)[0],
        "gradient of sigmoid": lambda: tf.gradients(
            nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits), logits
        )[0],
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def byte_orders(tf: Any, folder: Path) -> dict[str, Any]:
    """Arrays in any byte order as feeds and loaded values.  TensorFlow takes the bytes of others as they are."""
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for dtype in ORDERED:
            for order in "<>":
                foreign = np.array([1, 2, 300 % 255], np.dtype(dtype).newbyteorder(order))
                p, single = tf.placeholder(dtype, [3]), tf.placeholder(dtype, [])
                v = tf.Variable(foreign.astype(dtype), name=f"v{len(found)}")
                q = tf.FIFOQueue(5, [dtype], [[]])
                sess.run(q.enqueue_many([p]), {p: foreign})
                builds = {
                    "fed": lambda p=p: [p, tf.identity(p), p + p],
                    "scalar": lambda single=single: single + single,
                    "py_func": lambda p=p, d=dtype: tf.py_func(lambda x: x, [p], d),
                    "dequeued": lambda q=q: q.dequeue_many(3),
                }
                found[f"{dtype} {order}"] = outcomes(sess, builds, {p: foreign, single: foreign[2]})
                v.load(foreign, sess)
                found[f"{dtype} {order}"]["loaded"] = sess.run(v)
    return found


def other_arrays(tf: Any, folder: Path) -> dict[str, Any]:
    """Arrays of text, objects and records."""
    builds = {
        "str": lambda: tf.constant(np.array(["a", "bc"])),
        "wide str": lambda: tf.constant(np.array(["a", "b\u00e9"], ">U2")),
        "bytes": lambda: tf.constant(np.array([b"a", b"bc\x00d"])),
        "ending in 0": lambda: tf.constant(np.array([b"a\x00"])),
        "objects": lambda: tf.constant(np.array([b"a\x00", "b"], object)),
        "object numbers": lambda: tf.constant(np.array([1, 2], object)),
        "object floats": lambda: tf.constant(np.array([1.5, 2], object)),
        "object numbers, float": lambda: tf.constant(np.array([1, 2], object), tf.float32),
        "mixed": lambda: tf.constant(np.array([1, "b"], object)),
        "records": lambda: tf.constant(np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")])),
        "dates": lambda: tf.constant(np.array(["2020-01-01"], "datetime64[D]")),
        "long double": lambda: tf.constant(np.array([1.5], np.longdouble)),
        "empty str": lambda: tf.constant(np.array([], "U1")),
        "str, as text": lambda: tf.constant(np.array(["a"]), tf.string),
        "number, as text": lambda: tf.constant(np.array([1]), tf.string),
        "np.str_": lambda: tf.constant(np.str_("a")),
        "np.bytes_": lambda: tf.constant(np.bytes_(b"a")),
        "bool, as float": lambda: tf.constant(np.array([True]), tf.float32),
        "bool, as int": lambda: tf.constant(np.array([True]), tf.int32),
        "True, as float": lambda: tf.constant(True, tf.float32),
        "True, as int": lambda: tf.constant([True], tf.int32),
        "int, as bool": lambda: tf.constant(np.array([2, 0]), tf.bool),
        "1, as bool": lambda: tf.constant(1, tf.bool),
        "complex, as float": lambda: tf.constant(np.array([1 + 2j]), tf.float32),
        "float, as complex": lambda: tf.constant(np.array([1.5]), tf.complex64),
        "1.5, as complex": lambda: tf.constant(1.5, tf.complex64),
        "1, as complex": lambda: tf.constant([1], tf.complex128),
        "nan, as int": lambda: tf.constant(np.array([2.0**40, -1.5]), tf.int64),
        "unsigned": lambda: tf.constant(np.array([2**63], np.uint64)),
        "large": lambda: tf.constant(2**40),
        "larger": lambda: tf.constant(2**70),
        "int32 in int64": lambda: tf.constant(np.array([1], np.int32), tf.int64),
        "tuple": lambda: tf.constant((1, 2)),
        "nested": lambda: tf.constant([(1, 2), [3, 4]]),
        "ragged": lambda: tf.constant([[1], [2, 3]]),
        "mixed numbers": lambda: tf.constant([1, 2.5]),
        "mixed bool": lambda: tf.constant([True, 2]),
        "number and text": lambda: tf.constant([1, "a"]),
        "None": lambda: tf.constant(None),
        "None in a list": lambda: tf.constant([1, None]),
        "NumPy numbers in a list": lambda: tf.constant([np.float64(1.5), 2]),
        "int64 in a list": lambda: tf.constant([np.int64(1), 2]),
        "float64 number": lambda: tf.constant(np.float64(1.5)),
        "Python number, float64 dtype": lambda: tf.constant(1.5, tf.float64),
        "shape, more": lambda: tf.constant([1, 2], shape=[4]),
        "shape, fewer": lambda: tf.constant([1, 2, 3], shape=[2]),
        "shape, one": lambda: tf.constant(7, shape=[2, 2]),
        "shape, empty": lambda: tf.constant([], shape=[0, 3]),
        "verified": lambda: tf.constant([1, 2], shape=[4], verify_shape=True),
        "set": lambda: tf.constant({1, 2}),
        "dict": lambda: tf.constant({"a": 1}),
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def casts_of_arrays(tf: Any, folder: Path) -> dict[str, Any]:
    """An array of another dtype is cast; Python numbers that would lose something are refused."""
    names = [*INTEGERS, "uint32", "uint64", *FLOATS, *COMPLEX, "bool"]
    refused = {("negative", it) for it in names if it.startswith("u")}
    refused |= {("huge", it) for it in names if "int" in it and not it.endswith("64")}
    numbers = {"int": [1, 100], "negative": [-1, 3], "float": [1.0, 2.7], "bool": [True, False], "huge": [2**40]}
    builds = {
        f"{kind} {name} {how}": lambda v=value, d=name, a=(how == "an array"): tf.constant(np.array(v) if a else v, d)
        for kind, value in numbers.items()
        for name in names
        for how in ("an array", "a list")
        if how == "an array" or (kind, name) not in refused
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def ranges(tf: Any, folder: Path) -> dict[str, Any]:
    i, f = tf.placeholder_with_default(5, []), tf.placeholder_with_default(0.5, [])
    builds = {
        "int": lambda: tf.range(5),
        "float": lambda: tf.range(2.5),
        "int, float": lambda: tf.range(1, 2.5),
        "float step": lambda: tf.range(0, 2, 0.5),
        "float start": lambda: tf.range(0.5, 3),
        "down": lambda: tf.range(3, 0, -1),
        "empty": lambda: tf.range(3, 0),
        "no step": lambda: tf.range(3, 0, 0),
        "dtype": lambda: tf.range(3, dtype=tf.float64),
        "int64": lambda: tf.range(np.int64(3)),
        "mixed NumPy": lambda: tf.range(np.int64(1), np.float32(3)),
        "mixed integers": lambda: tf.range(np.int32(1), np.int64(3)),
        "tensor": lambda: tf.range(i),
        "tensor and float": lambda: tf.range(0, i, 0.5),
        "float tensor": lambda: tf.range(f, 3),
        "tensors": lambda: tf.range(i, tf.constant(7)),
        "mixed tensors": lambda: tf.range(f, i),
        "float to int": lambda: tf.range(1.5, 4, dtype=tf.int32),
        "vector": lambda: tf.range([1, 2]),
        "inexact": lambda: tf.range(0.0, 1.0, 0.1),
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def feeds(tf: Any, folder: Path) -> dict[str, Any]:
    values = {
        "object numbers": np.array([1, 2], object),
        "object whole floats": np.array([1.0, 2], object),
        "object column": np.array([[1.0, "a"], [2, "b"]], object)[:, 0],
        "object bools": np.array([True, False], object),
        "object text": np.array(["a", b"b"], object),
        "0 and 1": [0, 1],
        "bool": np.array([True, False]),
        "bool list": [True, False],
        "int": [1, 2],
        "float": [1.0, 2.0],
        "int64": np.array([1, 2]),
        "int64 0 and 1": np.array([1, 0]),
        "float64 0 and 1": np.array([1.0, 0.0]),
        "float64": np.array([1.0, 2.0]),
        "float16": np.array([1.0, 2.0], np.float16),
        "complex": np.array([1 + 0j]),
        "tuple": (1, 2),
        "str": ["a"],
        "str array": np.array(["a"]),
        "wide": np.array([1, 2], ">i8"),
        "scalars": [np.float32(1), np.int64(2)],
        "arrays": [np.array(1), np.array(2)],
        "empty": [],
        "range": range(2),
    }
    found = {}
    with session(tf) as sess:
        for name in ("float32", "float64", "float16", "int32", "int64", "uint8", "complex64", "complex128", "string"):
            p = tf.placeholder(name)
            found[name] = {key: outcome(sess, lambda p=p: tf.identity(p), {p: it}) for key, it in values.items()}
        p = tf.placeholder(tf.bool)
        fitting = {key: it for key, it in values.items() if "bool" in key or "0 and 1" in key or key == "empty"}
        found["bool"] = {key: outcome(sess, lambda: tf.identity(p), {p: it}) for key, it in fitting.items()}
    return refusals(found)


def nested_feeds(tf: Any, folder: Path) -> dict[str, Any]:
    p, c = tf.placeholder(tf.float32), tf.placeholder(tf.int32)
    sparse = tf.SparseTensor(tf.placeholder(tf.int64), tf.placeholder(tf.float32), tf.placeholder(tf.int64))
    parts = ([[0, 1]], [1.5], [2, 2])

    def fed(fetch: Any, feed: Any) -> Any:
        return outcome(sess, lambda: fetch, feed)

    with session(tf) as sess:
        return {
            "tuple": fed([p, c], {(p, c): (1.0, 2)}),
            "nested": fed([p, c], {((p,), c): ((1.0,), 2)}),
            "list": fed([p, c], {(p, c): [1.0, 2]}),
            "an array": fed([p, c], {(p, c): np.array([1, 2])}),
            "too few": fed([p, c], {(p, c): (1.0,)}),
            "too many": fed([p, c], {(p, c): (1.0, 2, 3)}),
            "name": fed([p, c], {p.name: 1.0, c: 2}),
            "sparse": fed(tf.add(sparse.values, 1), {sparse: parts}),
            "sparse value": fed(tf.add(sparse.values, 1), {sparse: tf.SparseTensorValue(*parts)}),
            "operation": fed(p, {p.op: 1.0}),
            "tensor": fed(p, {p: tf.constant(1.0)}),
            "not in the graph": fed(p, {"nonsense:0": 1.0}),
            "not needed": fed(c, {c: 1, p: 1.0}),
            "constant": fed(tf.constant(1.0, name="k") + 1, {"k:0": 5.0}),
            "twice": fed([p, p], {p: 1.0}),
        }


def known_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    """What needs no feed."""
    shapes = {"known": [2, 3], "scalar": [], "partly": [None, 3], "unknown": None, "empty": [0, 2]}
    found = {}
    with session(tf) as sess:
        for name, size in shapes.items():
            for dtype in ("float32", "int64", "string", "complex64"):
                p = tf.placeholder(dtype, size)
                builds = {
                    "shape": lambda p=p: tf.shape(p),
                    "shape int64": lambda p=p: tf.shape(p, out_type=tf.int64),
                    "size": lambda p=p: tf.size(p),
                    "rank": lambda p=p: tf.rank(p),
                    "zeros_like": lambda p=p: tf.zeros_like(p),
                    "ones_like": lambda p=p: tf.ones_like(p) if p.dtype != tf.string else p,
                    "last size": lambda p=p: tf.shape(p)[-1],
                    "of identity": lambda p=p: tf.rank(tf.identity(p)),
                    "group": lambda p=p: tf.group(p),
                    "product": lambda p=p: tf.reduce_prod(tf.shape(p)),
                }
                found[f"{name} {dtype}"] = {key: outcome(sess, build) for key, build in builds.items()}
    return found


def waited_for_placeholders(tf: Any, folder: Path) -> dict[str, Any]:
    p = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([p]):
        after = tf.constant(1)
    default = tf.placeholder_with_default(2.0, [])
    with tf.control_dependencies([default]):
        after_default = tf.constant(1)
    with session(tf) as sess:
        return {
            name: [outcome(sess, lambda it=it: it, feed) for feed in ({}, {p: 1.0}, {p: 1.0, default: 3.0})]
            for name, it in {
                "group": tf.group(p),
                "two": tf.group(p, default),
                "after": after,
                "default": tf.group(default),
                "after default": after_default,
                "operation": p.op,
                "default's operation": default.op,
                "tuple": tf.tuple([p, default]),
            }.items()
        }


def old_names(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 3.0], use_resource=True)
    tf.Variable(1, trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES], use_resource=False)
    with session(tf) as sess:
        sess.run(tf.initialize_all_variables())
        sess.run(tf.initialize_variables([v]))
        sess.run(tf.initialize_local_variables())
        with tf.variable_scope("s", use_resource=True) as scope:
            first = scope.use_resource
            scope.set_use_resource(False)
            second = scope.use_resource
        return {
            "all": len(tf.all_variables()),
            "values": sess.run([v, tf.arg_max(v, 0), tf.arg_min(v, 0)]),
            "use_resource": [bool(first), bool(second)],
            "levels": [getattr(tf.RunOptions, it) for it in
                       ("NO_TRACE", "SOFTWARE_TRACE", "HARDWARE_TRACE", "FULL_TRACE")],
            "traced": sess.run(tf.constant(1), options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)),
        }  # fmt: skip


def miscellany(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    unknown, vectors = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    one = tf.placeholder_with_default(0, [])
    z = tf.constant([3 + 4j, -1j, 0])
    builds: dict[str, Any] = {
        "matmul of vectors": lambda: tf.matmul(unknown, unknown),
        "matmul of a matrix and a vector": lambda: tf.matmul(x, vectors),
        "matmul of scalars": lambda: tf.matmul(tf.reduce_sum(vectors, one), unknown),
        "fill with a vector": lambda: tf.fill([2], unknown),
        "fill with a known vector": lambda: tf.fill([2], [1.0, 2.0]),
        "fill of a matrix": lambda: tf.fill([[2]], 1.0),
        "where on numbers": lambda: tf.where([1, 0, 2]),
        "where on floats": lambda: tf.where([0.0, NAN, -1.5]),
        "where on complex": lambda: tf.where(z),
        "where on bools": lambda: tf.where([[True, False], [True, True]]),
        "where on text": lambda: tf.where(["a", ""]),
        "squared_difference of complex": lambda: tf.squared_difference(z, 1),
        "reduce_all of nothing": lambda: tf.reduce_all([]),
        "reduce_any of nothing": lambda: tf.reduce_any([]),
        "reduce_all of numbers": lambda: tf.reduce_all([1, 0]),
        "reduce_all of a tensor of numbers": lambda: tf.reduce_all(tf.constant([1, 0])),
        "dropout": lambda: tf.shape(tf.nn.dropout(x, 0.5, noise_shape=[None, 1])),
        "dropout with a tensor": lambda: tf.shape(tf.nn.dropout(x, 0.5, noise_shape=tf.constant([2, 1]))),
        "split, wrong num": lambda: tf.split(tf.ones([4]), [1, 3], num=3),
        "split, right num": lambda: tf.split(tf.ones([4]), [1, 3], num=2),
        "split, not all": lambda: tf.split(tf.ones([4]), [1, 2]),
        "split, rest": lambda: tf.split(tf.ones([4]), [1, -1]),
        "split, uneven": lambda: tf.split(tf.ones([4]), 3),
        "clip_by_norm of another shape": lambda: tf.clip_by_norm(x, tf.ones([3, 2, 2])),
        "clip_by_norm of a vector": lambda: tf.clip_by_norm(x, [1.0, 2.0]),
        "clip_by_norm, negative": lambda: tf.clip_by_norm(x, -1.0),
        "clip_by_norm, 0": lambda: tf.clip_by_norm(x, 0.0),
        "clip_by_norm, NaN": lambda: tf.clip_by_norm(x, NAN),
        "clip_by_norm, integers": lambda: tf.clip_by_norm([3.0, 4.0], 1),
        "clip_by_norm, axes": lambda: tf.clip_by_norm(x, 1.0, axes=[1]),
        "clip_by_global_norm, negative": lambda: tf.clip_by_global_norm([x], -1.0)[0][0],
        "clip_by_value, crossed": lambda: tf.clip_by_value(x, 3.0, 2.0),
        "clip_by_value of another shape": lambda: tf.clip_by_value(x, tf.zeros([3, 2, 2]), 2.0),
        "py_func without outputs": lambda: tf.py_func(lambda: None, [], [], stateful=False),
        "py_func with outputs": lambda: tf.py_func(lambda: np.float32(1), [], tf.float32, stateful=False),
        "abs of complex": lambda: [tf.abs(z), abs(z)],
        "abs of integers": lambda: tf.abs(tf.constant([-3, 2**31 - 1])),
        "softplus": lambda: tf.nn.softplus([-1000.0, -20.0, 0.0, 20.0, 1000.0]),
        "string variable": lambda: tf.get_variable("text", [2], tf.string).initializer,
        "bool variable": lambda: tf.get_variable("bool", [2], tf.bool).initializer,
        "int variable": lambda: tf.get_variable("int", [2], tf.int32).initializer,
        "bias_add": lambda: tf.nn.bias_add([[1.0, 2.0]], [0.5, 1.5]),
    }
    shapes = tf.TensorShape([1]), tf.TensorShape(None)
    with session(tf) as sess:
        found = outcomes(sess, builds, {unknown: [1.0], vectors: [1.0, 2.0]})
    return found | {
        "TensorShape + list": [(shapes[0] + [2]).as_list(), (shapes[0] + (None,)).as_list(), (shapes[1] + [2]).ndims],
        "list + TensorShape": ([3] + shapes[0]).as_list(),
        "values": _after(tf, {"text": tf.string, "bool": tf.bool, "int": tf.int32}),
    }


def _after(tf: Any, names: dict[str, Any]) -> list[Any]:
    with tf.variable_scope("", reuse=True), session(tf) as sess:
        found = [tf.get_variable(it, dtype=dtype) for it, dtype in names.items()]
        sess.run(tf.variables_initializer(found))
        return [sess.run(it) for it in found]


def names_inside(tf: Any, folder: Path) -> dict[str, Any]:
    """What the constants that functions make of their arguments are called."""
    with tf.Graph().as_default() as graph:
        tf.nn.bias_add(tf.ones([2, 2]), [1.0, 2.0])
        tf.nn.bias_add([[1.0, 2.0]], [1.0, 2.0], name="mine")
        biases = sorted(op.name for op in graph.get_operations() if "ias" in op.name or "mine" in op.name)
    return {"bias_add": biases}


def kept_inputs(tf: Any, folder: Path) -> dict[str, Any]:
    """Which examples a batch keeps."""
    flags = {"True": True, "1": 1, "2": 2, "1.0": 1.0, "array": np.array(True), "constant": tf.constant(1)}
    flags |= {"vector": [True, False], "numbers": [1, 0], "array of numbers": np.array([0, 1])}
    flags |= {"tensor": tf.placeholder_with_default(True, []), "tensors": tf.placeholder_with_default([1, 0], [2])}
    made: dict[str, Any] = {}
    for name, keep in flags.items():
        for many in (False, True):
            try:
                made[f"{name}, {many}"] = tf.train.maybe_batch([tf.constant([1, 2])], keep, 2, enqueue_many=many)
            except (TypeError, ValueError):
                made[f"{name}, {many}"] = None
    coord = tf.train.Coordinator()
    with session(tf) as sess:
        threads = tf.train.start_queue_runners(sess, coord)
        found = {name: "refused" if batch is None else sess.run(batch) for name, batch in made.items()}
        coord.request_stop()
        coord.join(threads, stop_grace_period_secs=20)
    return found


def static_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    x, part, any_ = (tf.placeholder(tf.float32, it) for it in ([2, 3, 4], [None, 3, None], None))
    one, vector = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [None])
    perm, two = tf.constant([2, 0, 1]), tf.placeholder(tf.int32, [2])
    builds = {
        "transpose": lambda it: tf.transpose(it, perm),
        "transpose, reversed": lambda it: tf.transpose(it),
        "transpose, unknown": lambda it: tf.transpose(it, vector),
        "slice": lambda it: tf.slice(it, tf.constant([0, 1, 0]), tf.constant([1, -1, 2])),
        "slice, unknown size": lambda it: tf.slice(it, [0, 1, 0], tf.stack([1, one, -1])),
        "slice, unknown begin": lambda it: tf.slice(it, tf.stack([one, 1, 0]), [1, -1, -1]),
        "strided": lambda it: it[1:, ::2, None],
        "strided, unknown": lambda it: it[one:, one],
        "concat": lambda it: tf.concat([it, it], 1),
        "concat, unknown": lambda it: tf.concat([it, it], one),
        "gather": lambda it: tf.gather(it, [0, 1], axis=1),
        "gather, unknown": lambda it: tf.gather(it, vector, axis=2),
        "gather, unknown axis": lambda it: tf.gather(it, vector, axis=one),
        "cumsum": lambda it: tf.cumsum(it, one),
        "sum": lambda it: tf.reduce_sum(it, 1),
        "sum, unknown": lambda it: tf.reduce_sum(it, one),
        "sum, unknown, kept": lambda it: tf.reduce_sum(it, one, keepdims=True),
        "sum, unknown several": lambda it: tf.reduce_sum(it, two),
        "sum of nothing": lambda it: tf.reduce_sum(it, []),
        "max, kept": lambda it: tf.reduce_max(it, [0, -1], keepdims=True),
        "argmax": lambda it: tf.argmax(it, 1),
        "argmax, unknown": lambda it: tf.argmax(it, one),
        "expand_dims": lambda it: tf.expand_dims(it, -1),
        "expand_dims, unknown": lambda it: tf.expand_dims(it, one),
        "squeeze": lambda it: tf.squeeze(tf.expand_dims(it, 1)),
        "squeeze 1": lambda it: tf.squeeze(tf.expand_dims(it, 1), [1]),
        "stack": lambda it: tf.stack([it, it], -1),
        "unstack": lambda it: tf.unstack(it, axis=1)[0],
        "split": lambda it: tf.split(it, 3, 1)[0],
        "split, unknown": lambda it: tf.split(it, 3, one)[0],
        "split, sizes": lambda it: tf.split(it, [1, 2], 1)[1],
        "split, rest": lambda it: tf.split(it, [1, -1], 1)[1],
        "tile": lambda it: tf.tile(it, [2, 1, 3]),
        "tile, unknown": lambda it: tf.tile(it, tf.stack([one, 1, 2])),
        "pad": lambda it: tf.pad(it, [[1, 0], [0, 0], [2, 2]]),
        "reshape": lambda it: tf.reshape(it, [-1, 2]),
        "reshape, unknown": lambda it: tf.reshape(it, tf.stack([one, 3])),
        "reshape, of a shape": lambda it: tf.reshape(it, tf.concat([tf.shape(it)[:1], [-1]], 0)),
        "reshape, unknown length": lambda it: tf.reshape(it, vector),
        "broadcast_to": lambda it: tf.broadcast_to(it, [5, 2, 3, 4]),
        "one_hot": lambda it: tf.one_hot(tf.cast(it, tf.int32), 5, axis=1),
        "one_hot, unknown": lambda it: tf.one_hot(tf.cast(it, tf.int32), one),
        "boolean_mask": lambda it: tf.boolean_mask(it, tf.placeholder(tf.bool, [None])),
        "boolean_mask, axis": lambda it: tf.boolean_mask(it, [True, False, True], axis=1),
        "where": lambda it: tf.where(it > 0),
        "where, three": lambda it: tf.where(it > 0, it, it),
        "matmul": lambda it: tf.matmul(it, it, transpose_b=True),
        "bias_add": lambda it: tf.nn.bias_add(it, tf.placeholder(tf.float32, [4])),
        "softmax": lambda it: tf.nn.softmax(it),
        "loss": lambda it: tf.nn.softmax_cross_entropy_with_logits_v2(labels=it, logits=it),
        "add": lambda it: it + tf.placeholder(tf.float32, [None, 1, 4]),
        "add a vector": lambda it: it + tf.placeholder(tf.float32, [4]),
        "add unknown": lambda it: it + any_,
        "add_n": lambda it: tf.add_n([it, x]),
        "cast": lambda it: tf.cast(it, tf.int32),
        "shape": lambda it: tf.shape(it),
        "size": lambda it: tf.size(it),
        "zeros_like": lambda it: tf.zeros_like(it),
        "fill": lambda it: tf.fill(tf.shape(it), 1.0),
        "zeros": lambda it: tf.zeros(tf.stack([tf.shape(it)[0], 7])),
        "random": lambda it: tf.random_uniform(tf.shape(it)),
        "range": lambda it: tf.range(tf.shape(it)[1]),
        "identity": lambda it: tf.identity(it),
        "select a vector": lambda it: tf.where(tf.placeholder(tf.bool, [None]), it, it),
        "py_func": lambda it: tf.py_func(lambda a: a, [it], tf.float32),
        "l2_loss": lambda it: tf.nn.l2_loss(it),
        "count_nonzero": lambda it: tf.count_nonzero(it, 1),
        "logsumexp": lambda it: tf.reduce_logsumexp(it, 1),
        "dropout": lambda it: tf.nn.dropout(it, 0.5),
        "gradient": lambda it: tf.gradients(tf.reduce_sum(it * it, 1), it)[0],
        "clip_by_norm": lambda it: tf.clip_by_norm(it, 1.0),
        "clip_by_value": lambda it: tf.clip_by_value(it, 0.0, 1.0),
        "placeholder_with_default": lambda it: tf.placeholder_with_default(it, [None, None, 4]),
    }
    found: dict[str, Any] = {}
    for name, build in builds.items():
        found[name] = [_static(lambda it=it, build=build: build(it)) for it in (x, part, any_)]
    return found


def slices_of_unknown_number(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(np.arange(24.0).reshape(2, 3, 4))
    cases: dict[str, Any] = {
        "one": (([0], [1], None), {}),
        "two": (([0, 1], [2, 3], [1, 1]), {}),
        "backwards": (([1, 2], [0, 0], [-1, -2]), {}),
        "shrunk": (([1, 1, 1], [2, 2, 2], None), {"shrink_axis_mask": 7}),
        "new axis": (([1, 1, 1], [2, 2, 2], None), {"shrink_axis_mask": 1, "new_axis_mask": 2}),
        "ellipsis": (([1, 0, 1], [2, 0, 3], None), {"ellipsis_mask": 2}),
        "open": (([1, 1], [0, 0], None), {"begin_mask": 1, "end_mask": 2}),
        "none": (([], [], None), {}),
        "too many": (([0] * 4, [1] * 4, None), {}),
        "uneven": (([0, 0], [1], None), {}),
        "no step": (([0], [1], [0]), {}),
        "outside": (([5], [6], None), {"shrink_axis_mask": 1}),
        "scalar": ((0, 1, 1), {}),
    }
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name, (bounds, masks) in cases.items():
            inputs = [tf.placeholder(tf.int32) if it is not None else None for it in bounds]
            feeds = {it: np.array(bound, np.int32) for it, bound in zip(inputs, bounds, strict=True) if it is not None}

            def build(inputs: Any = inputs, masks: Any = masks) -> Any:
                y = tf.strided_slice(x, *inputs, **masks)
                return [y, tf.gradients(y * y, x)[0]]

            found[name] = outcome(sess, build, feeds)
    return found


def masks_along_axes(tf: Any, folder: Path) -> dict[str, Any]:
    x, unknown = tf.constant(np.arange(24).reshape(2, 3, 4)), tf.placeholder(tf.int64)
    place = tf.placeholder_with_default(1, [])
    builds: dict[str, Any] = {}
    for name, it in (("known", x), ("unknown", unknown)):
        builds |= {
            f"{name} 0": lambda it=it: tf.boolean_mask(it, [True, False], axis=0),
            f"{name} 1": lambda it=it: tf.boolean_mask(it, [True, False, True], axis=1),
            f"{name} 2": lambda it=it: tf.boolean_mask(it, [True, False, False, True], axis=2),
            f"{name} two axes": lambda it=it: tf.boolean_mask(it, [[True, False, True], [False] * 3]),
            f"{name} two axes from 1": lambda it=it: tf.boolean_mask(it, [[True, False] * 2] * 3, axis=1),
            f"{name} numbers": lambda it=it: tf.boolean_mask(it, [1, 0, 1], axis=1),
            f"{name} constant axis": lambda it=it: tf.boolean_mask(it, [True, False, True], axis=tf.constant(1)),
        }
    builds |= {
        "of another size": lambda: tf.boolean_mask(x, [True, False], axis=1),
        "no such axis": lambda: tf.boolean_mask(x, [True, False], axis=3),
        "scalar": lambda: tf.boolean_mask(x, True, axis=1),
    }
    with session(tf) as sess:
        tensor_axis = sess.run(tf.boolean_mask(x, [True, False, True], axis=place))
        found = outcomes(sess, builds, {unknown: np.arange(24).reshape(2, 3, 4)})
    return found | {"tensor axis": tensor_axis}


def vectors_of_one_number(tf: Any, folder: Path) -> dict[str, Any]:
    """In place of a scalar, where only the run shows it."""
    n, f = tf.placeholder(tf.int32), tf.placeholder(tf.float32)
    x, queue = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), tf.FIFOQueue(9, [tf.int32], [[]])
    builds = {
        "fill": lambda: tf.fill([2], f),
        "range": lambda: [tf.range(n), tf.range(n, 5), tf.range(0, 5, n)],
        "one_hot": lambda: tf.one_hot([0], n),
        "concat": lambda: tf.concat([x, x], n),
        "split": lambda: tf.split(x, [1, 2], n)[1] + 0,
        "split evenly": lambda: tf.split(x, 3, n)[0],
        "expand_dims": lambda: tf.expand_dims(x, n) + 0,
        "argmax": lambda: tf.argmax(x, n),
        "cumsum": lambda: tf.cumsum(x, n),
        "gather": lambda: tf.gather(x, [0], axis=n),
        "sum": lambda: tf.reduce_sum(x, n),
        "in_top_k": lambda: tf.nn.in_top_k(x, [0, 1], n),
        "dequeue_many": lambda: queue.dequeue_many(n),
        "dequeue_up_to": lambda: queue.dequeue_up_to(n),
        "assert": lambda: tf.Assert(tf.cast(n, tf.bool), ["a"]),
        "reshape": lambda: tf.reshape(x[0], n + 2),
    }
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        return {
            name: {key: it for key, it in found.items() if key != "static"}
            for name, build in builds.items()
            for found in [outcome(sess, build, {n: [1], f: [1.0]})]
        }


def scalars_as_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([1.0, 2.0, 3.0])
    builds: dict[str, Any] = {}
    for name, n in {"constant": tf.constant(3), "tensor": tf.placeholder_with_default(3, [])}.items():
        builds |= {
            f"reshape, {name}": lambda n=n: tf.reshape(x, n),
            f"tile, {name}": lambda n=n: tf.tile(x, n),
            f"transpose, {name}": lambda n=n: tf.transpose(x, n),
            f"broadcast_to, {name}": lambda n=n: tf.broadcast_to(x, n),
            f"random_uniform, {name}": lambda n=n: tf.random_uniform(n),
            f"zeros, {name}": lambda n=n: tf.zeros(n),
            f"ones, {name}": lambda n=n: tf.ones(n, tf.int64),
        }
    with session(tf) as sess:
        return outcomes(sess, builds)


def means_of_integers(tf: Any, folder: Path) -> dict[str, Any]:
    """Sums that do not fit the dtype."""
    found = {}
    with session(tf) as sess:
        for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
            most, least = np.iinfo(name).max, np.iinfo(name).min
            x = tf.constant(np.array([[most, most], [most - 2, most], [most, least]], name))
            found[name] = sess.run([tf.reduce_mean(x), tf.reduce_mean(x, 0), tf.reduce_mean(x, 1, keepdims=True)])
    return found


def empty_reshapes(tf: Any, folder: Path) -> dict[str, Any]:
    """What -1 is where there are no values."""
    cases = [
        ((0, 2, 3), [0, -1]),
        ((0, 2, 3), [-1, 6]),
        ((0, 2, 3), [-1, 0]),
        ((3, 0), [-1, 0]),
        ((0,), [0, -1]),
        ((0,), [-1, 0, 2]),
        ((0,), [0, 3, -1]),
        ((0, 3), [0, -1, 5]),
        ((0, 4), [-1, 3]),
        ((2, 3), [0, -1]),
    ]
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for given, sizes in cases:
            x, late = tf.placeholder(tf.float32, [None] * len(given)), tf.placeholder(tf.int32, [len(sizes)])
            feeds = {x: np.zeros(given, np.float32), late: sizes}
            for name, y in (("known", tf.reshape(x, sizes)), ("late", tf.reshape(x, late))):
                key = f"{given} to {sizes}, {name}"
                try:
                    found[key] = [shape(y), list(sess.run(y, feeds).shape)]
                except tf.errors.InvalidArgumentError:
                    found[key] = [shape(y), "InvalidArgumentError"]
    return found


def axes_as_tensors(tf: Any, folder: Path) -> dict[str, Any]:
    """Every function with an axis, with axes that are constants, or known to the run alone; and wrong ones."""
    x = tf.constant(np.arange(1.0, 25.0, dtype=np.float32).reshape(2, 3, 4))
    functions: dict[str, Any] = {
        "sum": lambda a: tf.reduce_sum(x, a),
        "mean, kept": lambda a: tf.reduce_mean(x, a, keepdims=True),
        "prod": lambda a: tf.reduce_prod(x, a),
        "max": lambda a: tf.reduce_max(x, a),
        "min": lambda a: tf.reduce_min(x, a),
        "all": lambda a: tf.reduce_all(x > 3, a),
        "any": lambda a: tf.reduce_any(x > 23, a),
        "logsumexp": lambda a: tf.reduce_logsumexp(x, a),
        "count_nonzero": lambda a: tf.count_nonzero(x, a),
        "argmax": lambda a: tf.argmax(x, a),
        "argmin": lambda a: tf.argmin(x, a, output_type=tf.int32),
        "expand_dims": lambda a: tf.expand_dims(x, a) + 0,
        "concat": lambda a: tf.concat([x, x], a),
        "split": lambda a: tf.split(x, 1, a),
        "gather": lambda a: tf.gather(x, [1, 0], axis=a),
        "cumsum": lambda a: tf.cumsum(x, a, reverse=True),
        "gradient of sum": lambda a: tf.gradients(tf.reduce_sum(x, a) ** 2, x)[0],
        "gradient of max": lambda a: tf.gradients(tf.reduce_max(x, a) ** 2, x)[0],
        "gradient of prod": lambda a: tf.gradients(tf.reduce_prod(x, a), x)[0],
        "gradient of gather": lambda a: tf.convert_to_tensor(tf.gradients(tf.gather(x, [1, 1], axis=a) ** 2, x)[0]),
        "gradient of concat": lambda a: tf.gradients(tf.concat([x, x * 2], a) ** 2, x)[0],
        "gradient of cumsum": lambda a: tf.gradients(tf.cumsum(x, a) ** 2, x)[0],
    }
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for axis in (0, -1, 1, 3):
            late = tf.placeholder_with_default(np.int32(axis), [])
            for kind, place in {"number": axis, "constant": tf.constant(axis), "late": late}.items():
                builds = {name: lambda f=function, a=place: f(a) for name, function in functions.items()}
                if axis == 3:  # there is none
                    builds = {name: it for name, it in builds.items() if not name.startswith(("gradient", "split"))}
                got = outcomes(sess, builds)
                found[f"{axis}, {kind}"] = {key: _without_static(it, kind) for key, it in got.items()}
    return found


def _without_static(found: Any, kind: str) -> Any:
    """The outcome; what is known of the shape before a run, only where the axis is."""
    if isinstance(found, str):
        return "refused"
    return (
        {key: it for key, it in found.items() if key != "static" or kind != "late"} if "run" not in found else "refused"
    )


def complex_gradients(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    for dtype in COMPLEX:
        z, w = tf.constant([1 + 2j, 3 - 1j, -2j], dtype), tf.constant([2 - 1j, 1j, 1 + 1j], dtype)
        m = tf.constant([[1 + 2j, 3 - 1j], [-2j, 1]], dtype)
        scalar = tf.constant(2 - 3j, dtype)
        functions: dict[str, Any] = {
            "add": lambda z=z, w=w: z + w * 2,
            "multiply": lambda z=z, w=w: z * w,
            "multiply by a scalar": lambda z=z, s=scalar: z * s,
            "divide": lambda z=z, w=w: z / w,
            "divide into": lambda z=z, w=w: w / z,
            "square": lambda z=z: tf.square(z),
            "squared_difference": lambda z=z, w=w: tf.squared_difference(z, w),
            "pow": lambda z=z, w=w: tf.pow(z, w),
            "pow into": lambda z=z, w=w: tf.pow(w, z),
            "exp": lambda z=z: tf.exp(z),
            "expm1": lambda z=z: tf.expm1(z),
            "log": lambda z=z: tf.log(z),
            "log1p": lambda z=z: tf.log1p(z),
            "sqrt": lambda z=z: tf.sqrt(z),
            "rsqrt": lambda z=z: tf.rsqrt(z),
            "reciprocal": lambda z=z: tf.reciprocal(z),
            "tanh": lambda z=z: tf.tanh(z),
            "sigmoid": lambda z=z: tf.sigmoid(z),
            "sin": lambda z=z: tf.sin(z),
            "cos": lambda z=z: tf.cos(z),
            "negative": lambda z=z: -z,
            "conj": lambda z=z: tf.conj(z),
            "sign": lambda z=z: tf.sign(z),
            "sum": lambda z=z: tf.reduce_sum(z),
            "mean": lambda z=z: tf.reduce_mean(z),
            "prod": lambda z=z: tf.reduce_prod(z),
            "cumsum": lambda z=z: tf.cumsum(z, reverse=True),
            "add_n": lambda z=z, w=w: tf.add_n([z, w, z]),
            "matmul": lambda z=z, m=m: tf.matmul(m, tf.stack([z, z * 2])),
            "matmul, transposed": lambda z=z, m=m: tf.matmul(tf.stack([z, z * 2]), m, transpose_a=True),
            "matmul, adjoint": lambda z=z, m=m: tf.matmul(tf.stack([z, z * 2]), m, adjoint_a=True),
            "matmul, second adjoint": lambda z=z: tf.matmul(z[None], tf.stack([z, z * 2]), adjoint_b=True),
            "gather": lambda z=z: tf.gather(z, [0, 2, 0]) ** 2,
            "tile": lambda z=z: tf.tile(z, [2]) ** 2,
            "pad": lambda z=z: tf.pad(z, [[1, 1]]) ** 2,
            "slice": lambda z=z: z[1:] ** 2,
            "concat": lambda z=z: tf.concat([z, z * 1j], 0),
            "stack": lambda z=z: tf.stack([z, z * z]),
            "split": lambda z=z: tf.split(z, 3)[1] ** 2,
            "transpose": lambda z=z: tf.transpose(z[None]) ** 2,
            "reshape": lambda z=z: tf.reshape(z, [3, 1]) ** 2,
            "where": lambda z=z, w=w: tf.where([True, False, True], z * 2, w),
            "broadcast_to": lambda z=z: tf.broadcast_to(z, [2, 3]) ** 2,
            "stop": lambda z=z: z * tf.stop_gradient(z),
            "bias_add": lambda z=z: tf.square(tf.nn.bias_add(z[None], z)),
            "cast": lambda z=z: tf.cast(tf.cast(z, tf.float32), z.dtype) * z,
        }
        builds: dict[str, Any] = {}
        for name, function in functions.items():

            def build(function: Any = function, z: Any = z, w: Any = w) -> Any:
                y = function()
                dy = tf.fill(tf.shape(y), tf.constant(2 + 1j, z.dtype))
                return [y, *(tf.convert_to_tensor(it) for it in tf.gradients(y, [z, w], grad_ys=dy) if it is not None)]

            builds[name] = build
        builds["abs"] = lambda z=z: [tf.abs(z), tf.gradients(tf.abs(z), z)[0]]
        builds["second"] = lambda z=z, s=scalar: _second(tf, z * z * z * s, z)
        with session(tf) as sess:
            found[dtype] = outcomes(sess, builds)
    return found


def _second(tf: Any, y: Any, x: Any) -> Any:
    one = tf.ones_like(x)
    return tf.gradients(tf.gradients(y, x, grad_ys=one)[0], x, grad_ys=one)[0]


def second_gradients_of_products(tf: Any, folder: Path) -> dict[str, Any]:
    builds = {}
    for name, value in {"vector": [2.0, 3.0, 4.0], "matrix": [[1.0, 2.0], [3.0, -4.0]]}.items():
        for axis in (0, -1):

            def build(value: Any = value, axis: int = axis) -> Any:
                x = tf.constant(value)
                first = tf.gradients(tf.reduce_prod(x, axis), x)[0]
                second = tf.gradients(first * x, x)[0]
                return [first, second, tf.gradients(second, x)[0]]

            builds[f"{name} {axis}"] = build
    with session(tf) as sess:
        return outcomes(sess, builds)


def _static(build: Any) -> Any:
    try:
        return shape(build())
    except Exception as error:
        return type(error).__name__ if isinstance(error, NotImplementedError) else "error"


def values_beside_tensors(tf: Any, folder: Path) -> dict[str, Any]:
    """Which values take the dtype of a tensor beside them, and which keep their own."""
    x, f = tf.constant([2, 4]), tf.constant([2.0, 4.0])
    binary = ["add", "subtract", "multiply", "pow", "floordiv", "mod", "truediv", "squared_difference", "maximum"]
    functions: dict[str, Any] = {name: getattr(tf, name) for name in [*binary, "minimum", "equal", "less"]}
    functions |= {
        "where": lambda x, y: tf.where([True, False], x, y),
        "add_n": lambda x, y: tf.add_n([x, y]),
        "stack": lambda x, y: tf.stack([x, y]),
        "concat": lambda x, y: tf.concat([x, y], 0),
        "+": lambda x, y: x + y,
        "*": lambda x, y: x * y,
        "//": lambda x, y: x // y,
    }
    values = [[1, 2], [0.5, 1.5], np.array([0.5, 1.5]), np.array([1, 2]), np.array([1, 2], np.float32)]
    builds = {
        f"{name} {place} {t.dtype.name} {i}": (lambda function=function, pair=pair: function(*pair))
        for name, function in functions.items()
        for i, value in enumerate(values)
        for t in (x, f)
        for place, pair in {"left": (value, t), "right": (t, value)}.items()
        if name not in "+*//" or not isinstance(value, list)
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def what_operations_take(tf: Any, folder: Path) -> dict[str, Any]:
    """Axes, lists of tensors, labels, norms, indices and bits."""
    x, one, ints = tf.constant([[1.0, 2.0], [3.0, 5.0]]), tf.constant(1), tf.constant([3, 5])
    fed, axis = tf.placeholder_with_default(3, None), tf.placeholder_with_default(0, [])
    sparse = tf.SparseTensor([[0, 1]], [1.5], [2, 3])
    loss = tf.nn.softmax_cross_entropy_with_logits_v2
    builds = {
        "cumsum": lambda: tf.cumsum(x, True),
        "concat": lambda: tf.concat([x, x], np.float32(1)),
        "cumsum, float": lambda: tf.cumsum(x, 1.0),
        "one_hot": lambda: [tf.one_hot([0, 1], 3, axis=axis) for axis in (True, 1.0)],
        "softmax": lambda: tf.nn.softmax(x, True),
        "softmax of a run": lambda: [tf.nn.softmax(x, axis), tf.nn.log_softmax(x, axis)],
        "fill": lambda: tf.fill(fed, 1.0),
        "list": lambda: tf.convert_to_tensor([one, 2], tf.float32),
        "list of two": lambda: tf.convert_to_tensor([one, tf.constant(2.0)]),
        "list of text": lambda: tf.convert_to_tensor([tf.constant("a"), "b"], tf.float32),
        "stack": lambda: [tf.stack([1, 2.0]), tf.stack([np.int32(1), np.float64(2.5)])],
        "stack of arrays": lambda: tf.stack([np.array([1]), np.array([2.5])]),
        "concat of lists": lambda: tf.concat([[2.0], [1]], 0),
        "labels": lambda: [loss(labels=it, logits=x) for it in (tf.constant([[0, 1]]), np.array([0.0, 1.0]))],
        "sigmoid": lambda: tf.nn.sigmoid_cross_entropy_with_logits(labels=np.array([[0, 1], [1, 0]]), logits=x),
        "clip_by_norm": lambda: tf.clip_by_norm(tf.cast(x, tf.float64), tf.constant(1)),
        "index": lambda: [x[[0, 1]], x[[0]], x[[..., 0]]],
        "bits": lambda: [ints & 1, 6 | ints, ints ^ 6, ~ints, True & tf.constant([True])],
        "bits of floats": lambda: x & 1,
        "sparse": lambda: [tf.shape(sparse), tf.size(sparse), tf.rank(sparse), tf.zeros_like(sparse)],
        "relu": lambda: tf.gradients(tf.gradients(tf.nn.relu(x), x)[0], x)[0],
        "grad_ys": lambda: tf.gradients(tf.square(x), x, grad_ys=2.0)[0],
        "grad_ys, bool": lambda: tf.gradients(tf.square(x), x, grad_ys=True),
        "reflect": lambda: tf.gradients(tf.square(tf.pad(x, [[1, 1], [1, 0]], "REFLECT")), x)[0],
        "symmetric": lambda: tf.gradients(tf.square(tf.pad(x, [[2, 1], [0, 2]], "SYMMETRIC")), x)[0],
        "range": lambda: tf.range(0.0, INF),
        "folded": lambda: tf.zeros([one // tf.constant(0)]),
        "Assert": lambda: tf.Assert("a", ["shown"]),
        "Assert of nothing": lambda: tf.Assert(True, []),
        "conj": lambda: tf.conj(tf.constant(True)),
        "random_uniform": lambda: tf.random_uniform([2], dtype=tf.bool),
        "assign_add": lambda: tf.assign_add(tf.Variable(True), True),
        "key": lambda: tf.parse_example(["a"], {1: tf.FixedLenFeature([], tf.int64)}),
        "feature": lambda: tf.parse_example(["a"], {"a": tf.FixedLenFeature([], tf.int32)}),
    }
    with session(tf) as sess:
        return outcomes(sess, builds)


def large_integers(tf: Any, folder: Path) -> dict[str, Any]:
    """Among other numbers, as objects."""
    values = {
        "floats": np.array([2**53 + 1, 2.0], object),
        "decimals": np.array([Decimal(2**53 + 1)], object),
        "unsigned": np.array([2**64 - 1, 1], object),
        "too large": np.array([2**70], object),
        "infinite": np.array([INF], object),
    }
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for dtype in ("int64", "uint64"):
            p = tf.placeholder(dtype)
            for name, value in values.items():
                fed = outcome(sess, lambda p=p: tf.identity(p), {p: value})
                made = outcome(sess, lambda value=value, dtype=dtype: tf.constant(value, dtype))
                found[f"{dtype} {name}"] = [refusals(fed), refusals(made)]
    return found

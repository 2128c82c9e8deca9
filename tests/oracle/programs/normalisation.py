"""Normalisation, activations and small layers of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.programs.convolutions import _numbers, _with_gradients
from tests.oracle.tools import kind_of_error, session, shape


def activations(tf: Any, folder: Path) -> dict[str, Any]:
    x = np.linspace(-7.9, 8.1, 33).reshape(3, 11)
    functions = {
        "relu6": tf.nn.relu6,
        "elu": tf.nn.elu,
        "selu": tf.nn.selu,
        "softsign": tf.nn.softsign,
        "leaky_relu": tf.nn.leaky_relu,
        "leaky_relu, slope": lambda x: tf.nn.leaky_relu(x, 0.01, name="leaky"),
        "crelu": tf.nn.crelu,
        "crelu, axis": lambda x: tf.nn.crelu(x, axis=0),
    }
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name, function in functions.items():
            inputs = tf.constant(x)
            y = function(inputs)
            dx = tf.gradients(y, inputs, tf.cos(y))[0]
            found[name] = [*sess.run([y, dx]), shape(y), y.op.name, y.op.type]
            if "softsign" not in name:
                found[f"{name} again"] = sess.run(tf.gradients(dx, inputs))
        swish = tf.nn.swish(tf.constant(x))
        whole = tf.constant(np.arange(-8, 8, dtype=np.int32))
        found["swish"] = sess.run([swish, tf.nn.silu(tf.constant(x))])
        found["integers"] = sess.run([tf.nn.relu6(whole), tf.nn.leaky_relu(whole)])
    return found


def neighbours(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_numbers(2, 3, 4, 7).astype(np.float32))
    found = {}
    with session(tf) as sess:
        for radius in (0, 2, 9):
            function = tf.nn.lrn if radius else tf.nn.local_response_normalization
            y = function(x, radius, 1.5, 0.3, 0.6)
            dx = tf.gradients(y, x, tf.cos(y))
            found[str(radius)] = [*sess.run([y, dx]), shape(y), y.op.name, y.op.type]
    return found


def moments(tf: Any, folder: Path) -> dict[str, Any]:
    x, weights = _numbers(2, 3, 4, 5), np.abs(_numbers(2, 3, 1, 1, seed=1))
    half = tf.constant(x.astype(np.float16))
    part = tf.placeholder(tf.float64, [None, 3, None, 5])
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for axes in ([0], [0, 1, 2], [1, -1]):
            for keep in (False, True):
                mean, variance = tf.nn.moments(tf.constant(x), axes, keep_dims=keep)
                weighted = tf.nn.weighted_moments(tf.constant(x), axes, weights, keep_dims=keep)
                found[f"{axes} {keep}"] = [*sess.run([mean, variance, *weighted]), shape(mean), mean.op.type]
        sums = tf.nn.sufficient_statistics(tf.constant(x), [0, 2], shift=np.array(0.5))
        again = tf.nn.normalize_moments(*sums[:3], sums[3])
        late = tf.nn.sufficient_statistics(part, [0, 2])
        found["sums"] = [*sess.run([*sums, *again]), [shape(it) for it in sums]]
        found["late"] = [sess.run(list(late[:3]), {part: x}), [shape(it) for it in late[:3]], late[3] is None]
        found["half"] = sess.run(list(tf.nn.moments(half, [0, 1])))
        found["gradient"] = sess.run(tf.gradients(tf.nn.moments(part, [0, 1])[1], part), {part: x})
    return found


def batches(tf: Any, folder: Path) -> dict[str, Any]:
    x, mean, variance = _numbers(2, 3, 4, 5), _numbers(5, seed=1), np.abs(_numbers(5, seed=2)) + 0.1
    offset, scale = _numbers(5, seed=3), _numbers(5, seed=4)
    found = {}
    for name, shift, factor in (("both", 1, 1), ("offset", 1, 0), ("scale", 0, 1), ("none", 0, 0)):

        def build(x: Any, m: Any, v: Any, o: Any, s: Any, shift: int = shift, factor: int = factor) -> Any:
            y = tf.nn.batch_normalization(x, m, v, o if shift else None, s if factor else None, 0.01)
            return y if shift and factor else y + 0 * (tf.reduce_sum(o) + tf.reduce_sum(s))

        found[name] = _with_gradients(tf, build, x, mean, variance, offset, scale)
        del found[name]["type"]  # AddV2, of which this is none
    with session(tf) as sess:
        old = tf.nn.batch_norm_with_global_normalization(x, mean, variance, offset, scale, 0.01, True)
        found["old"] = {"y": sess.run(old)}
    return found


def fused(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_numbers(3, 4, 5, 2).astype(np.float32))
    scale, offset, mean = (tf.constant(_numbers(2, seed=i).astype(np.float32)) for i in (1, 2, 3))
    variance = tf.constant(np.abs(_numbers(2, seed=4)).astype(np.float32))
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for training in (True, False):
            given = {} if training else {"mean": mean, "variance": variance}
            y, m, v = tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.01, is_training=training, **given)
            first = tf.gradients(y, [x, scale, offset], tf.cos(y))
            found[str(training)] = [*sess.run([y, m, v, first]), [shape(it) for it in (y, m, v)], y.op.type]
        found["names"] = [tf.nn.fused_batch_norm(x, scale, offset, name="norm")[0].op.name]
    return found


def layers(tf: Any, folder: Path) -> dict[str, Any]:
    x, w, b = (tf.constant(_numbers(*sizes)) for sizes in ((3, 4), (4, 2), (2,)))
    image, biases = tf.constant(_numbers(2, 3, 4, 5)), tf.constant(_numbers(3))
    plus, with_relu = tf.nn.xw_plus_b(x, w, b), tf.nn.relu_layer(x, w, b, name="layer")
    zeros = tf.nn.zero_fraction(tf.constant([0, 1, 0, 0]))
    with session(tf) as sess:
        values = sess.run([plus, with_relu, zeros])
    gradient = tf.gradients(
        tf.nn.bias_add(image, tf.constant(_numbers(5))), image.graph.get_tensor_by_name("Const_4:0")
    )
    return {
        "values": values,
        "names": [plus.op.name, plus.op.type, with_relu.op.name, zeros.op.name],
        "gradient": gradient == [None],
        "biases": [shape(biases), kind_of_error(lambda: tf.nn.bias_add(image, biases))],
        "format": kind_of_error(lambda: tf.nn.bias_add(image, biases, data_format="FOO")),
    }


def dropouts_that_cannot_be(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.ones([4, 3])
    wrong = {
        "negative": {"keep_prob": -1.0},
        "large": {"keep_prob": 1.1},
        "list": {"keep_prob": [0.0, 1.0]},
        "vector": {"keep_prob": tf.placeholder(tf.float32, [2])},
        "rate": {"rate": 1.1},
        "rates": {"rate": [0.0, 1.0]},
        "shape": {"keep_prob": 0.5, "noise_shape": [4, 5]},
        "longer": {"keep_prob": 0.5, "noise_shape": [4, 3, 2]},
        "both": {"keep_prob": 0.5, "rate": 0.5},
        "neither": {},
    }
    found = {
        name: kind_of_error(lambda options=options: tf.nn.dropout(x, **options)) for name, options in wrong.items()
    }
    return found | {"integers": kind_of_error(lambda: tf.nn.dropout(tf.constant([1, 2]), 0.5))}

"""tf.gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, session, shape


def functions(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([0.5, 1.5, -2.0])
    positive = tf.constant([0.5, 1.5, 2.0])
    made = {
        "square": tf.square(x),
        "exp": tf.exp(x),
        "log": tf.log(positive),
        "sqrt": tf.sqrt(positive),
        "tanh": tf.tanh(x),
        "sigmoid": tf.sigmoid(x),
        "relu": tf.nn.relu(x),
        "abs": tf.abs(x),
        "sin": tf.sin(x),
        "cos": tf.cos(x),
        "reciprocal": 1 / x,
        "power": tf.pow(positive, 3.0),
        "softmax": tf.nn.softmax(x) * x,
        "mean": tf.reduce_mean(x * x),
        "max": tf.reduce_max(x),
        "prod": tf.reduce_prod(x),
        "minimum": tf.minimum(x, 0.7),
        "clip": tf.clip_by_value(x, -1.0, 1.0),
        "cumsum": tf.cumsum(x) * x,
        "negative": -x,
        "sign": tf.sign(x),
        "where": tf.where(x > 0, x * 2, x * 3),
        "reversed": x[::-1] * x,
        "slice": x[1:] * 4,
        "tile": tf.tile(x, [2]) ** 2,
    }
    with session(tf) as sess:
        found = {}
        for name, y in made.items():
            of = positive if name in ("log", "sqrt", "power") else x
            found[name] = sess.run(tf.gradients(y, of)[0])
        return found


def of_matrices(tf: Any, folder: Path) -> dict[str, Any]:
    a = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    b = tf.constant([[1.0, -1.0, 2.0], [0.5, 0.0, 1.0]])
    row = tf.constant([10.0, 20.0, 30.0])
    y = tf.matmul(a, b) + row
    with session(tf) as sess:
        return {
            "product": sess.run(tf.gradients(y * y, [a, b, row])),
            "transposed": sess.run(tf.gradients(tf.matmul(a, b, transpose_a=True, transpose_b=True), [a, b])),
            "reshaped": sess.run(tf.gradients(tf.reshape(a, [2, 3]) * b, [a, b])),
            "sums": sess.run(tf.gradients(tf.reduce_sum(a, 1) * tf.reduce_mean(a, [1]), a)),
            "concat": sess.run(tf.gradients(tf.concat([a, a * 2], 1) ** 2, a)),
            "stack": sess.run(tf.gradients(tf.stack([row, row * row], 1), row)),
            "gather": sess.run(tf.convert_to_tensor(tf.gradients(tf.gather(row, [0, 2, 0]) ** 2, row)[0])),
            "static": shape(tf.gradients(y, a)[0]),
        }


def arguments(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.constant(2.0), tf.constant(3.0)
    z, other = x * y, tf.constant(1.0)
    middle = x * x
    zero = tf.UnconnectedGradients.ZERO
    with session(tf) as sess:
        return {
            "two": sess.run(tf.gradients([z, x * 5], [x, y])),
            "grad_ys": sess.run(tf.gradients(z, [x, y], grad_ys=tf.constant(10.0))),
            "several grad_ys": sess.run(tf.gradients([z, middle], x, grad_ys=[tf.constant(10.0), tf.constant(100.0)])),
            "unconnected": tf.gradients(z, other),
            "as zero": sess.run(tf.gradients(z, [x, other], unconnected_gradients=zero)),
            "stop_gradients": sess.run(tf.gradients(middle * x, [x], stop_gradients=[middle])),
            "stop_gradient": sess.run(tf.gradients(tf.stop_gradient(middle) * x, x)),
            "to itself": sess.run(tf.gradients(z, z)),
            "through an intermediate": sess.run(tf.gradients(middle * y, middle)),
            "second": sess.run(tf.gradients(tf.gradients(x * x * x, x)[0], x)),
            "integers": tf.gradients(tf.constant(2) * 3, tf.constant(2)),
        }


def broadcasting(tf: Any, folder: Path) -> dict[str, Any]:
    a, b, c = tf.ones([2, 3]), tf.ones([3]) * 2, tf.constant(3.0)
    with session(tf) as sess:
        return {
            name: sess.run(tf.gradients(y, [a, b, c]))
            for name, y in {
                "add": a + b + c,
                "multiply": a * b * c,
                "divide": a / b / c,
                "subtract": a - b * c,
                "maximum": tf.maximum(a * c, b) * c,
                "squared_difference": tf.squared_difference(a * c, b),
            }.items()
        }


def constants(tf: Any, folder: Path) -> dict[str, Any]:
    """Operations that no gradient goes through, and integers and text as ys."""
    x, n, text = tf.constant([1.0, 2.0]), tf.constant([1, 2]), tf.constant("a")
    made = {
        "py_func": tf.py_func(lambda a: a, [x], tf.float32),
        "shuffle": tf.random_shuffle(x),
        "range": tf.range(tf.reduce_sum(x)),
        "assign": tf.assign(tf.Variable([0.0, 0.0], use_resource=False), x),
        "one_hot": tf.one_hot([0, 1], 2, on_value=x[0]),
        "argmax": tf.cast(tf.argmax(x), tf.float32),
        "equal": tf.cast(tf.equal(x, 1.0), tf.float32),
    }
    with session(tf) as sess:
        return {
            "alone": {name: tf.gradients(y, x) == [None] for name, y in made.items()},
            "beside": {name: sess.run(tf.gradients([x * 3, y], x)) for name, y in made.items()},
            "integers": sess.run(tf.gradients([n, x * 2], [n, x])),
            "integers, given": sess.run(tf.gradients(n, n, grad_ys=[tf.constant([5, 6])])),
            "integers on the way": tf.gradients(tf.identity(n), n) == [None],
            "text": error(lambda: tf.gradients([text, x], x)),
        }


def losses(tf: Any, folder: Path) -> dict[str, Any]:
    logits = tf.constant([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])
    labels = tf.constant([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
    made = {
        "softmax": tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits),
        "sparse": tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 2], logits=logits),
        "sigmoid": tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
        "l2": tf.nn.l2_loss(logits),
        "log_softmax": tf.nn.log_softmax(logits),
        "logsumexp": tf.reduce_logsumexp(logits, 1),
    }
    with session(tf) as sess:
        return {name: sess.run([y, tf.gradients(y, logits)[0]]) for name, y in made.items()}


def of_variables(tf: Any, folder: Path) -> dict[str, Any]:
    v, w = tf.Variable([1.0, 2.0]), tf.Variable(3.0)
    loss = tf.reduce_sum(v * v * w)
    clipped, norm = tf.clip_by_global_norm(tf.gradients(loss, [v, w]), 5.0)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {"gradients": sess.run(tf.gradients(loss, [v, w])), "clipped": sess.run(clipped), "norm": sess.run(norm)}


def wrong_gradients(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([1.0, 2.0])
    return {
        "shape": error(lambda: tf.gradients(x * 2, x, grad_ys=tf.ones([3])))["error"],
        "count": error(lambda: tf.gradients(x * 2, x, grad_ys=[x, x])),
        "no tensor": error(lambda: tf.gradients(x, "nonsense"))["error"] is not None,
    }


def own_gradients(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([1.0, 2.0], name="x")
    w = tf.get_variable("w", (), initializer=tf.constant_initializer(3.0), use_resource=True)

    @tf.custom_gradient
    def scaled(a: Any, b: Any) -> Any:
        def grad(da: Any, db: Any, variables: Any = None) -> Any:
            return [da * 10.0, db * 100.0], [tf.reduce_sum(da) * len(variables)]

        return {"a": a * w, "b": b * b}, grad

    found = scaled(x, x + 1.0)
    passed = tf.grad_pass_through(tf.round)(x * 1.5)
    again = tf.recompute_grad(lambda a: a * a * w)(x)
    with tf.get_default_graph().gradient_override_map({"Sign": "Identity"}):
        signs = tf.sign(x - 1.5)
    y = tf.multiply(x, 2.0, name="y")
    sums = {}
    for method in (tf.AggregationMethod.ADD_N, tf.AggregationMethod.EXPERIMENTAL_TREE):
        (sums[method],) = tf.gradients(y * y + y, y, aggregation_method=method, name=f"sums_{method}")
    gated = tf.gradients(tf.tanh(w * y), [w, y], gate_gradients=True, name="gated")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "own": sess.run([found, tf.gradients([found["a"], found["b"]], [x, w])]),
            "passed": sess.run([passed, tf.gradients(passed, x)[0]]),
            "again": sess.run([again, *tf.gradients(again, [x, w])]),
            "mapped": sess.run(tf.gradients(signs, x)[0]),
            "attribute": signs.op.get_attr("_gradient_op_type"),
            "sums": [(it.name, sess.run(it), it.op.colocation_groups()) for it in sums.values()],
            "gated": [(it.name, sess.run(it)) for it in gated[1:]],
            "hessian": sess.run(tf.hessians(tf.reduce_sum(x * x * x), x)),
            "errors": [error(lambda: scaled(x, b=x)), error(lambda: tf.RegisterGradient(3))],
        }

"""Learning rates that follow from the number of steps, and moving averages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, names, session

AT = [0, 1, 5, 9, 10, 11, 25, 60]


def schedules(tf: Any, folder: Path) -> dict[str, Any]:
    step = tf.placeholder(tf.int64, ())
    train = tf.train
    rates = {
        "exponential": train.exponential_decay(0.1, step, 10, 0.5),
        "exponential, stairs": train.exponential_decay(0.1, step, 10, 0.5, staircase=True),
        "natural": train.natural_exp_decay(0.1, step, 10, 0.5),
        "natural, stairs": train.natural_exp_decay(0.1, step, 10, 0.5, staircase=True),
        "inverse": train.inverse_time_decay(0.1, step, 10, 0.5),
        "inverse, stairs": train.inverse_time_decay(0.1, step, 10, 0.5, staircase=True),
        "pieces": train.piecewise_constant(step, [5, 10, 30], [1.0, 0.5, 0.25, 0.125]),
        "polynomial": train.polynomial_decay(0.1, step, 10, 0.01, power=2.0),
        "polynomial, cycle": train.polynomial_decay(0.1, step, 10, 0.01, power=0.5, cycle=True),
        "cosine": train.cosine_decay(0.1, step, 10, 0.2),
        "restarts": train.cosine_decay_restarts(0.1, step, 10, 2.0, 0.8, 0.1),
        "equal restarts": train.cosine_decay_restarts(0.1, step, 10, 1.0, 0.8),
        "linear cosine": train.linear_cosine_decay(0.1, step, 10, 1.0, 0.1, 0.01),
        "noisy": train.noisy_linear_cosine_decay(0.1, step, 10, initial_variance=0.0),
    }
    with session(tf) as sess:
        return {
            "rates": {name: [sess.run(it, {step: at}) for at in AT] for name, it in rates.items()},
            "dtypes": [it.dtype.name for it in rates.values()],
            "no step": [error(lambda f=f: f(0.1, None, 10, 0.5))["error"] for f in (train.exponential_decay,)],
            "boundaries": error(lambda: train.piecewise_constant(step, [1.5], [1.0, 2.0]), "same dtype"),
            "values": error(lambda: train.piecewise_constant(step, [1], [1.0, 2]), "same dtype"),
        }


def with_a_step_of_the_graph(tf: Any, folder: Path) -> dict[str, Any]:
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.1, step, 1, 0.5)
    v = tf.Variable(1.0)
    train = tf.train.GradientDescentOptimizer(rate).minimize(v * 1.0, global_step=step)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        found = [sess.run([train, rate, v])[1:] for _ in range(3)][-1][0]
        return {"rate": found, "value": sess.run(v), "step": tf.train.global_step(sess, step)}


def averages(tf: Any, folder: Path) -> dict[str, Any]:
    v, w = tf.Variable([10.0, 20.0], name="v"), tf.Variable(30.0, name="w")
    other = tf.Variable(5.0, name="other", trainable=False)
    x = tf.multiply(v, 2.0, name="x")
    found: dict[str, Any] = {}
    for name, options in (
        ("plain", {}),
        ("few", {"num_updates": 1}),
        ("debias", {"zero_debias": True}),
    ):
        average = tf.train.ExponentialMovingAverage(0.25, name=name, **options)
        before = average.average_name(v)
        update = average.apply([v, w, x])
        kept = [average.average(it) for it in (v, w, x)]
        with session(tf) as sess:
            sess.run(tf.global_variables_initializer())
            start = sess.run(kept)
            sess.run(v.assign([1.0, 2.0]))
            sess.run(update)
            once = sess.run(kept)
            sess.run(update)
            found[name] = {
                "values": [start, once, sess.run(kept)],
                "names": [before, *names(kept), update.name],
                "restore": sorted(average.variables_to_restore()),
                "none": average.average(other),
                "kept": [it.trainable for it in kept],
            }
    found["averaged"] = sorted(names(tf.moving_average_variables()))
    found["integers"] = error(lambda: tf.train.ExponentialMovingAverage(0.5).apply([tf.Variable(1)]))["error"]
    return found


def average_norm(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(np.array([[3.0, 0.0], [4.0, 0.0]], np.float32))
    with session(tf) as sess:
        return {"clipped": sess.run([tf.clip_by_average_norm(x, it) for it in (0.1, 1.0, 2.0)])}

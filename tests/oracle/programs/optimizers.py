"""Three steps of each optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, names, session


def _three_steps(tf: Any, optimizer: Any) -> dict[str, Any]:
    v, w = tf.Variable([1.0, -2.0], name="v"), tf.Variable(0.5, name="w")
    x = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    loss = tf.reduce_mean(tf.square(tf.reduce_sum(x * v, 1) + w - [1.0, 0.0, 2.0]))
    step = tf.train.get_or_create_global_step()
    train = optimizer.minimize(loss, global_step=step)
    steps = []
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(train)
            steps.append(sess.run([v, w, loss]))
        slots = {name: sess.run([optimizer.get_slot(it, name) for it in (v, w)]) for name in optimizer.get_slot_names()}
        return {"steps": steps, "global step": sess.run(step), "slots": slots, "name": optimizer.get_name()}


def gradient_descent(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.GradientDescentOptimizer(0.1))


def momentum(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9))


def nesterov(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True))


def adam(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.AdamOptimizer(0.1, beta1=0.8, beta2=0.99, epsilon=1e-4))


def adagrad(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.AdagradOptimizer(0.1, initial_accumulator_value=0.2))


def adagrad_da(tf: Any, folder: Path) -> dict[str, Any]:
    step = tf.train.get_or_create_global_step()
    return _three_steps(tf, tf.train.AdagradDAOptimizer(0.1, step))


def adadelta(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-6))


def rmsprop(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.RMSPropOptimizer(0.1, decay=0.8, momentum=0.5))


def centered_rmsprop(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.RMSPropOptimizer(0.1, decay=0.8, centered=True))


def ftrl(tf: Any, folder: Path) -> dict[str, Any]:
    optimizer = tf.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.1)
    return _three_steps(tf, optimizer)


def proximal_gradient_descent(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.ProximalGradientDescentOptimizer(0.1, 0.01, 0.1))


def proximal_adagrad(tf: Any, folder: Path) -> dict[str, Any]:
    return _three_steps(tf, tf.train.ProximalAdagradOptimizer(0.1, 0.1, 0.01, 0.1))


def in_two_calls(tf: Any, folder: Path) -> dict[str, Any]:
    v, w = tf.Variable([1.0, 2.0], name="v"), tf.Variable(3.0, name="w")
    unused = tf.Variable(1.0, name="unused")
    optimizer = tf.train.GradientDescentOptimizer(tf.constant(0.5))
    pairs = optimizer.compute_gradients(tf.reduce_sum(v * w), [v, w, unused])
    clipped = [(tf.clip_by_value(it, -1.0, 1.0) if it is not None else None, of) for it, of in pairs]
    train = optimizer.apply_gradients(clipped, name="mine")
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        gradients = sess.run([it for it, _ in pairs[:2]])
        sess.run(train)
        return {
            "gradients": gradients,
            "none": pairs[2][0],
            "variables": [it.name for _, it in pairs],
            "values": sess.run([v, w, unused]),
            "name": train.name,
        }


def a_scheduled_rate(tf: Any, folder: Path) -> dict[str, Any]:
    v, step = tf.Variable(1.0), tf.train.create_global_step()
    rate = tf.placeholder(tf.float32, ())
    train = tf.train.GradientDescentOptimizer(rate).minimize(v * 2, global_step=step)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for it in (0.1, 0.2, 0.3):
            sess.run(train, {rate: it})
        return {"value": sess.run(v), "step": sess.run(step), "global_step": tf.train.global_step(sess, step)}


def slots_and_names(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, 2.0], name="v")
    optimizers = [tf.train.MomentumOptimizer(0.1, 0.9), tf.train.AdamOptimizer(0.1)]
    for it in optimizers:
        it.minimize(tf.reduce_sum(v * v))
    return {
        "variables": sorted(names(tf.global_variables())),
        "slots": [it.get_slot_names() for it in optimizers],
        "slot": optimizers[0].get_slot(v, "momentum").name,
        "trainable": names(tf.trainable_variables()),
        "of the optimizer": [sorted(names(it.variables())) for it in optimizers],
    }


def wrong_uses(tf: Any, folder: Path) -> dict[str, Any]:
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    nothing = error(lambda: optimizer.minimize(tf.constant(1.0)))
    v, w = tf.Variable(1.0), tf.Variable(1)
    return {
        "no variables": nothing,
        "no gradients": error(lambda: optimizer.minimize(tf.constant(1.0)), "No gradients provided for any variable"),
        "integers": error(lambda: optimizer.minimize(w * 2, var_list=[w]))["error"],
        "nothing to apply": error(lambda: optimizer.apply_gradients([])),
        "not a variable": error(lambda: optimizer.minimize(v * 2, var_list=[tf.constant(1.0)]))["error"] is not None,
    }


def global_steps(tf: Any, folder: Path) -> dict[str, Any]:
    none = tf.train.get_global_step()
    step = tf.train.get_or_create_global_step()
    return {
        "none": none,
        "name": step.name,
        "dtype": step.dtype.base_dtype.name,
        "same": tf.train.get_global_step() is step and tf.train.get_or_create_global_step() is step,
        "again": error(tf.train.create_global_step),
        "collections": [step in tf.global_variables(), step in tf.trainable_variables()],
    }

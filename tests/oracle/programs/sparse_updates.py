"""Indexed slices as gradients: what they are, and a hundred steps of each optimizer with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, names, session

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(6, 3)).astype(np.float32)
STEPS = [RNG.integers(0, 6, size=4).astype(np.int32) for _ in range(100)]
TARGETS = RNG.normal(size=(6, 3)).astype(np.float32)


def _hundred_steps(tf: Any, make: Callable[[], Any], use_resource: bool = False) -> dict[str, Any]:
    """Rows that come several times, or not at all, in a step; beside them a variable with dense gradients."""
    w = tf.Variable(TABLE, name="w", use_resource=use_resource)
    v = tf.Variable([[0.5, -0.25, 1.0]], name="v")
    at = tf.placeholder(tf.int32, [None])
    difference = (tf.gather(w, at) - tf.gather(TARGETS, at)) * v
    loss = tf.reduce_sum(tf.square(difference)) * 0.1 + tf.reduce_sum(tf.square(v - 1.0))
    optimizer = make()
    step = tf.train.get_or_create_global_step()
    train = optimizer.minimize(loss, global_step=step)
    found = []
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for i, places in enumerate(STEPS):
            sess.run(train, {at: places})
            if i in (0, 1, 9, 99):
                found.append(sess.run([w, v]))
        slots = {name: sess.run([optimizer.get_slot(it, name) for it in (w, v)]) for name in optimizer.get_slot_names()}
        return {"values": found, "slots": slots, "names": sorted(names(optimizer.variables())), "step": sess.run(step)}


def gradient_descent(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.GradientDescentOptimizer(0.05))


def of_a_resource_variable(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.MomentumOptimizer(0.02, 0.9), use_resource=True)


def momentum(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.MomentumOptimizer(0.02, 0.9))


def nesterov(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.MomentumOptimizer(0.02, 0.8, use_nesterov=True))


def adam(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.AdamOptimizer(0.05))


def adagrad(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.AdagradOptimizer(0.1))


def adagrad_da(tf: Any, folder: Path) -> dict[str, Any]:
    def make() -> Any:
        step = tf.train.get_or_create_global_step()
        return tf.train.AdagradDAOptimizer(0.1, step, 0.2, 0.01, 0.001)

    return _hundred_steps(tf, make)


def adadelta(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-4))


def rmsprop(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.RMSPropOptimizer(0.01, 0.9, 0.5))


def centered_rmsprop(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.RMSPropOptimizer(0.01, 0.9, 0.5, 1e-3, centered=True))


def ftrl(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.FtrlOptimizer(0.1, -0.5, 0.1, 0.01, 0.02))


def ftrl_with_another_power(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.FtrlOptimizer(0.1, -0.7, 0.1, 0.01, 0.02, accum_name="acc"))


def ftrl_with_shrinkage(tf: Any, folder: Path) -> dict[str, Any]:
    optimizer = {"l1_regularization_strength": 0.01, "l2_shrinkage_regularization_strength": 0.05}
    return _hundred_steps(tf, lambda: tf.train.FtrlOptimizer(0.1, **optimizer))


def proximal_gradient_descent(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.ProximalGradientDescentOptimizer(0.05, 0.01, 0.02))


def proximal_adagrad(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.ProximalAdagradOptimizer(0.1, 0.1, 0.01, 0.02))


def tensors_as_hyperparameters(tf: Any, folder: Path) -> dict[str, Any]:
    return _hundred_steps(tf, lambda: tf.train.MomentumOptimizer(tf.constant(0.02, tf.float64), lambda: 0.9))


def rows_that_were_not_touched(tf: Any, folder: Path) -> dict[str, Any]:
    w, at = tf.Variable([1.0, 2.0]), tf.placeholder(tf.int32, [None])
    train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(tf.square(tf.gather(w, at))))
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        for places in ([0], [1]):
            sess.run(train, {at: places})
        return {"w": sess.run(w)}


def gradients(tf: Any, folder: Path) -> dict[str, Any]:
    w = tf.Variable(TABLE)
    at = tf.constant([[1, 2], [2, 5]])
    (slices,) = tf.gradients(tf.gather(w, at), w)
    (both,) = tf.gradients([tf.gather(w, at), tf.gather(w, [0])], w)
    (mixed,) = tf.gradients([tf.gather(w, at), w * 2.0], w)
    (inner,) = tf.gradients(tf.gather(w * 2.0, at), w)
    clipped, norm = tf.clip_by_global_norm([slices, None, mixed], 3.0)
    others = {"value": tf.clip_by_value(slices, -0.5, 0.5), "norm": tf.clip_by_norm(slices, 1.5)}
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        return {
            "slices": [
                isinstance(it, tf.IndexedSlices) for it in (slices, both, mixed, inner, clipped[0], *others.values())
            ],
            "values": [sess.run([it.values, it.indices, it.dense_shape]) for it in (slices, clipped[0])],
            "dense": sess.run(
                [
                    tf.convert_to_tensor(slices),
                    tf.convert_to_tensor(both),
                    mixed,
                    inner,
                    clipped[2],
                    norm,
                    tf.add_n([slices, w]),
                ]
            ),
            "fetched": type(sess.run(slices)).__name__,
            "others": {name: sess.run(it.values) for name, it in others.items()},
        }


def a_user_optimizer(tf: Any, folder: Path) -> dict[str, Any]:
    """The methods that a subclass may define and use."""
    base = tf.train.Optimizer
    calls = []

    class Mine(base):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__(False, "Mine")

        def _create_slots(self, var_list: Any) -> None:
            calls.append(["create", names(var_list)])
            for it in var_list:
                self._zeros_slot(it, "zeros", self._name)
                self._get_or_make_slot(it, tf.ones_like(it.initialized_value()), "ones", "one")
            self._create_non_slot_variable(2.0, "shared", var_list[0])

        def _prepare(self) -> None:
            calls.append("prepare")

        def _apply_dense(self, grad: Any, var: Any) -> Any:
            return var.assign_sub(grad * self._get_non_slot_variable("shared", var.op.graph))

        def _apply_sparse(self, grad: Any, var: Any) -> Any:
            calls.append("sparse")
            return tf.group(tf.scatter_sub(var, grad.indices, grad.values), self.get_slot(var, "ones").assign_add(grad))

        def _finish(self, update_ops: Any, name_scope: str) -> Any:
            calls.append(["finish", len(update_ops), name_scope])
            return super()._finish(update_ops, name_scope)

    w, v = tf.Variable([1.0, 2.0, 3.0], name="w"), tf.Variable([1.0], name="v")
    optimizer = Mine()
    train = optimizer.minimize(tf.reduce_sum(tf.gather(w, [0, 2, 0])) + v * v)
    with session(tf) as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        return {
            "calls": calls,
            "values": sess.run([w, v, optimizer.get_slot(w, "ones"), optimizer.get_slot(w, "zeros")]),
            "slots": optimizer.get_slot_names(),
            "names": sorted(names(optimizer.variables())),
            "no sparse rule": error(lambda: _only_dense(tf).minimize(tf.gather(w, 0)))["error"],
        }


def _only_dense(tf: Any) -> Any:
    class Dense(tf.train.Optimizer):  # type: ignore[misc,name-defined]
        def _apply_dense(self, grad: Any, var: Any) -> Any:
            return var.assign_sub(grad)

    return Dense(False, "Dense")


def a_constraint(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable([1.0, -2.0], constraint=lambda x: tf.clip_by_value(x, 0.0, 0.5), name="v")
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    train = optimizer.minimize(v * v)
    with session(tf) as sess:
        sess.run(v.initializer)
        sess.run(train)
        return {
            "v": sess.run(v),
            "sparse": error(lambda: optimizer.minimize(tf.gather(v, 0)), "constraint function on a sparse variable"),
        }


def below_a_variable_scope(tf: Any, folder: Path) -> dict[str, Any]:
    """Slots are named after the scope that the optimizer is in."""
    with tf.variable_scope("model"):
        v = tf.get_variable("v", [2], initializer=tf.zeros_initializer())
        optimizer = tf.train.AdamOptimizer()
        train = optimizer.minimize(v * v)
    return {"names": sorted(names(tf.global_variables())), "train": train.name}

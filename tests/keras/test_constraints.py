"""`df.keras.constraints`: values, and a variable that keeps to one."""

from __future__ import annotations

import numpy as np

import dflow as df

C = df.keras.constraints
W = np.array([[3.0, -0.3, 0.0], [4.0, 0.4, 0.0]])


def test_constraints_scale_columns_and_drop_negative_values() -> None:
    made = [
        C.MaxNorm(1.0),
        C.UnitNorm(),
        C.MinMaxNorm(1.0, 2.0, rate=0.5),
        C.NonNeg(),
        C.Constraint(),
        C.MaxNorm(axis=[0, 1]),
    ]
    with df.Session() as sess:
        found = sess.run([constraint(df.constant(W)) for constraint in made])
    norms = [np.linalg.norm(value, axis=0) for value in found[:3]]
    np.testing.assert_allclose(norms, [[1, 0.5, 0], [1, 1, 0], [3.5, 0.75, 0]], atol=1e-5)
    np.testing.assert_array_equal(found[3], np.maximum(W, 0))
    np.testing.assert_array_equal(found[4], W)
    np.testing.assert_allclose(np.linalg.norm(found[5]), 2, rtol=1e-6)
    assert [C.max_norm, C.unit_norm, C.min_max_norm, C.non_neg] == [C.MaxNorm, C.UnitNorm, C.MinMaxNorm, C.NonNeg]
    assert all(type(it)(**it.get_config()).get_config() == it.get_config() for it in made)


def test_an_optimizer_keeps_a_variable_to_its_constraint() -> None:
    w = df.get_variable("w", initializer=df.constant(W), constraint=C.NonNeg())
    step = df.train.GradientDescentOptimizer(1.0).minimize(df.reduce_sum(w))
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        sess.run(step)
        np.testing.assert_allclose(sess.run(w), np.maximum(W - 1, 0))

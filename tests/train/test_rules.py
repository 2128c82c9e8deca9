"""The update rule of each optimizer, dense and of rows, against NumPy; the values of a hundred steps are compared with
TensorFlow's in `tests/oracle/programs/sparse_updates.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest

import dflow as df
from dflow.train.optimizer import Optimizer
from tests.train.run import Evaluator

RATE = 0.1
train = df.train


def shrink(x: Any, by: Any) -> Any:
    return np.sign(x) * np.maximum(np.abs(x) - by, 0)


def gradient_descent(w: Any, g: Any, t: int) -> Any:
    return w - RATE * g, ()


def momentum(w: Any, g: Any, t: int, a: Any = 0.0) -> Any:
    a = 0.9 * a + g
    return w - RATE * a, (a,)


def nesterov(w: Any, g: Any, t: int, a: Any = 0.0) -> Any:
    a = 0.9 * a + g
    return w - RATE * (g + 0.9 * a), (a,)


def adagrad(w: Any, g: Any, t: int, a: Any = 0.1) -> Any:
    a = a + g * g
    return w - RATE * g / np.sqrt(a), (a,)


def adagrad_da(w: Any, g: Any, t: int, a: Any = 0.0, s: Any = 0.1) -> Any:
    a, s = a + g, s + g * g
    return -RATE * shrink(a, 0.01 * t) / (0.02 * t * RATE + np.sqrt(s)), (a, s)


def adadelta(w: Any, g: Any, t: int, a: Any = 0.0, u: Any = 0.0) -> Any:
    a = 0.9 * a + 0.1 * g * g
    step = np.sqrt(u + 0.01) / np.sqrt(a + 0.01) * g
    return w - RATE * step, (a, 0.9 * u + 0.1 * step * step)


def rmsprop(w: Any, g: Any, t: int, ms: Any = 1.0, mom: Any = 0.0) -> Any:
    ms = 0.8 * ms + 0.2 * g * g
    mom = 0.5 * mom + RATE * g / np.sqrt(ms + 0.01)
    return w - mom, (ms, mom)


def centered_rmsprop(w: Any, g: Any, t: int, ms: Any = 1.0, mom: Any = 0.0, mg: Any = 0.0) -> Any:
    ms, mg = 0.8 * ms + 0.2 * g * g, 0.8 * mg + 0.2 * g
    mom = 0.5 * mom + RATE * g / np.sqrt(ms - mg * mg + 0.01)
    return w - mom, (ms, mom, mg)


def ftrl_of(power: float, shrinkage: float) -> Callable[..., Any]:
    def ftrl(w: Any, g: Any, t: int, n: Any = 0.1, z: Any = 0.0) -> Any:
        new = n + g * g
        z = z + g + 2 * shrinkage * w - (new**-power - n**-power) / RATE * w
        y = new**-power / RATE + 2 * 0.02
        return np.where(np.abs(z) > 0.01, (np.sign(z) * 0.01 - z) / y, 0), (new, z)

    return ftrl


def proximal_gradient_descent(w: Any, g: Any, t: int) -> Any:
    return shrink(w - RATE * g, RATE * 0.01) / (1 + RATE * 0.02), ()


def proximal_adagrad(w: Any, g: Any, t: int, a: Any = 0.1) -> Any:
    a = a + g * g
    rate = RATE / np.sqrt(a)
    return shrink(w - rate * g, rate * 0.01) / (1 + rate * 0.02), (a,)


RULES: dict[str, tuple[Callable[[], Optimizer], Callable[..., Any]]] = {
    "gradient_descent": (lambda: train.GradientDescentOptimizer(RATE), gradient_descent),
    "momentum": (lambda: train.MomentumOptimizer(RATE, 0.9), momentum),
    "nesterov": (lambda: train.MomentumOptimizer(RATE, 0.9, use_nesterov=True), nesterov),
    "adagrad": (lambda: train.AdagradOptimizer(RATE), adagrad),
    "adadelta": (lambda: train.AdadeltaOptimizer(RATE, 0.9, 0.01), adadelta),
    "rmsprop": (lambda: train.RMSPropOptimizer(RATE, 0.8, 0.5, 0.01), rmsprop),
    "centered_rmsprop": (lambda: train.RMSPropOptimizer(RATE, 0.8, 0.5, 0.01, centered=True), centered_rmsprop),
    "ftrl": (lambda: train.FtrlOptimizer(RATE, -0.5, 0.1, 0.01, 0.02), ftrl_of(-0.5, 0)),
    "ftrl, power": (lambda: train.FtrlOptimizer(RATE, -0.7, 0.1, 0.01, 0.02), ftrl_of(-0.7, 0)),
    "ftrl, shrinkage": (
        lambda: train.FtrlOptimizer(RATE, -0.5, 0.1, 0.01, 0.02, l2_shrinkage_regularization_strength=0.03),
        ftrl_of(-0.5, 0.03),
    ),
    "proximal_gradient_descent": (
        lambda: train.ProximalGradientDescentOptimizer(RATE, 0.01, 0.02),
        proximal_gradient_descent,
    ),
    "proximal_adagrad": (lambda: train.ProximalAdagradOptimizer(RATE, 0.1, 0.01, 0.02), proximal_adagrad),
    "adagrad_da": (
        lambda: train.AdagradDAOptimizer(
            RATE,
            train.get_or_create_global_step(),
            l1_regularization_strength=0.01,
            l2_regularization_strength=0.02,
        ),
        adagrad_da,
    ),
}
START = np.array([[1.0, -2.0], [0.5, 0.25], [3.0, -0.1]])
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def graph() -> Any:
    with df.Graph().as_default() as made:
        yield made


def started(xp: Any = np) -> Evaluator:
    run = Evaluator(xp)
    run.run(df.global_variables_initializer())
    return run


@pytest.mark.parametrize("kind", RULES)
def test_dense_steps_agree_with_numpy(kind: str) -> None:
    make, rule = RULES[kind]
    w, g = df.Variable(START), df.placeholder(df.float64, [3, 2])
    step = train.get_or_create_global_step()
    train_op = make().apply_gradients([(g, w)], step)
    run, at, slots = started(), START, ()
    for t in range(1, 5):
        grad = RNG.normal(size=(3, 2))
        at, slots = rule(at, grad, t, *slots)
        run.run(train_op, {g: grad})
        np.testing.assert_allclose(run.run(w), at, rtol=1e-9)


@pytest.mark.parametrize("kind", RULES)
def test_steps_of_rows_change_these_rows_alone(kind: str) -> None:
    """Slices of one row are summed; a row that is not there keeps its value and its slots."""
    make, rule = RULES[kind]
    w = df.Variable(START)
    g, at = df.placeholder(df.float64, [None, 2]), df.placeholder(df.int32, [None])
    step = train.get_or_create_global_step()
    train_op = make().apply_gradients([(df.IndexedSlices(g, at, [3, 2]), w)], step)
    run, wanted, slots = started(), list(START), [()] * 3
    for t, places in enumerate(([0, 2, 0], [2], [], [1, 1, 0]), 1):
        grad = RNG.normal(size=(len(places), 2))
        for row in set(places):
            total = grad[np.array(places) == row].sum(0)
            wanted[row], slots[row] = rule(wanted[row], total, t, *slots[row])
        run.run(train_op, {g: grad, at: np.array(places, np.int32)})
        np.testing.assert_allclose(run.run(w), wanted, rtol=1e-9)


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_values_and_slots_keep_their_dtype(kind: str, dtype: str) -> None:
    w = df.Variable(df.constant(START, dtype))
    optimizer = RULES[kind][0]()
    step = train.get_or_create_global_step()
    dense = optimizer.apply_gradients([(df.constant(np.ones((3, 2)), dtype), w)], step)
    rows = optimizer.apply_gradients([(df.IndexedSlices(df.constant([[0.5, 0.25]] * 2, dtype), [1, 1]), w)], step)
    run = started()
    run.run([dense, rows])
    for it in (w, *(optimizer.get_slot(w, name) for name in optimizer.get_slot_names())):
        assert df.as_dtype(run.run(it).dtype) == df.as_dtype(dtype)
    found = run.run(w).astype(np.float64)
    assert np.isfinite(found).all()
    assert (found != START).all()


@pytest.mark.parametrize("kind", RULES)
def test_rules_keep_to_the_array_standard(kind: str) -> None:
    """They run on any array namespace, so that one rule serves CPU and GPU."""
    w = df.Variable(START.astype(np.float32))
    train_op = RULES[kind][0]().apply_gradients([(df.ones([3, 2]), w)], train.get_or_create_global_step())
    run, reference = started(array_api_strict), started()
    for _ in range(3):
        run.run(train_op)
        reference.run(train_op)
    np.testing.assert_allclose(np.asarray(run.run(w)), reference.run(w), rtol=1e-5)


def test_adam_with_rows_changes_all_rows_as_with_a_dense_gradient() -> None:
    g = np.array([[1.0, 2.0], [0.0, 0.0], [-0.5, 3.0]])
    found = []
    for grad in (df.constant(g), df.IndexedSlices(g[[2, 0]], [2, 0], [3, 2])):
        w = df.Variable(START)
        train_op = train.AdamOptimizer(RATE).apply_gradients([(grad, w)])
        run = started()
        for _ in range(3):
            run.run(train_op)
        found.append(run.run(w))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_a_value_that_was_read_does_not_change_when_rows_are_updated() -> None:
    w = df.Variable(START)
    train_op = train.MomentumOptimizer(RATE, 0.9).minimize(df.square(df.gather(w, [0])))
    run = started()
    held = run.run(w)
    run.run(train_op)
    np.testing.assert_array_equal(held, START)
    assert (run.run(w)[0] != START[0]).all()


def test_rows_that_do_not_fit_are_said() -> None:
    w, at = df.Variable(START), df.placeholder(df.int32, [None])
    optimizer = train.AdagradOptimizer(RATE)
    with pytest.raises(ValueError, match="rows of variable"):
        optimizer.apply_gradients([(df.IndexedSlices(df.ones([1, 3], df.float64), [0]), w)])
    train_op = optimizer.apply_gradients([(df.IndexedSlices(df.ones([1, 2], df.float64), at), w)])
    with pytest.raises(df.errors.InvalidArgumentError, match=r"indices\[0\] = 3 is not in \[0, 3\)"):
        started().run(train_op, {at: np.array([3], np.int32)})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: train.AdagradOptimizer(1.0, 0.0), "initial_accumulator_value must be positive"),
        (lambda: train.ProximalAdagradOptimizer(1.0, -1.0), "initial_accumulator_value must be positive"),
        (lambda: train.AdagradDAOptimizer(1.0, 0, 0.0), "initial_gradient_squared_accumulator_value must be"),
        (lambda: train.FtrlOptimizer(1.0, 0.5), "learning_rate_power 0.5"),
        (lambda: train.FtrlOptimizer(1.0, l1_regularization_strength=-1.0), "l1_regularization_strength -1"),
    ],
)
def test_wrong_hyperparameters_are_said(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


# -- the base


def test_a_constraint_is_applied_after_the_update() -> None:
    v = df.Variable([1.0, -2.0], constraint=lambda x: df.clip_by_value(x, 0.0, 0.5))
    optimizer = train.GradientDescentOptimizer(0.1)
    train_op = optimizer.minimize(df.square(v))
    run = started()
    run.run(train_op)
    np.testing.assert_allclose(run.run(v), [0.5, 0])
    with pytest.raises(RuntimeError, match="constraint function on a sparse variable"):
        optimizer.minimize(df.gather(v, [0]))


def test_a_subclass_may_define_the_methods_for_resource_variables_alone() -> None:
    class Mine(Optimizer):
        def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
            return handle.assign_sub(grad)

        def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
            return df.scatter_sub(handle, indices, grad * 2.0)

    v = df.Variable([1.0, 2.0], use_resource=True)
    dense = Mine(False, "Mine").minimize(v * 3.0)
    rows = Mine(False, "Mine").minimize(df.gather(v, [1, 1]))
    run = started()
    run.run(dense)
    np.testing.assert_allclose(run.run(v), [-2, -1])
    run.run(rows)
    np.testing.assert_allclose(run.run(v), [-2, -5])


def test_gradients_of_tensors_are_computed_but_not_applied() -> None:
    x = df.constant([1.0, 2.0])
    optimizer = train.GradientDescentOptimizer(0.1)
    ((grad, var),) = optimizer.compute_gradients(x * x, [x])
    assert var is x
    np.testing.assert_allclose(Evaluator().run(grad), [2, 4])
    with pytest.raises(NotImplementedError, match="Trying to update a Tensor"):
        optimizer.apply_gradients([(grad, var)])
    with pytest.raises(TypeError, match="convertible to a Tensor or IndexedSlices"):
        optimizer.apply_gradients([(object(), df.Variable(1.0))])


def test_a_loss_may_be_a_function() -> None:
    v = df.Variable([1.0, 2.0])
    train_op = train.GradientDescentOptimizer(0.5).minimize(lambda: v * 3.0)
    run = started()
    run.run(train_op)
    np.testing.assert_allclose(run.run(v), [-0.5, 0.5])


# -- variants of Adam


def adam(w: Any, g: Any, t: int, m: Any, v: Any, nesterov: bool) -> Any:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * (0.9 * m + 0.1 * g if nesterov else m) / (np.sqrt(v) + 1e-8), m, v


def test_lazy_adam_leaves_the_rows_that_are_not_there() -> None:
    w, at, g = df.Variable(START), df.placeholder(df.int32, [None]), df.placeholder(df.float64, [None, 2])
    train_op = df.contrib.opt.LazyAdamOptimizer(RATE).apply_gradients([(df.IndexedSlices(g, at, [3, 2]), w)])
    run, wanted, m, v = started(), START.copy(), np.zeros((3, 2)), np.zeros((3, 2))
    for t, places in enumerate(([0, 2], [2], [1, 0]), 1):
        grad = RNG.normal(size=(len(places), 2))
        wanted[places], m[places], v[places] = adam(wanted[places], grad, t, m[places], v[places], False)
        run.run(train_op, {g: grad, at: np.array(places, np.int32)})
        np.testing.assert_allclose(run.run(w), wanted, rtol=1e-4)


def test_nadam_looks_ahead_in_dense_steps_and_in_steps_of_rows() -> None:
    grad = np.array([[1.0, 2.0], [0.0, 0.0], [-0.5, 3.0]])
    for given, moved in ((df.constant(grad), [0, 1, 2]), (df.IndexedSlices(grad[[2, 0]], [2, 0], [3, 2]), [0, 2])):
        w = df.Variable(START)
        train_op = df.contrib.opt.NadamOptimizer(RATE).apply_gradients([(given, w)])
        run, wanted, m, v = started(), START.copy(), np.zeros((3, 2)), np.zeros((3, 2))
        for t in range(1, 4):
            new, m, v = adam(wanted, grad, t, m, v, True)
            wanted[moved] = new[moved]
            run.run(train_op)
        np.testing.assert_allclose(run.run(w), wanted, rtol=1e-4)

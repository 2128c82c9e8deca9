"""Optimizers: Z33.7, V34.7, P22.6; values against NumPy and against closed forms."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest

from dflow.errors import InvalidArgumentError
from dflow.graph import Graph, GraphKeys, Tensor, get_default_graph
from dflow.ops.array.constants import constant, placeholder
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.powers import square
from dflow.ops.state.variable_lists import global_variables, global_variables_initializer, trainable_variables
from dflow.ops.state.variables import Variable
from dflow.train.adam import AdamOptimizer
from dflow.train.global_step import get_or_create_global_step
from dflow.train.gradient_descent import GradientDescentOptimizer
from dflow.train.momentum import MomentumOptimizer
from dflow.train.optimizer import Optimizer
from tests.train.run import Evaluator


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made


def started(xp: Any = np) -> Evaluator:
    run = Evaluator(xp)
    run.run(global_variables_initializer())
    return run


# -- the same in NumPy: each is a function (value, gradient, state, step) -> (value, state)

RATE = 0.1


def gradient_descent(w: Any, g: Any, state: Any, t: int) -> Any:
    return w - RATE * g, state


def momentum(w: Any, g: Any, state: Any, t: int) -> Any:
    (a,) = state or (0.0,)
    a = 0.9 * a + g
    return w - RATE * a, (a,)


def nesterov(w: Any, g: Any, state: Any, t: int) -> Any:
    (a,) = state or (0.0,)
    a = 0.9 * a + g
    return w - RATE * (g + 0.9 * a), (a,)


def adam(w: Any, g: Any, state: Any, t: int) -> Any:
    m, v = state or (0.0, 0.0)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * m / (np.sqrt(v) + 1e-8), (m, v)


ALL: dict[str, tuple[Callable[[], Optimizer], Callable[..., Any]]] = {
    "gradient_descent": (lambda: GradientDescentOptimizer(RATE), gradient_descent),
    "momentum": (lambda: MomentumOptimizer(RATE, 0.9), momentum),
    "nesterov": (lambda: MomentumOptimizer(RATE, 0.9, use_nesterov=True), nesterov),
    "adam": (lambda: AdamOptimizer(RATE), adam),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ALL)
def test_three_steps_agree_with_numpy(kind: str, dtype: str) -> None:
    """Z33.7: the loss is sum((w - c)^2 * s), whose gradient is 2 (w - c) s."""
    make, reference = ALL[kind]
    at, c, s = np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 0.1])
    w = Variable(constant(at, dtype), name="w")
    loss = multiply(square(subtract(w.value(), constant(c, dtype))), constant(s, dtype))
    train_op = make().minimize(loss)
    run, state = started(), None
    for t in (1, 2, 3):
        at, state = reference(at, 2 * (at - c) * s, state, t)
        run.run(train_op)
        found = run.run(w)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, at, rtol=1e-5 if kind == "adam" or dtype == "float32" else 1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_the_kernels_keep_to_the_array_standard(kind: str) -> None:
    """They run on any array namespace, so that one kernel serves CPU and GPU."""
    w = Variable([1.0, 2.0], name="w")
    train_op = ALL[kind][0]().apply_gradients([(constant([0.5, 0.25]), w)])
    run, reference = started(array_api_strict), started()
    for _ in range(3):
        run.run(train_op)
        reference.run(train_op)
    found = run.run(w)
    assert isinstance(found, type(array_api_strict.asarray(0.0)))
    np.testing.assert_allclose(np.asarray(found), reference.run(w), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ALL)
def test_small_floats_keep_their_dtype(kind: str, dtype: str) -> None:
    """A variable's update, its slots and its hyperparameters have its dtype."""
    w = Variable(constant([1.0, 2.0], dtype), name="w")
    train_op = ALL[kind][0]().apply_gradients([(constant([0.5, 0.25], dtype), w)])
    run = started()
    run.run(train_op)
    for variable in global_variables():
        if variable.name.startswith("w"):
            assert run.run(variable).dtype == (ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if kind != "adam":  # whose hyperparameters need more digits
        assert np.all(run.run(w).astype(np.float32) < [1.0, 2.0])


# -- closed forms


def test_gradient_descent_on_a_parabola_shrinks_geometrically() -> None:
    """The loss is w^2 / 2: after n steps, w = w0 (1 - rate)^n."""
    w = Variable(constant(8.0, "float64"))
    train_op = GradientDescentOptimizer(0.25).minimize(multiply(square(w.value()), 0.5))
    run = started()
    for _ in range(10):
        run.run(train_op)
    np.testing.assert_allclose(run.run(w), 8.0 * 0.75**10)


def test_momentum_under_a_constant_gradient_is_a_geometric_series() -> None:
    """After n steps the accumulation is g (1 - m^n) / (1 - m)."""
    w = Variable(constant(0.0, "float64"), name="w")
    optimizer = MomentumOptimizer(0.1, 0.5)
    train_op = optimizer.apply_gradients([(constant(3.0, "float64"), w)])
    run = started()
    for _ in range(6):
        run.run(train_op)
    sums = [3.0 * (1 - 0.5**n) / (1 - 0.5) for n in range(1, 7)]
    np.testing.assert_allclose(run.run(optimizer.get_slot(w, "momentum")), sums[-1])
    np.testing.assert_allclose(run.run(w), -0.1 * sum(sums))


def test_adam_under_a_constant_gradient_moves_by_the_learning_rate() -> None:
    """The corrected averages are g and g^2: each step is rate * g / (|g| + epsilon / sqrt(1 - beta2^t))."""
    w = Variable(constant([0.0, 0.0], "float64"), name="w")
    g = np.array([5.0, -0.125])
    train_op = AdamOptimizer(0.01, epsilon=1e-3).apply_gradients([(constant(g), w)])
    run = started()
    for _ in range(5):
        run.run(train_op)
    steps = [0.01 * g / (np.abs(g) + 1e-3 / np.sqrt(1 - 0.999**t)) for t in range(1, 6)]
    np.testing.assert_allclose(run.run(w), -np.sum(steps, axis=0), rtol=1e-4)  # the powers are float32


# -- hyperparameters


def test_a_learning_rate_may_be_a_tensor_that_each_run_feeds() -> None:
    """Of any floating dtype: it is cast to the variable's."""
    rate = placeholder("float64", [])
    w = Variable([1.0])
    train_op = GradientDescentOptimizer(rate).apply_gradients([(constant([1.0]), w)])
    run = started()
    for fed, wanted in ((0.5, 0.5), (0.25, 0.25)):
        run.run(train_op, {rate: np.asarray(fed)})
        np.testing.assert_allclose(run.run(w), [wanted])


def test_a_learning_rate_may_be_a_function_or_a_variable() -> None:
    """A function is called when the update is built; a variable is read when it runs."""
    rate = Variable(0.5, trainable=False)
    w = Variable([1.0])
    by_function = GradientDescentOptimizer(lambda: 0.25).apply_gradients([(constant([1.0]), w)])
    by_variable = GradientDescentOptimizer(rate).apply_gradients([(constant([1.0]), w)])
    run = started()
    run.run(by_function)
    np.testing.assert_allclose(run.run(w), [0.75])
    run.run(by_variable)
    np.testing.assert_allclose(run.run(w), [0.25])


def test_a_number_is_exact_in_the_dtype_of_the_variable() -> None:
    """0.1 is not rounded to float32 on its way to a float64 variable."""
    w = Variable(constant(0.0, "float64"))
    train_op = GradientDescentOptimizer(0.1).apply_gradients([(constant(1.0, "float64"), w)])
    run = started()
    run.run(train_op)
    assert run.run(w) == -0.1


# -- what is built


def update_ops(graph: Graph) -> list[str]:
    return [op.name for op in graph.get_operations() if op.type in ("NoOp", "AssignAdd") or "Apply" in op.type]


def test_operations_are_named_as_in_tensorflow(graph: Graph) -> None:
    """Z33.7: the result is named after the optimizer, each update after its variable."""
    with graph.name_scope("net"):
        w, b = Variable([1.0], name="w"), Variable(1.0, name="b")
    loss = multiply(w.value(), b.value())
    with graph.name_scope("train"):
        plain = GradientDescentOptimizer(0.1).minimize(loss)
    assert plain.name == "train/GradientDescent"
    assert update_ops(graph) == [
        "train/gradients/Mul_grad/tuple/group_deps",
        "train/GradientDescent/update_net/w/ApplyGradientDescent",
        "train/GradientDescent/update_net/b/ApplyGradientDescent",
        "train/GradientDescent",
    ]
    step = get_or_create_global_step()
    counted = MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=step, name="opt")
    assert (counted.name, counted.type) == ("opt", "AssignAdd")
    assert update_ops(graph)[4:] == [
        "gradients/Mul_grad/tuple/group_deps",
        "opt/update_net/w/ApplyMomentum",
        "opt/update_net/b/ApplyMomentum",
        "opt/update",
        "opt",
    ]
    assert graph.get_collection(GraphKeys.TRAIN_OP) == [plain, counted]


def test_the_global_step_is_incremented_once_after_the_updates(graph: Graph) -> None:
    """Z33.7."""
    w, b = Variable([1.0], name="w"), Variable(1.0, name="b")
    step = get_or_create_global_step()
    train_op = AdamOptimizer().minimize(multiply(w.value(), b.value()), global_step=step)
    (update,) = train_op.control_inputs
    assert {op.type for op in update.control_inputs} == {"ApplyAdam", "AssignMul"}
    run = started()
    for count in (1, 2, 3):
        run.run(train_op)
        assert run.run(step) == count
    assert run.run(step).dtype == np.int64


def test_slots_are_variables_beside_their_variable(graph: Graph) -> None:
    """P22.6: colocated, in the same container, global, not trainable, named after their variable."""
    with graph.container("c"), graph.device("/job:ps/task:1"), graph.name_scope("net"):
        w, b = Variable([1.0, 2.0], name="w"), Variable(1.0, name="b")
    with graph.name_scope("train"), graph.device("/job:worker"):
        adam = AdamOptimizer()
        adam.minimize(multiply(w.value(), b.value()))
    m, v = adam.get_slot(w, "m"), adam.get_slot(w, "v")
    assert m is not None
    assert v is not None
    assert (m.name, v.name) == ("net/w/Adam:0", "net/w/Adam_1:0")
    assert adam.get_slot_names() == ["m", "v"]
    assert adam.get_slot(w, "other") is None
    for slot in (m, v):
        assert slot.device == "/job:ps/task:1"
        assert slot.op.colocation_root() is w.op
        assert slot.spec.container == "c"
        assert slot.shape == [2]
        assert slot in global_variables()
        assert slot not in trainable_variables()
    assert [variable.name for variable in adam.variables()] == [
        "net/b/Adam:0",
        "net/b/Adam_1:0",
        "net/w/Adam:0",
        "net/w/Adam_1:0",
        "train/beta1_power:0",
        "train/beta2_power:0",
    ]
    power = adam.variables()[4]
    assert power.op.colocation_root() is b.op  # the first variable by name
    assert power.spec.container == "c"


def test_updates_are_on_the_device_of_their_variable(graph: Graph) -> None:
    """P22.6: with their hyperparameters."""
    with graph.device("/job:ps/task:1"):
        w = Variable([1.0, 2.0], name="w")
    with graph.device("/job:worker"):
        MomentumOptimizer(0.1, 0.9).minimize(square(w.value()))
    (update,) = (op for op in graph.get_operations() if op.type == "ApplyMomentum")
    assert update.device == "/job:ps/task:1"
    assert [tensor.op.name for tensor in update.handles] == ["w", "w/Momentum"]
    assert [tensor.op.device for tensor in update.operands] == ["/job:ps/task:1", "/job:worker", "/job:ps/task:1"]


def test_an_optimizer_that_is_used_twice_keeps_its_slots(graph: Graph) -> None:
    """Two updates of one variable by one optimizer share the accumulation; another optimizer has its own."""
    w = Variable([1.0], name="w")
    one, other = MomentumOptimizer(0.1, 0.9), MomentumOptimizer(0.1, 0.9)
    for optimizer in (one, one, other):
        optimizer.apply_gradients([(constant([1.0]), w)])
    assert [variable.name for variable in global_variables()] == ["w:0", "w/Momentum:0", "w/Momentum_1:0"]


def test_a_variable_of_any_shape_has_slots_of_its_initial_shape() -> None:
    """V34.6: validate_shape=False."""
    given = placeholder("float32")
    w = Variable(given, validate_shape=False, name="w")
    gradient = placeholder("float32")
    train_op = MomentumOptimizer(0.5, 0.9).apply_gradients([(gradient, w)])
    run = Evaluator()
    run.run(global_variables_initializer(), {given: np.ones((2, 2), np.float32)})
    run.run(train_op, {gradient: np.ones((2, 2), np.float32)})
    np.testing.assert_array_equal(run.run(w), np.full((2, 2), 0.5))


# -- compute_gradients and apply_gradients


def test_minimize_changes_only_the_variables_that_it_is_given() -> None:
    """Z33.7: var_list, by default the trainable variables; those the loss does not depend on are skipped."""
    w, b, frozen, unused = Variable(2.0), Variable(3.0), Variable(4.0, trainable=False), Variable(5.0)
    loss = multiply(multiply(w.value(), b.value()), frozen.value())
    optimizer = GradientDescentOptimizer(0.1)
    assert [variable for _, variable in optimizer.compute_gradients(loss)] == [w, b, unused]
    assert [gradient is None for gradient, _ in optimizer.compute_gradients(loss)] == [False, False, True]
    only_w, by_default = optimizer.minimize(loss, var_list=w), optimizer.minimize(loss)
    run = started()
    run.run(only_w)
    np.testing.assert_allclose(run.run([w, b, frozen, unused]), [2.0 - 1.2, 3.0, 4.0, 5.0], rtol=1e-6)
    run.run(by_default)
    np.testing.assert_allclose(run.run([b, frozen, unused]), [3.0 - 0.1 * 0.8 * 4, 4.0, 5.0], rtol=1e-6)


def test_gradients_may_be_changed_before_they_are_applied() -> None:
    """Z33.7: minimize is compute_gradients and apply_gradients."""
    w = Variable(1.0)
    optimizer = GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(multiply(w.value(), 8.0))
    train_op = optimizer.apply_gradients([(None if g is None else multiply(g, 0.25), v) for g, v in pairs])
    run = started()
    run.run(train_op)
    assert run.run(w) == -1.0


def test_grad_loss_is_the_gradient_of_the_loss() -> None:
    """Z33.2."""
    w = Variable([1.0, 1.0])
    train_op = GradientDescentOptimizer(1.0).minimize(w.value(), grad_loss=[0.25, 0.5])
    run = started()
    run.run(train_op)
    np.testing.assert_array_equal(run.run(w), [0.75, 0.5])


def test_gate_graph_applies_nothing_before_all_gradients_are_there() -> None:
    """GATE_GRAPH puts one barrier before all gradients."""
    w, b, unused = Variable(2.0), Variable(3.0), Variable(1.0)
    loss = multiply(w.value(), b.value())
    pairs = GradientDescentOptimizer(0.1).compute_gradients(loss, gate_gradients=Optimizer.GATE_GRAPH)
    found = {variable: gradient for gradient, variable in pairs}
    assert found[unused] is None
    barriers = [gradient.op.control_inputs for gradient in found.values() if gradient is not None]
    assert len(barriers[0]) == 1
    assert barriers[0] == barriers[1]


def test_what_cannot_be_minimized_is_said_when_the_graph_is_built() -> None:
    """Z33.7."""
    optimizer, w, whole = GradientDescentOptimizer(0.1), Variable(1.0, name="w"), Variable(1, trainable=False)
    with pytest.raises(ValueError, match="No gradients provided for any variable, check your graph"):
        optimizer.minimize(constant(1.0))
    with pytest.raises(ValueError, match="Invalid type int32 for Const"):
        optimizer.minimize(constant(1))
    with pytest.raises(ValueError, match="No variables to optimize"):
        optimizer.minimize(square(w.value()), var_list=[])
    with pytest.raises(ValueError, match="gate_gradients must be one of"):
        optimizer.minimize(square(w.value()), gate_gradients=9)
    with pytest.raises(ValueError, match="No variables provided"):
        optimizer.apply_gradients([])
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply_gradients([(None, w)])
    with pytest.raises(ValueError, match="Invalid type int32"):
        optimizer.apply_gradients([(constant(1), whole)])
    with pytest.raises(TypeError, match="Argument is not"):
        optimizer.compute_gradients(square(w.value()), var_list=[3])
    with pytest.raises(ValueError, match="Must specify the optimizer name"):
        GradientDescentOptimizer(0.1, name="")


def test_a_gradient_of_another_shape_or_dtype_is_said_when_the_graph_is_built() -> None:
    """Both are named."""
    w = Variable([1.0, 2.0], name="w")
    with pytest.raises(ValueError, match=r"variable 'w' is \(2,\), its gradient is \(3,\)"):
        GradientDescentOptimizer(0.1).apply_gradients([(constant([1.0, 2.0, 3.0]), w)])
    with pytest.raises(TypeError, match="has type float64 that does not match type float32"):
        GradientDescentOptimizer(0.1).apply_gradients([(constant([1.0, 2.0], "float64"), w)])
    with pytest.raises(ValueError, match="alpha must be a scalar"):
        GradientDescentOptimizer([0.1, 0.2]).apply_gradients([(constant([1.0, 2.0]), w)])


def test_a_gradient_that_would_broadcast_is_refused_and_changes_nothing() -> None:
    """A shape that is known at run time only: InvalidArgumentError; neither the variable nor its slot has moved."""
    w, gradient = Variable([1.0, 2.0], name="w"), placeholder("float32")
    optimizer = MomentumOptimizer(0.1, 0.9)
    train_op = optimizer.apply_gradients([(gradient, w)])
    run = started()
    with pytest.raises(InvalidArgumentError, match=r"'w' and the gradient do not have the same shape: \[2\] \[1\]"):
        run.run(train_op, {gradient: np.ones(1, np.float32)})
    np.testing.assert_array_equal(run.run(w), [1.0, 2.0])
    np.testing.assert_array_equal(run.run(optimizer.get_slot(w, "momentum")), [0.0, 0.0])


# -- concurrency


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns so often that an update without a lock would be lost."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("kind", ALL)
def test_concurrent_updates_are_neither_lost_nor_torn(kind: str, graph: Graph, switching: None) -> None:
    """V34.7: with a constant gradient, n updates from 4 threads end where n updates from one thread end."""
    w = Variable(np.linspace(-1, 1, 1000, dtype=np.float32), name="w")
    optimizer = ALL[kind][0]()
    if kind == "adam":  # steps read the powers of the betas when they start: keep these out of the result
        optimizer = AdamOptimizer(RATE, beta1=0.0, beta2=0.0)
    step = get_or_create_global_step()
    train_op = optimizer.apply_gradients([(constant(np.full(1000, 0.5, np.float32)), w)], global_step=step)
    alone, shared = started(), started()
    for _ in range(200):
        alone.run(train_op)

    def loop() -> None:
        with graph.as_default():
            for _ in range(50):
                shared.run(train_op)

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for variable in global_variables():
        np.testing.assert_array_equal(shared.run(variable), alone.run(variable), err_msg=variable.name)


def test_concurrent_steps_of_adam_count_every_step(graph: Graph, switching: None) -> None:
    """V34.7: the powers of the betas are multiplied under their locks."""
    w = Variable([1.0], name="w")
    optimizer = AdamOptimizer(beta1=0.75, beta2=0.875)
    train_op = optimizer.apply_gradients([(constant([1.0]), w)])
    run = started()

    def loop() -> None:
        with graph.as_default():
            for _ in range(10):
                run.run(train_op)

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    powers = [run.run(v) for v in optimizer.variables() if "power" in v.name]
    np.testing.assert_allclose(powers, [0.75**41, 0.875**41], rtol=1e-5)


@pytest.mark.parametrize("kind", ALL)
def test_a_value_that_was_read_does_not_change(kind: str) -> None:
    """Values are immutable once they are handed out."""
    w = Variable([1.0, 2.0], name="w")
    train_op = ALL[kind][0]().apply_gradients([(constant([0.5, 0.25]), w)])
    run = started()
    before = [(variable, run.run(variable)) for variable in global_variables()]
    copies = [np.array(value) for _, value in before]
    run.run(train_op)
    for (variable, value), copy in zip(before, copies, strict=True):
        np.testing.assert_array_equal(value, copy, err_msg=variable.name)
        assert not np.shares_memory(value, run.run(variable))


def test_two_losses_train_the_variables_that_they_share() -> None:
    """Z33.7: a whole small fit: a line through points comes out."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)
    slope, offset = Variable(0.0, name="slope"), Variable(0.0, name="offset")
    guess: Tensor = add(multiply(slope.value(), constant(x)), offset.value())
    loss = square(subtract(guess, constant(3 * x - 1)))
    train_op = MomentumOptimizer(0.01, 0.5).minimize(loss)
    run = started()
    for _ in range(200):
        run.run(train_op)
    np.testing.assert_allclose(run.run([slope, offset]), [3.0, -1.0], atol=1e-3)
    assert get_default_graph().get_collection(GraphKeys.TRAIN_OP) == [train_op]

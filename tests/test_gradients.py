"""gradients(ys, xs): Z33.1 to Z33.5."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.gradients import AggregationMethod, UnconnectedGradients, gradients
from dflow.graph import Graph, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant, placeholder
from dflow.ops.control import stop_gradient
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.math.powers import square
from dflow.ops.math.reduction import reduce_prod
from dflow.ops.nn.activations import relu
from dflow.ops.state.variables import Variable
from dflow.registry import OPS, define, no_gradient, not_differentiable
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec
from tests.train.run import Evaluator


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made


@pytest.fixture
def kinds() -> Iterator[None]:
    """Operations that a test defines are gone after it."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def value(x: Tensor | None) -> np.ndarray:
    assert x is not None
    return np.asarray(Evaluator().run(x))


# -- values


def test_a_gradient_is_the_chain_rule() -> None:
    """Z33.1: d(x^2 * y)/dx = 2xy, d/dy = x^2."""
    x, y = constant([1.0, 2.0, 3.0]), constant([4.0, 5.0, 6.0])
    dx, dy = gradients(multiply(square(x), y), [x, y])
    np.testing.assert_allclose(value(dx), [8.0, 20.0, 36.0])
    np.testing.assert_allclose(value(dy), [1.0, 4.0, 9.0])


def test_a_gradient_agrees_with_finite_differences() -> None:
    """Z33.1."""
    at = np.random.default_rng(0).normal(size=(3, 4))
    x = placeholder("float64", [3, 4])
    y = square(add(multiply(square(x), x), multiply(x, constant(2.0, "float64"))))
    (dx,) = gradients(y, x)
    run, step, numeric = Evaluator(), 1e-6, np.zeros_like(at)
    for place in np.ndindex(at.shape):
        shift = np.zeros_like(at)
        shift[place] = step
        numeric[place] = (run.run(y, {x: at + shift}) - run.run(y, {x: at - shift}).astype(float)).sum() / (2 * step)
    np.testing.assert_allclose(run.run(dx, {x: at}), numeric, rtol=1e-4, atol=1e-6)


def test_gradients_sum_over_ys() -> None:
    """Z33.1."""
    x = constant(3.0)
    (dx,) = gradients([multiply(x, 2.0), square(x)], [x])
    assert value(dx) == 2.0 + 6.0


def test_a_tensor_that_is_used_often_gets_the_sum_of_all_contributions() -> None:
    """Z33.4: each use adds; here 8 doublings, of which each takes its input twice."""
    x = constant(1.5)
    y = x
    for _ in range(8):
        y = add(y, y)
    assert value(gradients(y, x)[0]) == 256.0


def test_the_gradient_of_an_inner_tensor_does_not_hide_those_below_it() -> None:
    """Z33.1: xs may lie on each other's paths."""
    x = constant(3.0)
    y = square(x)
    dx, dy = gradients(square(y), [x, y])
    assert value(dy) == 18.0
    assert value(dx) == 4.0 * 27.0


def test_a_y_that_is_an_x_has_the_gradient_one() -> None:
    """Z33.1."""
    x = constant([1.0, 2.0])
    np.testing.assert_array_equal(value(gradients(x, x)[0]), [1.0, 1.0])


def test_a_gradient_can_be_differentiated_again() -> None:
    """Z33.1: d2(x^3)/dx2 = 6x."""
    x = constant(2.0)
    (first,) = gradients(multiply(square(x), x), x)
    (second,) = gradients(first, x)
    assert value(first) == 12.0
    assert value(second) == 12.0


def test_a_broadcast_operand_gets_a_gradient_of_its_own_shape() -> None:
    """Z33.1: the result is aligned with xs, in shape as well."""
    x, b = constant(np.ones((2, 3), np.float32)), constant([1.0, 2.0, 3.0])
    dx, db = gradients(add(x, b), [x, b])
    assert dx is not None
    assert dx.shape == (2, 3)
    np.testing.assert_array_equal(value(db), [2.0, 2.0, 2.0])


# -- variables


def test_the_gradient_of_a_variable_sums_over_all_its_reads(graph: Graph) -> None:
    """Z33.1, K28.6: a fresh read under a control dependency counts, as do `read` and the value itself."""
    v = Variable([1.0, 2.0], name="v")
    first = square(v.value())
    with graph.control_dependencies([first]):
        second = multiply(v.value(), 5.0)
    third = multiply(v.read_value(), 7.0)
    fourth = multiply(v.op.outputs[0], 11.0)
    assert second.op.inputs[0].op.type == "ReadVariable"
    (dv,) = gradients([first, second, third, fourth], v)
    run = Evaluator()
    run.run(v.initializer)
    np.testing.assert_allclose(run.run(dv), [2.0 + 23.0, 4.0 + 23.0])


def test_variables_of_equal_values_have_gradients_of_their_own() -> None:
    """Z33.1: reads are told apart by their variable."""
    v, w = Variable(1.0, name="v"), Variable(1.0, name="w")
    dv, dw = gradients(multiply(v.read_value(), 3.0), [v, w])
    assert value(dv) == 3.0
    assert dw is None


def test_the_gradient_of_an_integer_variable_is_none() -> None:
    """Z33.1."""
    v = Variable(1, name="v")
    assert gradients(multiply(cast(v.value(), "float32"), 2.0), v) == [None]


# -- None and zero


def test_an_x_that_y_does_not_depend_on_has_no_gradient() -> None:
    """Z33.1."""
    x, other = constant(1.0), constant(2.0)
    assert gradients(square(x), other) == [None]


@pytest.mark.parametrize("mode", ["zero", UnconnectedGradients.ZERO])
def test_an_x_that_y_does_not_depend_on_has_a_zero_gradient_on_request(mode: object) -> None:
    """Z33.1: zeros of the x's shape and dtype, for variables and integers as well."""
    x, other, whole = constant(1.0), constant([1.0, 2.0], "float64"), constant([1, 2])
    v = Variable([3.0], name="v")
    found = gradients(square(x), [other, whole, v], unconnected_gradients=mode)
    assert [(g.dtype.name, g.shape) for g in found if g is not None] == [
        ("float64", TensorShape([2])),
        ("int32", TensorShape([2])),
        ("float32", TensorShape([1])),
    ]
    np.testing.assert_array_equal(value(found[0]), [0.0, 0.0])


def test_integers_have_no_gradient() -> None:
    """Z33.1: neither an integer x nor the path through one."""
    x, n = constant(2.0), constant(3)
    y = multiply(x, cast(n, "float32"))
    dx, dn = gradients(y, [x, n])
    assert value(dx) == 3.0
    assert dn is None
    assert gradients(cast(x, "int32"), x) == [None]
    assert gradients(cast(cast(x, "int32"), "float32"), x) == [None]


def test_an_integer_that_is_one_of_the_ys_has_the_initial_gradient() -> None:
    n, x = constant([1, 2]), constant(2.0)
    found = gradients([n, square(x)], [n, x])
    assert [value(g).tolist() for g in found] == [[1, 1], 4.0]
    (seeded,) = gradients(n, n, grad_ys=[constant([5, 6])])
    assert value(seeded).tolist() == [5, 6]


def test_text_has_no_initial_gradient() -> None:
    text, x = constant("a"), constant(2.0)
    with pytest.raises(TypeError, match="Gradients of text"):
        gradients([text, square(x)], x)
    with pytest.raises(TypeError, match="has no gradient"):
        gradients(text, x, grad_ys=["b"])


def test_an_unknown_mode_is_a_value_error() -> None:
    """Z33.1."""
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients: 'bla'"):
        gradients(constant(1.0), constant(1.0), unconnected_gradients="bla")


# -- grad_ys


def test_grad_ys_are_the_initial_gradients() -> None:
    """Z33.2: a value takes the y's dtype; None stands for ones."""
    x = constant([1.0, 2.0], "float64")
    (dx,) = gradients([square(x), multiply(x, 3.0)], x, grad_ys=[[10.0, 100.0], None])
    np.testing.assert_allclose(value(dx), [23.0, 403.0])


def test_grad_ys_are_checked() -> None:
    """Z33.2."""
    x = constant([1.0, 2.0])
    with pytest.raises(ValueError, match="Passed 2 grad_ys for 1 ys"):
        gradients(square(x), x, grad_ys=[None, None])
    with pytest.raises(ValueError, match="Incompatible shapes"):
        gradients(square(x), x, grad_ys=[constant([1.0, 2.0, 3.0])])
    with pytest.raises(TypeError, match="Gradient type bool"):
        gradients(square(x), x, grad_ys=[constant([True, False])])


def test_a_complex_y_needs_its_initial_gradient() -> None:
    """Z33.2."""
    x = constant(np.complex64(1 + 2j))
    with pytest.raises(TypeError, match="must set grad_ys"):
        gradients(x, x)
    assert value(gradients(x, x, grad_ys=1 + 0j)[0]) == 1


# -- stopping


def test_stop_gradient_blocks() -> None:
    """Z33.3: the gradient passes beside it, not through it."""
    x = constant(3.0)
    (dx,) = gradients(multiply(x, stop_gradient(square(x))), x)
    assert value(dx) == 9.0
    assert gradients(stop_gradient(x), x) == [None]


def test_stop_gradients_are_constants() -> None:
    """Z33.3: with a = x, b = 2a: the partial derivatives of a + b are 1 and 1, the total one to a is 3."""
    a = constant(0.0)
    b = multiply(a, 2.0)
    assert [float(value(g)) for g in gradients(add(a, b), [a, b])] == [3.0, 1.0]
    assert [float(value(g)) for g in gradients(add(a, b), [a, b], stop_gradients=[a, b])] == [1.0, 1.0]
    assert gradients(b, a, stop_gradients=b) == [None]


# -- ops without a gradient


def test_an_op_without_a_gradient_on_the_way_is_a_lookup_error(kinds: None) -> None:
    """Z33.3: the text names the op, its type and the reason."""
    define("Rough", spec=lambda x: x, kernel=lambda x: x, gradient=no_gradient("it is rough"))
    x = constant(1.0)
    y = add_op("Rough", square(x), name="r")
    with pytest.raises(LookupError, match=r"No gradient defined for operation 'r' \(op type: Rough\): it is rough"):
        gradients(y, x)


def test_an_op_that_is_not_differentiable_counts_as_a_constant(kinds: None) -> None:
    define("Frozen", spec=lambda x: x, kernel=lambda x: x, gradient=not_differentiable)
    x = constant(3.0)
    assert gradients(add_op("Frozen", square(x)), x) == [None]
    assert value(gradients(multiply(x, add_op("Frozen", x)), x)[0]) == 3.0


CONSTANTS: dict[str, Callable[[Any], Any]] = {  # what counts as a constant in TensorFlow, too
    "py_func": lambda x: df.py_func(lambda a: a, [x], df.float32),
    "random_shuffle": df.random_shuffle,
    "range": lambda x: df.range(df.reduce_sum(x)),
    "assign": lambda x: df.assign(df.Variable([0.0, 0.0], name="v"), x),
    "assign_add": lambda x: df.assign_add(df.Variable([0.0, 0.0], name="v"), x),
    "assign_sub": lambda x: df.assign_sub(df.Variable([0.0, 0.0], name="v"), x),
}


@pytest.mark.parametrize("build", CONSTANTS.values(), ids=CONSTANTS)
def test_no_gradient_goes_through_what_counts_as_a_constant(build: Callable[[Any], Any]) -> None:
    x = constant([1.0, 2.0])
    assert gradients(build(x), x) == [None]
    (dx,) = gradients([x * 3.0, build(x)], x)
    assert value(dx).tolist() == [3.0, 3.0]


def test_an_op_without_a_gradient_beside_the_way_is_none_of_our_business(kinds: None) -> None:
    """Z33.3: only the operations between xs and ys are asked."""
    define("Rough", spec=lambda x: x, kernel=lambda x: x, gradient=no_gradient("it is rough"))
    x, other = constant(2.0), constant(5.0)
    y = multiply(x, add_op("Rough", other))
    add_op("Rough", x)
    assert value(gradients(y, x)[0]) == 5.0


def test_an_output_that_nothing_depends_on_gets_zeros(kinds: None) -> None:
    """A rule of two outputs is told zeros for the unused one, and None for one of integers."""
    seen = []

    def rule(op: object, *received: Tensor | None) -> Tensor:
        seen.extend(received)
        assert received[0] is not None
        return received[0]

    def spec(x: TensorSpec) -> list[TensorSpec]:
        return [x, x, TensorSpec(x.shape, convert_to_tensor(1).dtype)]

    define("Three", spec=spec, kernel=lambda x: (x, x, x), gradient=rule)
    x = constant([1.0, 2.0])
    first, _, _ = add_op("Three", x)
    assert gradients(square(first), x)[0] is not None
    np.testing.assert_array_equal(value(seen[1]), [0.0, 0.0])
    assert seen[2] is None


@pytest.mark.parametrize(
    ("rule", "error", "text"),
    [
        (lambda op, dy: [dy, dy], ValueError, "gave 2 gradients for 1 inputs"),
        (lambda op, dy: constant([1.0, 2.0]), ValueError, "Incompatible shapes between op input"),
        (lambda op, dy: cast(dy, "float64"), TypeError, "the gradient of its input"),
    ],
)
def test_a_wrong_gradient_rule_is_found(kinds: None, rule: object, error: type[Exception], text: str) -> None:
    """A rule gives one gradient per input, of the input's shape and dtype."""
    define("Wrong", spec=lambda x: x, kernel=lambda x: x, gradient=rule)  # type: ignore[arg-type]
    x = constant(1.0)
    with pytest.raises(error, match=text):
        gradients(add_op("Wrong", square(x)), x)


# -- where gradient operations are made


def test_gradient_ops_are_in_a_scope_named_after_the_forward_op() -> None:
    """Z33.1: `gradients/<op>_grad/...`."""
    x = constant(2.0)
    (dx,) = gradients(multiply(x, 3.0, name="times"), x)
    assert dx is not None
    assert dx.op.name.startswith("gradients/times_grad/")
    (again,) = gradients(multiply(x, 3.0, name="times"), x, name="back")
    assert again is not None
    assert again.op.name.startswith("back/times_1_grad/")


def test_gradient_ops_are_colocated_only_on_request(graph: Graph) -> None:
    """Z33.5."""
    x = constant(2.0)
    with graph.device("/job:a"):
        y = square(x)
    with graph.device("/job:b"):
        (free,) = gradients(y, x)
        (beside,) = gradients(y, x, colocate_gradients_with_ops=True)
    assert free is not None
    assert beside is not None
    assert free.op.device == "/job:b"
    assert beside.op.device == "/job:a"
    assert beside.op.colocation_root() is y.op


def test_gradients_are_made_in_the_graph_of_ys() -> None:
    """G27.12: whichever graph is the default one."""
    x = constant(2.0)
    y = square(x)
    with Graph().as_default() as other:
        (dx,) = gradients(y, x)
        assert dx is not None
        assert dx.graph is y.graph
        assert scopes.current_graph() is other
        assert other.version == 0


def test_gated_gradients_wait_for_each_other() -> None:
    """Z33.1: with gate_gradients, both gradients of an op come from identities behind one barrier."""
    x, y = constant(2.0), constant(3.0)
    dx, dy = gradients(multiply(x, y), [x, y], gate_gradients=True)
    assert dx is not None
    assert dy is not None
    assert dx.op.type == dy.op.type == "Identity"
    assert dx.op.control_inputs == dy.op.control_inputs
    assert [value(dx), value(dy)] == [3.0, 2.0]


def test_aggregation_methods_are_accepted_and_others_refused() -> None:
    """Z33.1."""
    x = constant(2.0)
    methods = (AggregationMethod.DEFAULT, AggregationMethod.ADD_N, AggregationMethod.EXPERIMENTAL_TREE)
    for method in (*methods, AggregationMethod.EXPERIMENTAL_ACCUMULATE_N):
        assert value(gradients(square(x), x, aggregation_method=method)[0]) == 4.0
    with pytest.raises(ValueError, match="Invalid `aggregation_method` specified 7"):
        gradients(square(x), x, aggregation_method=7)


def test_the_seed_of_a_known_shape_does_not_wait_for_the_loss() -> None:
    """The value of y is not computed where only its gradient is asked for."""
    x = placeholder("float32", [])
    y = add(x, placeholder("float32", [], name="never_fed"))
    (dx,) = gradients(y, x)
    assert dx is not None
    assert Evaluator().run(dx, {x: np.float32(1.0)}) == 1.0


def test_a_chain_of_20000_operations_needs_no_recursion(graph: Graph) -> None:
    """The walk is a loop."""
    x = y = constant(1.0)
    for _ in range(20_000):
        y = graph.create_op("Identity", (y,), {}).outputs[0]
    assert value(gradients(y, x)[0]) == 1.0


def test_one_initial_gradient_is_that_of_each_value_of_y() -> None:
    x, unknown = constant([1.0, 2.0]), placeholder("float32")
    for seed in (2.0, [2.0], [[2.0]], [constant(2.0)], [constant([2.0])]):
        assert value(gradients(x * x, x, grad_ys=seed)[0]).tolist() == [4.0, 8.0]
        late = gradients(unknown * unknown, unknown, grad_ys=seed)[0]
        assert Evaluator().run(late, {unknown: np.array([1.0, 2.0], np.float32)}).tolist() == [4.0, 8.0]


@pytest.mark.parametrize("seed", [[True, False], [1j, 2j], np.array([1, 2], object), "a"])
def test_initial_gradients_that_are_no_real_numbers_are_refused(seed: Any) -> None:
    x = constant([1.0, 2.0])
    with pytest.raises(TypeError, match="float32"):
        gradients(x * x, x, grad_ys=[seed])


def test_the_second_gradient_of_a_relu_is_zero() -> None:
    x = constant([-1.0, 0.0, 2.0])
    first = gradients(relu(x), x)[0]
    assert value(gradients(first, x)[0]).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("numbers", [[2.0, 0.0, 3.0, 5.0, 7.0], [2.0, 0.0, 0.0, 5.0, 7.0], [1.5, 2.0, 4.0, 0.5, 3.0]])
def test_the_third_gradient_of_a_product_holds_for_zeros_too(numbers: list[float]) -> None:
    x, v, w = constant(numbers, "float64"), constant(np.arange(1.0, 6.0)), constant(np.arange(3.0, 8.0))
    first = gradients(reduce_prod(x), x)[0]
    assert first is not None
    second = gradients(first * v, x)[0]
    assert second is not None
    found = value(gradients(second * w, x)[0])
    wanted = [
        sum(
            (1.0 + i) * (3.0 + j) * np.prod([number for m, number in enumerate(numbers) if m not in (i, j, k)])
            for i, j in permutations(range(5), 2)
            if k not in (i, j)
        )
        for k in range(5)
    ]
    np.testing.assert_allclose(found, wanted)

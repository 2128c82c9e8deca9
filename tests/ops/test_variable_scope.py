"""get_variable, variable_scope, initializers, report_uninitialized_variables: V34.5, V34.10."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dflow.graph import Graph, GraphKeys
from dflow.ops.array.constants import constant
from dflow.ops.control import no_op
from dflow.ops.math.arithmetic import multiply
from dflow.ops.state.get_variable import REGULARIZATION_LOSSES, get_variable
from dflow.ops.state.initializers import (
    Initializer,
    constant_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    zeros_initializer,
)
from dflow.ops.state.variable_lists import (
    global_variables,
    global_variables_initializer,
    report_uninitialized_variables,
    trainable_variables,
)
from dflow.ops.state.variable_scope import AUTO_REUSE, VariableScope, get_variable_scope, variable_scope
from dflow.ops.state.variables import Variable
from dflow.ops.state.variance_scaling import glorot_normal_initializer, glorot_uniform_initializer
from tests.train.run import Evaluator


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made


def value(variable: Variable) -> Any:
    run = Evaluator()
    run.run(variable.initializer)
    return run.run(variable)


# -- making and finding


def test_a_variable_is_named_after_its_scopes_and_not_after_name_scopes(graph: Graph) -> None:
    """V34.10: operations are under both."""
    with variable_scope("a"), graph.name_scope("n"), variable_scope("b"):
        assert get_variable("x", [2, 3]).name == "a/b/x:0"
        assert no_op(name="op").name == "a/n/b/op"
    assert get_variable("x", [2, 3]).name == "x:0"


def test_making_a_variable_twice_is_a_value_error() -> None:
    """V34.10: it says where the first one was made."""
    get_variable("x", [1])
    with pytest.raises(ValueError, match=r"Variable x already exists, disallowed.*test_variable_scope\.py"):
        get_variable("x", [1])


def test_reuse_of_a_missing_variable_is_a_value_error() -> None:
    """V34.10."""
    with variable_scope("a", reuse=True), pytest.raises(ValueError, match="Variable a/x does not exist"):
        get_variable("x", [1])


def test_a_variable_made_otherwise_is_not_found() -> None:
    """V34.10: only those of get_variable are."""
    Variable([1.0], name="x")
    with variable_scope("", reuse=True), pytest.raises(ValueError, match="was not created with get_variable"):
        get_variable("x", [1])


def test_reuse_finds_the_same_variable() -> None:
    """V34.10: with its shape given again or left out."""
    with variable_scope("a"):
        x = get_variable("x", [2, 3], "float64")
    with variable_scope("a", reuse=True):
        assert get_variable("x", dtype="float64") is x
        assert get_variable("x", [2, 3], "float64") is x
        assert get_variable("x", [2, None], "float64") is x
    assert global_variables() == [x]


def test_auto_reuse_makes_then_finds() -> None:
    """V34.10."""
    found = []
    for _ in range(2):
        with variable_scope("a", reuse=AUTO_REUSE):
            found.append(get_variable("x", [1]))
    assert found[0] is found[1]


def test_reuse_with_another_shape_or_dtype_is_a_value_error() -> None:
    """V34.10."""
    get_variable("x", [2, 3])
    with variable_scope("", reuse=True):
        with pytest.raises(ValueError, match=r"specified shape \(3, 2\) and found shape \(2, 3\)"):
            get_variable("x", [3, 2])
        with pytest.raises(ValueError, match="specified dtype int32 and found dtype float32"):
            get_variable("x", [2, 3], "int32")


# -- scopes


def test_reuse_holds_in_inner_scopes_and_ends_with_its_block() -> None:
    """V34.10: reuse=False inside changes nothing; reuse_variables starts in the middle of a block."""
    with variable_scope("a") as scope:
        assert scope.reuse is False
        get_variable("x", [1])
        scope.reuse_variables()
        get_variable("x", [1])
        with variable_scope("b", reuse=False) as inner:
            assert inner.reuse is True
    with variable_scope("a") as again:
        assert again.reuse is False


def test_a_scope_can_be_entered_again_as_an_object(graph: Graph) -> None:
    """V34.10: from anywhere; its variables keep their names, its operations get a new name scope."""
    with variable_scope("a") as a:
        x = get_variable("x", [1])
    with variable_scope("other"), variable_scope(a, reuse=True) as again:
        assert again.name == "a"
        assert again.original_name_scope == "a/"
        assert get_variable("x", [1]) is x
        assert no_op(name="op").name == "other/a/op"
    assert get_variable_scope().name == ""


def test_default_names_are_made_unique_and_start_anew_in_a_scope_that_is_entered_again() -> None:
    """V34.10: so that a second pass finds the variables of the first one."""

    def names() -> list[str]:
        found = []
        for _ in range(2):
            with variable_scope(None, "layer"):
                found.append(get_variable("w", [1]).name)
        return found

    for reuse in (None, True):
        with variable_scope("model", reuse=reuse):
            assert names() == ["model/layer/w:0", "model/layer_1/w:0"]
    assert names() == ["layer/w:0", "layer_1/w:0"]


def test_a_scope_gives_defaults_to_its_variables() -> None:
    """V34.10: initializer, dtype and regularizer; an inner block's win."""
    with variable_scope("a", initializer=ones_initializer(), dtype="float64", regularizer=lambda v: v.value()):
        x = get_variable("x", [2])
        with variable_scope("b", initializer=zeros_initializer()) as scope:
            y = get_variable("y", [2])
            scope.set_initializer(constant_initializer(5))
            z = get_variable("z", [2])
    np.testing.assert_array_equal([value(x), value(y), value(z)], [[1, 1], [0, 0], [5, 5]])
    assert x.dtype == y.dtype == "float64"


def test_a_regularizer_adds_a_loss_for_a_new_variable_only(graph: Graph) -> None:
    """V34.10: in the collection REGULARIZATION_LOSSES."""
    for reuse in (False, True):
        with variable_scope("a", reuse=reuse):
            get_variable("x", [2], regularizer=lambda v: multiply(v.value(), 0.5, name="half"))
    assert [loss.name for loss in graph.get_collection(REGULARIZATION_LOSSES)] == ["a/x/Regularizer/half:0"]


def test_a_scope_lists_its_variables() -> None:
    """V34.10."""
    with variable_scope("a") as scope:
        x, y = get_variable("x", [1]), get_variable("y", [1], trainable=False)
    with variable_scope("ab"):
        get_variable("z", [1])
    assert scope.global_variables() == [x, y]
    assert scope.trainable_variables() == [x]


def test_a_scope_without_a_name_scope(graph: Graph) -> None:
    """V34.10: auxiliary_name_scope=False."""
    with graph.name_scope("n"), variable_scope("a", auxiliary_name_scope=False) as scope:
        assert get_variable("x", [1]).name == "a/x:0"
        assert no_op(name="op").name == "n/op"
        assert scope.original_name_scope == "n/"


def test_scopes_are_those_of_the_thread_and_variables_those_of_the_graph(graph: Graph) -> None:
    """P21.10: a new thread starts outside of all blocks, and finds the variables of others."""
    found: list[Any] = []

    def build() -> None:
        with graph.as_default(), variable_scope("a", reuse=True):
            found.extend([get_variable_scope().name, get_variable("x")])

    with variable_scope("a"):
        x = get_variable("x", [1])
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert found == ["a", x]


def test_threads_that_share_a_variable_make_it_once(graph: Graph) -> None:
    """V34.10: AUTO_REUSE in many threads."""
    found: list[Variable] = []
    start = threading.Barrier(8)

    def build() -> None:
        start.wait()
        with graph.as_default(), variable_scope("a", reuse=AUTO_REUSE):
            found.append(get_variable("x", [1]))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert global_variables() == found[:1]


def test_each_graph_has_its_own_variables(graph: Graph) -> None:
    """V34.10."""
    x = get_variable("x", [1])
    with Graph().as_default() as other:
        y = get_variable("x", [1])
    assert (x.graph, y.graph) == (graph, other)
    assert graph.get_all_collection_keys() == [GraphKeys.GLOBAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES]


def test_what_a_scope_cannot_be_is_said() -> None:
    """V34.10."""
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"name_or_scope": None}, TypeError, "name_or_scope is required"),
        ({"name_or_scope": "a", "reuse": "yes"}, ValueError, "The reuse parameter must be"),
        ({"name_or_scope": None, "default_name": "a", "reuse": True}, ValueError, "reuse=True cannot be used"),
        ({"name_or_scope": 3}, TypeError, "must be a string or VariableScope"),
        ({"name_or_scope": "a", "auxiliary_name_scope": 3}, TypeError, "auxiliary_name_scope"),
    ]
    for arguments, error, text in wrong:
        with pytest.raises(error, match=text), variable_scope(**arguments):
            pass


def test_the_scope_at_the_start_is_the_root() -> None:
    """V34.10."""
    scope = get_variable_scope()
    assert isinstance(scope, VariableScope)
    assert (scope.name, scope.reuse, scope.dtype) == ("", False, "float32")


# -- initial values


def test_collections_and_trainable_are_handed_on() -> None:
    """V34.3."""
    get_variable("x", [1], trainable=False)
    y = get_variable("y", [1])
    z = get_variable("z", [1], collections=["mine"], trainable=False)
    assert trainable_variables() == [y]
    assert z not in global_variables()


@pytest.mark.parametrize(
    ("initializer", "wanted", "dtype"),
    [
        ([1.0, 2.0], [1.0, 2.0], "float32"),
        (7, 7, "int32"),
        (np.array([1.5]), [1.5], "float64"),
        (lambda: constant([3.0]), [3.0], "float32"),
    ],
)
def test_an_initial_value_brings_its_own_shape_and_dtype(initializer: Any, wanted: Any, dtype: str) -> None:
    """V34.10: a value, or a function without arguments."""
    x = get_variable("x", initializer=initializer)
    np.testing.assert_array_equal(value(x), wanted)
    assert x.dtype == dtype


def test_an_initializer_may_be_a_class_or_a_function() -> None:
    """V34.10: a function of a shape and a dtype."""
    x = get_variable("x", [2], initializer=ones_initializer)
    y = get_variable("y", [2], "int32", initializer=lambda shape, dtype: constant(9, dtype, shape))
    np.testing.assert_array_equal(value(x), [1.0, 1.0])
    np.testing.assert_array_equal(value(y), [9, 9])


def test_without_an_initializer_floats_are_glorot_uniform_and_the_rest_is_zero() -> None:
    """V34.10: |value| < sqrt(6 / (fan_in + fan_out))."""
    x = value(get_variable("x", [30, 20]))
    assert x.dtype == np.float32
    assert 0.9 * np.sqrt(6 / 50) < np.abs(x).max() < np.sqrt(6 / 50)
    np.testing.assert_array_equal(value(get_variable("n", [2], "int64")), [0, 0])
    np.testing.assert_array_equal(value(get_variable("b", [2], "bool")), [False, False])
    np.testing.assert_array_equal(value(get_variable("s", [2], "string")), [b"", b""])
    with pytest.raises(ValueError, match="An initializer for variable c of complex64 is required"):
        get_variable("c", [2], "complex64")


def test_the_shape_of_a_new_variable_must_be_known() -> None:
    """V34.10."""
    with pytest.raises(ValueError, match=r"Shape of a new variable \(x\) must be fully defined"):
        get_variable("x", [None, 2])
    with pytest.raises(ValueError, match=r"Shape of a new variable \(x\) must be fully defined"):
        get_variable("x")
    with pytest.raises(ValueError, match="If initializer is a constant, do not specify shape"):
        get_variable("x", [2], initializer=[1.0, 2.0])


def made_by(initializer: Initializer, shape: list[int]) -> Any:
    return Evaluator().run(initializer(shape))


@pytest.mark.parametrize(
    ("initializer", "wanted"),
    [
        (zeros_initializer(), [[0.0, 0.0], [0.0, 0.0]]),
        (ones_initializer(), [[1.0, 1.0], [1.0, 1.0]]),
        (constant_initializer(3), [[3.0, 3.0], [3.0, 3.0]]),
        (constant_initializer([1, 2, 3]), [[1.0, 2.0], [3.0, 3.0]]),
        (constant_initializer(np.arange(4)), [[0.0, 1.0], [2.0, 3.0]]),
    ],
)
def test_a_constant_initializer_fills_the_shape(initializer: Initializer, wanted: Any) -> None:
    """The last value fills what is left; floats unless another dtype is given."""
    found = made_by(initializer, [2, 2])
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.float32
    assert Evaluator().run(initializer([2, 2], "int32")).dtype == np.int32


def test_a_constant_initializer_checks_its_value() -> None:
    """TypeError for what is no value, or with verify_shape has another shape."""
    with pytest.raises(TypeError, match="Invalid type for initial value"):
        constant_initializer({1: 2})
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        constant_initializer([1, 2], verify_shape=True)([3])


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation", "bound"),
    [
        (random_uniform_initializer(2.0, 4.0, seed=1), 3.0, 2 / np.sqrt(12), 1.0),
        (random_uniform_initializer(seed=1), 0.5, 1 / np.sqrt(12), 0.5),
        (random_normal_initializer(1.0, 2.0, seed=1), 1.0, 2.0, np.inf),
        (truncated_normal_initializer(1.0, 2.0, seed=1), 1.0, 2.0 * 0.87963, 4.0),
        (glorot_uniform_initializer(seed=1), 0.0, np.sqrt(2 / 500), np.sqrt(6 / 500)),
        (glorot_normal_initializer(seed=1), 0.0, np.sqrt(2 / 500), 2 * np.sqrt(2 / 500) / 0.87962),
    ],
    ids=["uniform", "uniform_01", "normal", "truncated", "glorot_uniform", "glorot_normal"],
)
def test_a_random_initializer_has_the_moments_it_says(
    initializer: Initializer, mean: float, deviation: float, bound: float
) -> None:
    """Of 200 by 300 values; no value is further than `bound` from the mean."""
    found = made_by(initializer, [200, 300])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(), mean, atol=0.02 * deviation)
    np.testing.assert_allclose(found.std(), deviation, rtol=0.02)
    assert np.abs(found - mean).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize(("shape", "fans"), [([], 2), ([7], 14), ([3, 5], 8), ([2, 2, 3, 5], 32)])
def test_glorot_counts_inputs_and_outputs(shape: list[int], fans: int) -> None:
    """The last two axes are inputs and outputs, those before them a window."""
    limit = np.sqrt(6 / fans)
    draws = [np.abs(made_by(glorot_uniform_initializer(seed=seed), shape)).max() for seed in range(1, 60)]
    assert 0.8 * limit < max(draws) <= limit * (1 + 1e-6)


@pytest.mark.parametrize("kind", [glorot_uniform_initializer, glorot_normal_initializer, random_normal_initializer])
def test_a_random_initializer_of_integers_is_a_value_error(kind: Callable[..., Initializer]) -> None:
    """Normal and Glorot draws are floats."""
    with pytest.raises(ValueError, match="Expected floating point type, got int32"):
        kind(dtype="int32")


# -- which variables have no value


def test_uninitialized_variables_are_reported_by_name() -> None:
    """V34.5: bytes; global and local variables by default."""
    a, b = get_variable("a", [1]), Variable(1, name="b", collections=[GraphKeys.LOCAL_VARIABLES], trainable=False)
    report, of_a = report_uninitialized_variables(), report_uninitialized_variables([a])
    assert (report.dtype, report.shape.as_list()) == ("string", [None])
    run = Evaluator()
    assert list(run.run(report)) == [b"a", b"b"]
    run.run(a.initializer)
    assert list(run.run(report)) == [b"b"]
    assert list(run.run(of_a)) == []
    run.run([global_variables_initializer(), b.initializer])
    assert run.run(report).shape == (0,)


def test_without_variables_the_report_is_empty() -> None:
    """V34.5."""
    found = Evaluator().run(report_uninitialized_variables())
    assert (found.shape, found.dtype) == ((0,), object)

"""Assertions about values, shapes and dtypes, and checks of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from dflow.graph import Graph
from dflow.ops.array.constants import placeholder
from tests.ops.evaluate import Evaluator


def run(op: Any, feeds: Any = None) -> Any:
    return Evaluator()(op, feeds)


# -- values


@pytest.mark.parametrize(
    ("function", "fits", "does_not", "text"),
    [
        (df.assert_equal, ([1, 2], [1, 2]), ([1, 2], [1, 3]), "Condition x == y did not"),
        (df.assert_none_equal, ([1, 2], [2, 1]), ([1, 2], [3, 2]), "Condition x != y did not"),
        (df.assert_less, ([1, 2], [2, 3]), ([1, 2], [1, 3]), "Condition x < y did not"),
        (df.assert_less_equal, ([1, 2], [1, 3]), ([1, 2], [0, 3]), "Condition x <= y did not"),
        (df.assert_greater, ([1, 2], 0), ([1, 2], 1), "Condition x > y did not"),
        (df.assert_greater_equal, ([1, 2], 1), ([1, 2], 2), "Condition x >= y did not"),
        (df.assert_near, ([1, 2], [1, 2]), ([1.0, 2.0], [1.0, 2.1]), "x and y not equal to tolerance"),
        (lambda x, y, **more: df.assert_positive(x, **more), ([1, 2], 0), ([0, 2], 0), "Condition x > 0 did not"),
        (lambda x, y, **more: df.assert_negative(x, **more), ([-1], 0), ([0], 0), "Condition x < 0 did not"),
        (lambda x, y, **more: df.assert_non_negative(x, **more), ([0, 2], 0), ([-1], 0), "Condition x >= 0 did not"),
        (lambda x, y, **more: df.assert_non_positive(x, **more), ([0, -2], 0), ([1], 0), "Condition x <= 0 did not"),
    ],
)
def test_a_comparison_that_does_not_hold_is_an_error_with_its_operands(
    function: Any, fits: Any, does_not: Any, text: str
) -> None:
    first, second = placeholder("float32", None, "first"), placeholder("float32", None, "second")
    op = function(first, second, message="the message")
    assert run(op, {first: fits[0], second: fits[1]}) is None
    assert run(op, {first: [], second: []}) is None
    with pytest.raises(errors.InvalidArgumentError, match=rf"assertion failed: \[the message\] \[{text}.*first:0"):
        run(op, {first: does_not[0], second: does_not[1]})
    if function is not df.assert_near:
        with pytest.raises(errors.InvalidArgumentError, match="the message"):
            function(np.float32(does_not[0]), np.float32(does_not[1]), message="the message")  # both are known
    assert run(function(np.float32(fits[0]), np.float32(fits[1]))) is None


def test_an_error_shows_the_data_that_it_is_given_and_a_few_values_of_each() -> None:
    x = placeholder("int32", [None, 2], "x")
    op = df.assert_less(x, 3, data=["shown", x], summarize=3, name="small")
    assert (op.name, op.type) == ("small/Assert/Assert", "Assert")
    with pytest.raises(errors.InvalidArgumentError, match=r"assertion failed: \[shown\] \[\[1 2\]\[3\.\.\.\]\]"):
        run(op, {x: [[1, 2], [3, 4]]})


def test_a_tolerance_is_relative_to_the_second_operand() -> None:
    x = placeholder("float64", [])
    op = df.assert_near(x, 100.0 * df.constant(1.0, "float64"), rtol=0.01, atol=0.5)
    assert run(op, {x: 101.4}) is None
    with pytest.raises(errors.InvalidArgumentError, match="rtol"):
        run(op, {x: 101.6})


def test_values_ascend_or_not() -> None:
    for values, not_down, up in [([1, 2, 3], True, True), ([1, 1], True, False), ([[1, 3], [2, 4]], False, False)]:
        assert run([df.is_non_decreasing(values), df.is_strictly_increasing(values)]) == [not_down, up]
    assert run([df.is_non_decreasing([]), df.is_strictly_increasing([7])]) == [True, True]


# -- shapes


@pytest.mark.parametrize(
    ("function", "wanted", "fits", "does_not"),
    [
        (df.assert_rank, 1, [1.0], [[1.0]]),
        (df.assert_rank_at_least, 1, [[1.0]], 1.0),
        (df.assert_rank_in, (0, 2), [[1.0]], [1.0]),
    ],
)
def test_a_rank_is_checked_at_once_if_it_is_known_and_else_by_a_run(
    function: Any, wanted: Any, fits: Any, does_not: Any
) -> None:
    with pytest.raises(ValueError, match="must have rank"):
        function(df.constant(does_not), wanted)
    assert function(df.constant(fits), wanted).type == "NoOp"
    x = placeholder("float32", None, "x")
    op = function(x, wanted, message="of x")
    assert run(op, {x: fits}) is None
    with pytest.raises(errors.InvalidArgumentError, match=r"of x.*Tensor x:0 must have rank"):
        run(op, {x: does_not})


def test_a_rank_is_an_integer_scalar_and_may_be_fed() -> None:
    x, rank = placeholder("float32", None), placeholder("int32", None)
    op = df.assert_rank(x, rank)
    assert run(op, {x: [1.0], rank: 1}) is None
    with pytest.raises(errors.InvalidArgumentError, match="must have rank"):
        run(op, {x: [1.0], rank: 2})
    with pytest.raises(errors.InvalidArgumentError, match="Rank must be a scalar"):
        run(op, {x: [1.0], rank: [1, 2]})
    with pytest.raises(ValueError, match="Rank must be a scalar"):
        df.assert_rank(x, [1, 2])
    with pytest.raises(TypeError, match="must be of type"):
        df.assert_rank(x, 0.5)
    assert df.assert_scalar(df.constant(1.0)).shape.ndims == 0
    with pytest.raises(ValueError, match="Expected scalar"):
        df.assert_scalar([1.0])


def test_symbols_stand_for_one_size_in_all_shapes() -> None:
    x, y = placeholder("float32", [None, 3]), placeholder("float32", None)
    op = df.debugging.assert_shapes([(x, ("n", "m")), (y, ("n", None, "m"))])
    assert run(op, {x: np.ones((2, 3)), y: np.ones((2, 7, 3))}) is None
    for wrong in ((3, 7, 3), (2, 7, 4), (2, 3)):
        with pytest.raises(errors.InvalidArgumentError):
            run(op, {x: np.ones((2, 3)), y: np.ones(wrong)})
    with pytest.raises(ValueError, match="must have size 4"):
        df.debugging.assert_shapes({x: ("...", 4)})


def test_a_shape_that_is_ensured_is_static_and_checked() -> None:
    x = placeholder("float32", None)
    y = df.ensure_shape(x, [None, 2])
    assert y.shape.as_list() == [None, 2]
    np.testing.assert_array_equal(run(y, {x: np.ones((3, 2))}), np.ones((3, 2)))
    with pytest.raises(
        errors.InvalidArgumentError, match=r"Shape of tensor \w+ \[3\] is not compatible with expected shape \[\?,2\]"
    ):
        run(y, {x: np.ones(3)})
    with pytest.raises(ValueError, match="must be equal rank, but are 0 and 1"):
        df.ensure_shape(df.constant(1.0), [1])


# -- dtypes


def test_dtypes_are_checked_while_the_graph_is_built() -> None:
    x, n = df.constant(1.0), df.constant(1)
    assert df.assert_integer(n).type == df.assert_type(x, df.float32).type == "NoOp"
    with pytest.raises(TypeError, match='Expected "x" to be integer type'):
        df.assert_integer(x)
    with pytest.raises(TypeError, match=r"must be of type.*int32"):
        df.assert_type(x, df.int32)
    assert df.assert_same_float_dtype([x, None], df.float32) == df.float32
    with pytest.raises(ValueError, match="Expected float32, got int32"):
        df.assert_same_float_dtype([x, n])
    with pytest.raises(ValueError, match="Expected floating"):
        df.assert_same_float_dtype([n])
    assert [df.is_numeric_tensor(it) for it in (x, n, df.constant("a"), 1.0)] == [True, True, False, False]
    df.assert_proper_iterable([1, 2])
    for wrong in (x, "text", np.ones(2), 1):
        with pytest.raises(TypeError, match="iterable"):
            df.assert_proper_iterable(wrong)


# -- numbers


def test_nan_and_infinity_are_found_in_values_and_in_gradients() -> None:
    x = placeholder("float32", None)
    y = df.check_numerics(x, "of x")
    for values, text in (([np.nan], "NaN"), ([np.inf, 1], "Inf"), ([np.nan, -np.inf], "Inf and NaN")):
        with pytest.raises(errors.InvalidArgumentError, match=f"of x : Tensor had {text} values"):
            run(y, {x: values})
    (dx,) = gradients(df.divide(1.0, df.check_numerics(x, "of x") - 1.0), [x])
    with pytest.raises(errors.InvalidArgumentError, match=r"detected in gradient\. of x"):
        run(dx, {x: 1.0})
    assert run(df.verify_tensor_all_finite(x, "finite"), {x: 2.0}) == 2
    with pytest.raises(errors.InvalidArgumentError, match="finite : Tensor had NaN"):
        run(df.verify_tensor_all_finite(x=x, message="finite"), {x: np.nan})
    with pytest.raises(TypeError, match="not in list of allowed values"):
        df.check_numerics(df.constant(1), "an integer")


def test_every_floating_tensor_of_a_graph_is_checked_in_order() -> None:
    with Graph().as_default():
        x = placeholder("float32", [], "x")
        y = df.log(x, name="y")
        df.exp(y, name="z")
        op = df.add_check_numerics_ops()
        assert run(op, {x: 1.0}) is None
        with pytest.raises(errors.InvalidArgumentError, match="y:0 : Tensor had Inf"):
            run(op, {x: 0.0})


def test_debugging_has_other_names_for_what_is_there() -> None:
    assert df.debugging.assert_all_finite is df.verify_tensor_all_finite
    own = {"assert_all_finite", "assert_shapes"}
    assert [n for n in df.debugging.__all__ if n not in own and getattr(df, n) is not getattr(df.debugging, n)] == []

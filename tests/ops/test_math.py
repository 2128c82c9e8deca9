"""Arithmetic beyond the oracle table: operators, operands of several kinds, errors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.errors import DTypeError, ShapeError
from dflow.gradients import gradients
from dflow.graph import Graph, Tensor
from dflow.ops.array.constants import constant, placeholder
from dflow.ops.state.variable_lists import global_variables_initializer
from dflow.ops.state.variables import Variable
from tests.ops.evaluate import Evaluator

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
COMPARE = [operator.lt, operator.le, operator.gt, operator.ge]


def value(tensor: Tensor, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


# -- operators


@pytest.mark.parametrize("function", [*BINARY, *COMPARE])
def test_operators_compute_what_python_computes(function: Callable[..., Any]) -> None:
    x, y = np.array([3.0, 1.0], np.float32), np.array([2.0, 4.0], np.float32)
    found = value(function(constant(x), constant(y)))
    np.testing.assert_allclose(found, function(x, y))


@pytest.mark.parametrize("function", BINARY)
@pytest.mark.parametrize("other", [2, 2.0, np.float64(2), np.array([2.0, 4.0]), [2, 4]])
def test_a_number_on_either_side_takes_the_dtype_of_the_tensor(function: Callable[..., Any], other: Any) -> None:
    x = np.array([3.0, 1.0], np.float32)
    for tensor, wanted in [
        (function(constant(x), other), function(x, np.asarray(other, np.float32))),
        (function(other, constant(x)), function(np.asarray(other, np.float32), x)),
    ]:
        assert tensor.dtype == "float32"
        np.testing.assert_allclose(value(tensor), wanted)


def test_unary_and_logical_operators() -> None:
    x, b = constant([1.5, -2.0]), constant([True, False])
    np.testing.assert_array_equal(value(-x), [-1.5, 2.0])
    np.testing.assert_array_equal(value(abs(x)), [1.5, 2.0])
    np.testing.assert_array_equal(value(~b), [False, True])
    np.testing.assert_array_equal(value(b & True), [True, False])
    np.testing.assert_array_equal(value(False | b), [True, False])
    np.testing.assert_array_equal(value(b ^ b), [False, False])


def test_matmul_operator() -> None:
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(value(constant(a) @ a.T), a @ a.T)
    np.testing.assert_array_equal(value(a @ constant(a.T)), a @ a.T)


def test_variables_have_the_operators() -> None:
    v = Variable([1.0, 2.0], name="v")
    run = Evaluator()
    run(global_variables_initializer())
    np.testing.assert_array_equal(run(2 * v + 1), [3.0, 5.0])
    np.testing.assert_array_equal(run(np.array([1.0, 1.0]) - v), [0.0, -1.0])
    np.testing.assert_array_equal(run(v[1:]), [2.0])
    np.testing.assert_array_equal(run(-v < 0), [True, True])


def test_equality_is_identity() -> None:
    x, y = constant(1.0), constant(1.0)
    assert x == x
    assert x != y
    assert {x: 1}[x] == 1


def test_operators_name_their_operations_as_tensorflow_does() -> None:
    x = placeholder("float32", [2], name="x")
    names = [
        (x + 1.0).name,
        (1.0 - x).name,
        (x * x).name,
        (x / x).name,
        (x // x).name,
        (-x).name,
        (x < x).name,
        x[0].name,
    ]
    assert names == ["add:0", "sub:0", "mul:0", "truediv:0", "floordiv:0", "Neg:0", "Less:0", "strided_slice:0"]


def test_a_number_is_a_constant_inside_of_the_operations_scope(graph: Graph) -> None:
    total = placeholder("float32", []) + 1.0
    assert [x.name for x in total.op.inputs] == ["Placeholder:0", "add/y:0"]


# -- dtypes and shapes


@pytest.mark.parametrize("function", [df.add, df.multiply, df.divide, df.pow, df.less, df.equal])
def test_two_dtypes_are_an_error_that_names_both(function: Callable[..., Any]) -> None:
    x, y = placeholder("float32", [2], name="x"), placeholder("int32", [2], name="y")
    with pytest.raises(DTypeError, match=r"(?s)float32.*int32|int32.*float32"):
        function(x, y)


def test_a_dtype_error_names_the_operation_and_its_inputs() -> None:
    x, y = placeholder("float32", [2], name="x"), placeholder("float64", [2], name="y")
    with pytest.raises(DTypeError, match=r"(?s)sum_of_both \(Add\): .*x:0 float32 \(2,\), y:0 float64 \(2,\)"):
        df.add(x, y, name="sum_of_both")


def test_a_number_that_the_tensor_cannot_hold_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"(?s)Expected int32 passed to parameter 'y' of op 'Add', got 1.5 .*x:0"):
        placeholder("int32", [2], name="x") + 1.5


def test_shapes_that_do_not_broadcast_are_an_error_that_names_both() -> None:
    x, y = placeholder("float32", [2], name="x"), placeholder("float32", [3], name="y")
    with pytest.raises(ShapeError, match=r"(?s)Mul \(Mul\): .*\(2,\).*\(3,\)"):
        df.multiply(x, y)


def test_shapes_that_do_not_broadcast_at_run_time_are_an_error_that_names_both() -> None:
    x, y = placeholder("float32", None), placeholder("float32", None)
    feeds = {x: np.zeros(2), y: np.zeros(3)}
    with pytest.raises(errors.InvalidArgumentError, match=r"Incompatible shapes: \[2\] vs. \[3\]"):
        value(x + y, feeds)
    with pytest.raises(errors.InvalidArgumentError, match="same size and shape"):
        value(df.add_n([x, y]), feeds)


def test_an_integer_divided_by_zero_is_an_error() -> None:
    x = constant([1, 2])
    for tensor in (x // 0, x % [1, 0]):
        with pytest.raises(errors.InvalidArgumentError, match="Integer division by zero"):
            value(tensor)
    assert np.isinf(value(constant([1.0]) / 0.0)).all()


def test_an_integer_to_a_negative_power_is_an_error() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="negative integer powers"):
        value(constant([2]) ** -1)


def test_only_numbers_have_arithmetic() -> None:
    for function in (df.negative, df.square, df.reduce_sum):
        with pytest.raises(DTypeError, match="bool"):
            function(constant([True]))
    with pytest.raises(DTypeError, match="int32"):
        df.exp(constant([1]))
    with pytest.raises(DTypeError, match="string"):
        df.cast(constant(["1"]), "int32")


def test_matrices_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"a is \(2, 3\), b is \(2, 3\)"):
        df.matmul(placeholder("float32", [2, 3]), placeholder("float32", [2, 3]))
    with pytest.raises(ShapeError, match="rank 2"):
        df.matmul(placeholder("float32", [3]), placeholder("float32", [3, 1]))
    a = placeholder("float32", None)
    with pytest.raises(errors.InvalidArgumentError, match="size-incompatible"):
        value(df.matmul(a, a), {a: np.zeros((2, 3))})
    with pytest.raises(ValueError, match="transpose_a and adjoint_a"):
        df.matmul(a, a, transpose_a=True, adjoint_a=True)


# -- numbers


def test_true_division_of_integers_is_floating() -> None:
    assert (constant([7]) / 2).dtype == "float64"
    assert (constant(7, "int8") / constant(2, "int8")).dtype == "float32"
    np.testing.assert_array_equal(value(df.div(constant([7, -7]), 2)), [3, -4])


def test_the_mean_of_integers_is_rounded_towards_zero() -> None:
    np.testing.assert_array_equal(value(df.reduce_mean(constant([[3, 4], [-3, -4]]), 1)), [3, -3])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_the_mean_of_integers_is_right_where_their_sum_does_not_fit(dtype: str) -> None:
    most, least = np.iinfo(dtype).max, np.iinfo(dtype).min
    x = np.array([[most, most], [most - 2, most], [most, least]], dtype)
    exact = [int(sum(int(item) for item in column) / 3) for column in x.T]
    mean = value(df.reduce_mean(constant(x), 0))
    assert mean.dtype == dtype
    np.testing.assert_array_equal(mean, np.array(exact, dtype))
    assert value(df.reduce_mean(constant(x[:2]))) == most - 1


def test_reductions_of_nothing() -> None:
    nothing = constant([], "float32")
    assert value(df.reduce_sum(nothing)) == 0
    assert np.isnan(value(df.reduce_mean(nothing)))
    assert value(df.reduce_max(nothing)) == -np.inf
    assert value(df.reduce_min(constant([], "int32"))) == 2**31 - 1


def test_reductions_take_the_older_argument_names() -> None:
    x = constant([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(value(df.reduce_sum(x, reduction_indices=[1], keep_dims=True)), [[3.0], [7.0]])


def test_logsumexp_does_not_overflow() -> None:
    x = constant([[1000.0, 1000.0], [-np.inf, -np.inf]])
    np.testing.assert_allclose(value(df.reduce_logsumexp(x, 1)), [1000 + np.log(2), -np.inf], rtol=1e-6)


def test_count_nonzero_counts() -> None:
    assert value(df.count_nonzero(constant([0, 3, 4]))) == 2
    assert value(df.count_nonzero(constant(["", "a"]))) == 1


def test_the_sigmoid_does_not_overflow() -> None:
    np.testing.assert_allclose(value(df.sigmoid(constant([-1000.0, 0.0, 1000.0]))), [0, 0.5, 1])


def test_clip_by_value_clips() -> None:
    np.testing.assert_array_equal(value(df.clip_by_value(constant([1, 5, 3]), 2, 4)), [2, 4, 3])


def test_complex_gradients_are_conjugated() -> None:
    x, w = constant([1 + 2j]), constant([3 - 1j])
    (dx,) = gradients(df.multiply(x, w), x, constant([1 + 0j]))
    np.testing.assert_allclose(value(dx), [3 + 1j])


def test_casting_a_complex_number_to_a_real_one_takes_its_real_part() -> None:
    np.testing.assert_array_equal(value(df.cast(constant([1 + 2j]), "float32")), [1.0])


def test_cast_to_the_same_dtype_is_the_tensor_itself() -> None:
    x = constant([1.0])
    assert df.cast(x, "float32") is x
    assert df.to_float(constant([1])).dtype == "float32"


def test_equal_values_share_the_gradient_of_an_extreme() -> None:
    x = constant([1.0, 3.0, 3.0])
    np.testing.assert_array_equal(value(gradients(df.reduce_max(x), x)[0]), [0, 0.5, 0.5])


@pytest.mark.parametrize("function", [df.maximum, df.minimum])
def test_of_two_equal_values_the_first_gets_the_gradient(function: Callable[..., Any]) -> None:
    x, y = constant(1.0), constant(1.0)
    assert [value(g) for g in gradients(function(x, y), [x, y])] == [1.0, 0.0]


def test_where_needs_both_or_neither() -> None:
    with pytest.raises(ValueError, match="both"):
        df.where(constant([True]), constant([1]))
    with pytest.raises(ShapeError, match="Shapes must be equal rank, but are 1 and 0"):
        df.where(constant([True, False]), constant([1, 2]), 5)


def test_strings_compare_and_join() -> None:
    x = constant(["a", "b"])
    np.testing.assert_array_equal(value(df.equal(x, "a")), [True, False])
    assert value(df.equal(x, "a")).dtype == bool
    assert value(x + "c").tolist() == [b"ac", b"bc"]
    assert value(df.add(constant("a"), "c")).tolist() == b"ac"


@pytest.mark.parametrize("x", [[2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
def test_gradients_of_a_product_hold_for_zeros_whatever_their_order(x: list[float]) -> None:
    numbers, weights = constant(x), constant([1.0, 2.0, 3.0])
    a, b, c = x
    first = gradients(df.reduce_prod(numbers), numbers)[0]
    second = gradients(first * weights, numbers)[0]
    third = gradients(second * second, numbers)[0]
    along = [3 * b + 2 * c, 3 * a + c, 2 * a + b]
    np.testing.assert_array_equal(value(first), [b * c, a * c, a * b])
    np.testing.assert_array_equal(value(second), along)
    wanted = [6 * along[1] + 4 * along[2], 6 * along[0] + 2 * along[2], 4 * along[0] + 2 * along[1]]
    np.testing.assert_array_equal(value(third), wanted)
    np.testing.assert_array_equal(value(gradients(third, numbers)[0]), value(df.reduce_sum(_hessian(), 0)))


def _hessian() -> Any:
    """Of the sum of the squares of `along`, twice derived: constant."""
    along = np.array([[0, 3, 2], [3, 0, 1], [2, 1, 0]], np.float32)
    return 2 * along @ along


def test_the_sign_of_a_complex_number_has_a_gradient_but_at_zero() -> None:
    z = constant(np.array([1 + 1j, 0, -2j]))
    found = value(gradients(df.sign(z), z, constant(np.array([2 + 1j, 2 + 1j, 2 + 1j])))[0])
    np.testing.assert_allclose(found, [0.25 * np.sqrt(2) * (1 - 1j), 0, 1], atol=1e-12)


def test_the_second_gradient_of_a_complex_product_is_that_of_its_terms() -> None:
    z = constant([1 + 2j, 3 - 1j, 2j])
    a, b, c = z[0], z[1], z[2]
    dy = constant(1j, z.dtype)
    found = []
    for product in (df.reduce_prod(z), a * b * c):
        (first,) = gradients(product, z, dy)
        found.append(value(gradients(first, z, z)[0]))
    np.testing.assert_allclose(found[0], found[1])


def test_bits_are_combined_and_moved() -> None:
    bits, x, y = df.bitwise, np.array([-5, 3, 100], np.int8), np.array([3, 1, -1], np.int8)
    assert value(bits.bitwise_and(x, y)).tolist() == [3, 1, 100]
    assert value(bits.bitwise_or(x, y)).tolist() == [-5, 3, -1]
    assert value(bits.bitwise_xor(x, y)).tolist() == [-8, 2, -101]
    assert value(bits.invert(x)).tolist() == [4, -4, -101]
    assert value(bits.left_shift(x, [1, 1, 2])).tolist() == [-10, 6, -112]
    assert value(bits.right_shift(x, [1, 99, -7])).tolist() == [
        -3,
        0,
        100,
    ]  # by 7 places at most, and not by less than 0


def test_erf_of_single_precision_is_that_of_double_precision() -> None:
    x = np.concatenate([np.linspace(-7, 7, 40001), [0.0, 1e-30, -1e-3, np.inf, -np.inf]]).astype(np.float32)
    found = value(df.erf(x.reshape(-1, 2)[:, ::-1])).ravel()
    expected = value(df.erf(x.astype(np.float64).reshape(-1, 2)[:, ::-1])).ravel()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(value(df.erf(np.float32([np.nan]))))

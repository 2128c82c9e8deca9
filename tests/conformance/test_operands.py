"""Python and NumPy values beside tensors: which of them are cast, and which keep their dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf

NAN, INF = float("nan"), float("inf")


def run(fetches: Any, feeds: Any = None) -> Any:
    with tf.Session() as sess:
        return sess.run(fetches, feeds)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: getattr(tf, name)
        for name in ("add", "subtract", "multiply", "pow", "floordiv", "mod", "div", "truediv", "squared_difference")
    },
    **{name: getattr(tf, name) for name in ("maximum", "minimum", "equal", "not_equal", "less", "greater_equal")},
    "where": lambda x, y: tf.where([True, False], x, y),
    "matmul": lambda x, y: tf.matmul(np.reshape(x, [1, 2]), tf.reshape(y, [2, 1])),
    "bias_add": lambda x, y: tf.nn.bias_add(np.reshape(x, [1, 2]), y),
    "add_n": lambda x, y: tf.add_n([x, y]),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("left", [np.array([0.5, 1.7]), np.array([1, 2], np.int64), np.array([1.5, 2], np.float32)])
def test_an_array_left_of_a_tensor_keeps_its_dtype(function: Callable[[Any, Any], Any], left: Any) -> None:
    words = rf"and int32 differ|int32 that does not match type {left.dtype}|types .{left.dtype}, int32. that"
    with pytest.raises(TypeError, match=words):
        function(left, tf.constant([2, 4]))


@pytest.mark.parametrize("values", [(np.array([0.5]), 0), (0, np.array([0.5])), ([1.5], 0), (0, [1.5])])
def test_values_beside_a_tensor_that_is_added_keep_their_dtype(values: Any) -> None:
    with pytest.raises(TypeError, match=r"that don't all match|differ"):
        tf.add_n([tf.constant([2]) if isinstance(value, int) else value for value in values])


def test_an_array_right_of_a_tensor_and_one_left_of_an_operator_is_cast() -> None:
    x, array = tf.constant([2, 4]), np.array([1.7, 2])
    assert [it.tolist() for it in run([x * array, array * x, tf.multiply(x, array)])] == [[2, 8]] * 3
    assert run(np.float64(9.5) // x).tolist() == [4, 2]
    assert run(2 * tf.constant([1.5])).tolist() == [3.0]
    with pytest.raises(TypeError, match="Expected int32"):
        1.5 * x


def test_arrays_beside_a_tensor_in_a_list_are_cast_wherever_they_stand() -> None:
    x = tf.constant([2, 4])
    assert run(tf.stack([np.array([1.7, 2]), x])).tolist() == [[1, 2], [2, 4]]
    assert run(tf.concat([np.array([1.7, 2]), x], 0)).tolist() == [1, 2, 2, 4]


def test_values_without_a_tensor_have_one_dtype_together_or_are_refused() -> None:
    assert run(tf.stack([1, 2.0])).tolist() == [1.0, 2.0]
    assert run(tf.stack([np.int32(1), np.float64(2.5)])).tolist() == [1.0, 2.5]
    assert run(tf.stack([1, 2**40])).tolist() == [1, 2**40]
    for build in (
        lambda: tf.stack([np.array([1]), np.array([2.5])]),
        lambda: tf.concat([np.array([1]), np.array([2.5])], 0),
        lambda: tf.concat([[2.0], [1]], 0),
    ):
        with pytest.raises(TypeError, match=r"that don't all match|differ"):
            build()


def test_the_tensors_of_a_list_are_cast_to_the_dtype_that_is_asked_for() -> None:
    one, two = tf.constant(1), tf.constant(2.0)
    assert run(tf.convert_to_tensor([one, two, 3], tf.float32)).tolist() == [1.0, 2.0, 3.0]
    assert run(tf.convert_to_tensor([[one, 2], [3, 4]], tf.float32)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert run(tf.Variable([one, two], dtype=tf.float64).initial_value).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"that don't all match|differ"):
        tf.convert_to_tensor([one, two])
    with pytest.raises(TypeError, match="string"):
        tf.convert_to_tensor([tf.constant("a"), 1], tf.float32)


def test_a_norm_of_another_dtype_is_cast_to_that_of_what_is_clipped() -> None:
    for norm in (tf.constant(1), tf.constant(1.0), np.float64(1), 1):
        clipped = tf.clip_by_norm(tf.constant([3.0, 4.0], tf.float64), norm)
        np.testing.assert_allclose(run(clipped), [0.6, 0.8])


def test_labels_are_cast_to_the_dtype_of_the_logits_and_broadcast_to_their_shape() -> None:
    logits = tf.constant([[1.0, 2.0], [3.0, 5.0]])
    loss = tf.nn.softmax_cross_entropy_with_logits_v2
    wanted = run(loss(labels=[[0.0, 1.0], [0.0, 1.0]], logits=logits)).tolist()
    for labels in (tf.constant([[0, 1]]), np.array([[0, 1]]), tf.constant([0.0, 1.0], tf.float64)):
        assert run(loss(labels=labels, logits=logits)).tolist() == wanted
        assert run(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)).tolist() == wanted
    with pytest.raises(TypeError, match=r"that don't all match|differ"):
        tf.nn.sigmoid_cross_entropy_with_logits(labels=np.array([[0, 1]]), logits=logits)


@pytest.mark.parametrize("shape", [[1, 2], None])
def test_the_gradient_of_labels_that_were_broadcast_has_their_shape(shape: Any) -> None:
    labels, logits = tf.placeholder_with_default([[0.2, 0.8]], shape), tf.constant([[1.0, 2.0], [3.0, 5.0]])
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
    into_labels, into_logits = run(tf.gradients(loss, [labels, logits]))
    np.testing.assert_allclose(into_labels, [[3.44019, 0.44019]], rtol=1e-5)
    np.testing.assert_allclose(into_logits, [[0.068941, -0.068941], [-0.080797, 0.080797]], rtol=1e-4)


def test_labels_that_do_not_broadcast_to_the_logits_are_refused() -> None:
    loss = tf.nn.softmax_cross_entropy_with_logits_v2
    rows = tf.constant([[1.0, 2.0], [3.0, 5.0]])
    for labels, logits in ((rows, rows[:1]), (rows[:, :1] * [[1.0, 2.0, 3.0]], rows)):
        with pytest.raises(ValueError):
            loss(labels=labels, logits=logits)
        fed, late = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="broadcastable"):
            run(loss(labels=fed, logits=late), {fed: run(labels), late: run(logits)})


def test_an_axis_may_be_a_bool_or_a_whole_number_as_in_tensorflow() -> None:
    x = tf.constant([[1.0, 2.0], [3.0, 5.0]])
    for axis in (True, np.float32(1), np.True_):
        assert run(tf.cumsum(x, axis)).tolist() == [[1.0, 3.0], [3.0, 8.0]]
        assert run(tf.concat([x, x], axis)).tolist() == [[1.0, 2.0, 1.0, 2.0], [3.0, 5.0, 3.0, 5.0]]
    for axis in (True, 1.0):
        assert run(tf.one_hot([0, 1], 3, axis=axis)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        np.testing.assert_array_equal(run(tf.nn.softmax(x, axis)), run(tf.nn.softmax(x, 1)))
    with pytest.raises(TypeError):
        tf.cumsum(x, 1.0)


@pytest.mark.parametrize("function", [tf.nn.softmax, tf.nn.log_softmax])
def test_the_axis_of_a_softmax_may_be_a_tensor(function: Callable[..., Any]) -> None:
    x, axis = tf.constant([[1.0, 2.0], [3.0, 5.0]]), tf.placeholder(tf.int32, [])
    for number in (0, 1, -1):
        for given, feeds in ((tf.constant(number), {}), (axis, {axis: number})):
            wanted, found = function(x, number), function(x, given)
            pair = [found, tf.gradients(found[0], x)[0], wanted, tf.gradients(wanted[0], x)[0]]
            values = run(pair, feeds)
            np.testing.assert_allclose(values[:2], values[2:], rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(function(x, axis), {axis: 2})


def test_what_a_static_shape_tells_is_in_the_graph_of_the_tensor() -> None:
    other = tf.Graph()
    with other.as_default():
        x, number = tf.constant([[1.0, 2.0]]), tf.constant(3.0)
    built = [tf.shape(x), tf.size(x), tf.rank(x), tf.boolean_mask(x, [True]), tf.one_hot([0], 2, on_value=number)]
    built += [tf.boolean_mask([1.0, 2.0], x[0] > 1.0)]
    assert [it.graph for it in built] == [other] * 6
    with tf.Session(graph=other) as sess:
        found = [it.tolist() for it in sess.run(built)]
    assert found == [[1, 2], 2, 2, [[1.0, 2.0]], [[3.0, 0.0]], [2.0]]


def test_values_beside_a_tensor_of_another_graph_are_built_in_that_graph() -> None:
    other = tf.Graph()
    with other.as_default():
        number, axis, vector = tf.constant(1.0), tf.placeholder(tf.int32, []), tf.constant([1.0, 2.0])
    built = [
        tf.clip_by_value([1.0, 2.0], number, number),
        tf.clip_by_norm([1.0, 2.0], number),
        tf.clip_by_global_norm([[1.0, 2.0]], number)[0][0],
        tf.concat([[1.0], [2.0]], axis),
        tf.pad([1.0], [[axis, 1]]),
        tf.pad([1.0], [[1, 1]], constant_values=number),
        tf.nn.dropout([1.0, 2.0], number),
        tf.convert_to_tensor([number, 1]),
        *tf.tuple([vector, [1.0]]),
    ]
    assert [it.graph for it in built] == [other] * len(built)


def test_one_size_may_be_a_scalar_whose_rank_is_not_known() -> None:
    assert run(tf.fill(tf.placeholder_with_default(3, None), 1.0)).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.fill(tf.placeholder_with_default([[3]], None), 1.0))


def test_a_list_of_indices_is_a_tuple_of_them() -> None:
    x = tf.constant([[1.0, 2.0], [3.0, 5.0]])
    assert run([x[[0, 1]], x[[0]], x[[..., 0]], x[[tf.constant(1), 0]]])[0] == 2.0
    assert run([x[[0]], x[[..., 0]]])[1].tolist() == [1.0, 3.0]
    with pytest.raises(TypeError):
        x[[[0, 1]]]


def test_epochs_are_counted_in_whole_numbers() -> None:
    limited = tf.train.limit_epochs(tf.constant(7), 1.5)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert sess.run(limited) == 7
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(limited)


# -- what is known, or refused, while the graph is built


def test_what_fails_when_it_is_computed_fails_in_the_run_not_in_the_building() -> None:
    zero = tf.constant(0)
    for built in (
        tf.zeros([tf.constant(4) // zero]),
        tf.reshape(tf.constant([1]), [tf.constant(4) % zero]),
        tf.cumsum(tf.constant([1, 2]), tf.constant(1) // zero),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
            run(built)


@pytest.mark.parametrize("values", [(0.0, INF), (0.0, NAN), (NAN, 1.0), (0.0, 1.0, NAN), (0.0, -INF, -1.0), (INF, INF)])
def test_a_range_has_an_end(values: Any) -> None:
    with pytest.raises(ValueError, match="Requires start <= limit"):
        tf.range(*values)
    late = [tf.placeholder(tf.float32, []) for _ in values]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Requires start <= limit"):
        run(tf.range(*late), dict(zip(late, values, strict=True)))


def test_operations_refuse_dtypes_that_mean_nothing_to_them() -> None:
    builds: list[Callable[[], Any]] = [
        lambda: tf.Assert("a", ["shown"]),
        lambda: tf.Assert(tf.constant(1), ["shown"]),
        lambda: tf.Assert(True, "shown"),
        lambda: tf.Variable(True).assign_add(True),
        lambda: tf.conj(tf.constant(True)),
        lambda: tf.conj(tf.constant("a")),
        lambda: tf.constant([1.0]) & tf.constant([1.0]),
    ]
    for build in builds:
        with pytest.raises(TypeError):
            build()
    with pytest.raises(ValueError, match="at least one value"):
        tf.Assert(True, [])


def test_operators_of_integers_act_on_their_bits() -> None:
    x, small = tf.constant([3, 5]), tf.constant([200], tf.uint8)
    found = run([x & 1, 6 | x, x ^ tf.constant(6), ~x, small & 100, ~small, True & tf.constant([True, False])])
    assert [it.tolist() for it in found] == [[1, 1], [7, 7], [5, 3], [-4, -6], [64], [55], [True, False]]
    assert [it.dtype for it in found] == ["int32"] * 4 + ["uint8"] * 2 + ["bool"]


@pytest.mark.parametrize("value", [{}, object(), {1}, [None], len, 1 << 64, [1, 1 << 64]])
def test_a_value_that_is_no_tensor_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match=r"does not fit into any dtype|Failed to convert object of type"):
        tf.constant(value)


# -- sparse tensors, options, messages


@pytest.mark.parametrize("known", [True, False])
def test_a_sparse_tensor_has_the_shape_of_the_dense_one(known: bool) -> None:
    sizes = tf.constant([2, 3], tf.int64) if known else tf.placeholder_with_default(np.array([2, 3]), [2])
    sparse = tf.SparseTensor([[0, 1]], [1.5], sizes)
    found = run([tf.shape(sparse), tf.size(sparse), tf.rank(sparse), tf.zeros_like(sparse)])
    assert [it.tolist() for it in found] == [[2, 3], 6, 2, [[0.0] * 3] * 2]
    assert [it.dtype for it in found] == ["int32"] * 3 + ["float32"]
    assert tf.size(sparse, out_type=tf.int64).dtype == "int64"


def test_a_trace_level_has_a_name_and_a_number() -> None:
    levels = tf.RunOptions.TraceLevel
    assert (levels.Value("FULL_TRACE"), levels.Name(3), tf.RunOptions(trace_level="FULL_TRACE").trace_level) == (
        3,
        "FULL_TRACE",
        3,
    )
    assert levels.items() == list(zip(levels.keys(), levels.values(), strict=True))
    for wrong in (lambda: levels.Value("x"), lambda: levels.Name(9), lambda: tf.RunOptions(trace_level="x")):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError):
        tf.RunOptions(trace_level=1.5)


def test_a_message_of_a_tensor_is_given_back() -> None:
    message = tf.make_tensor_proto([1, 2])
    assert tf.make_tensor_proto(message) is message


# -- mirrored paddings, and where the extremes are


@pytest.mark.parametrize("mode", ["REFLECT", "SYMMETRIC"])
@pytest.mark.parametrize("paddings", [[[1, 1], [2, 0]], [[0, 1], [2, 2]]])
def test_the_gradient_of_a_mirrored_padding_comes_back_to_where_its_values_are_from(mode: str, paddings: Any) -> None:
    """The padding is linear: its gradient is the transpose of the matrix that the unit vectors give."""
    x, late = tf.placeholder(tf.float64, [2, 3]), tf.placeholder(tf.int32, [2, 2])
    for widths in (paddings, late):
        y = tf.pad(x, widths, mode)
        weights = tf.placeholder(tf.float64)
        (dx,) = tf.gradients(y * weights, x)
        (second,) = tf.gradients(dx * x, weights)
        with tf.Session() as sess:
            feeds: dict[Any, Any] = {late: paddings}
            units = np.eye(6).reshape(6, 2, 3)
            matrix = np.array([sess.run(y, {**feeds, x: unit}).ravel() for unit in units])
            upstream = np.arange(1.0, 1 + matrix.shape[1])
            feeds |= {x: np.ones([2, 3]), weights: upstream.reshape(sess.run(tf.shape(y), {**feeds, x: units[0]}))}
            np.testing.assert_allclose(sess.run(dx, feeds).ravel(), matrix @ upstream)
            np.testing.assert_allclose(sess.run(second, feeds).ravel(), matrix.T @ np.ones(6))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nan_is_left_out_of_the_places_of_extremes_wherever_it_stands(dtype: str) -> None:
    rows = np.array(
        [[1.0, 2.0, 0.0], [NAN, 2.0, 3.0], [2.0, NAN, 1.0], [1.0, 3.0, NAN], [NAN, NAN, NAN], [-INF, NAN, INF]]
    )
    x = tf.cast(tf.constant(rows), dtype)
    assert run(tf.argmax(x, 1)).tolist() == [1, 2, 0, 1, 0, 2]
    assert run(tf.argmin(x, 1)).tolist() == [2, 1, 2, 0, 0, 0]
    assert run(tf.argmax(x[0])).tolist() == 1

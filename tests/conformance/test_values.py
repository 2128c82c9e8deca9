"""Values as TensorFlow 1 gives them, at the edges: NaN, complex numbers, other byte orders, casts, feeds, old names."""

from __future__ import annotations

import pickle
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pytest

import dflow as tf

NAN, INF = float("nan"), float("inf")


def run(value: Any, feeds: dict[Any, Any] | None = None) -> Any:
    with tf.Session() as sess:
        return sess.run(value, feeds)


def test_nan_is_never_the_largest_nor_the_smallest() -> None:
    x = tf.constant([[3.0, NAN, 4.0], [NAN, NAN, NAN], [NAN, 1.0, 2.0]])
    assert run([tf.argmax(x, 1), tf.argmin(x, 1)])[0].tolist() == [2, 0, 2]
    assert run(tf.argmin(x, 1)).tolist() == [0, 0, 1]


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("kind", ["i2", "i4", "i8", "f4", "f8", "c8"])
def test_an_array_in_any_byte_order_is_the_numbers_that_it_holds(kind: str, order: str) -> None:
    foreign = np.array([1, 2, 300], dtype=order + kind)
    native = foreign.dtype.newbyteorder("=")
    fed = tf.placeholder(native, [3])
    returned = tf.py_func(lambda: foreign, [], native)
    variable = tf.Variable(foreign)
    assert variable.dtype == fed.dtype
    with tf.Session() as sess:
        sess.run(variable.initializer)
        for found in sess.run(
            [tf.constant(foreign), tf.convert_to_tensor(foreign), fed, returned, variable], {fed: foreign}
        ):
            assert (found.dtype, found.tolist()) == (native, [1, 2, 300])
        variable.load(foreign[::-1], sess)
        assert sess.run(variable).tolist() == [300, 2, 1]


def test_an_array_of_another_dtype_is_cast_and_python_numbers_that_would_lose_something_are_not() -> None:
    assert run(tf.constant(np.array([1.0, 2.7]), tf.int32)).tolist() == [1, 2]
    assert run(tf.constant(np.array([300, -1]), tf.uint8)).tolist() == [44, 255]
    with pytest.raises(TypeError):
        tf.constant([1.5], tf.int32)
    with pytest.raises(TypeError):
        tf.constant([300], tf.uint8)


def test_objects_bools_and_nested_keys_can_be_fed() -> None:
    p, c = tf.placeholder(tf.float32), tf.placeholder(tf.int32)
    mixed = np.array([[1.5, "a"], [2, "b"]], dtype=object)
    assert run(p, {p: mixed[:, 0]}).tolist() == [1.5, 2.0]
    assert run(p, {p: np.array([True, False])}).tolist() == [1.0, 0.0]
    assert run([p, c], {(p, c): (1.0, 2)}) == [1.0, 2]
    assert run([p, c], {((p,), c): ((1.0,), 2)}) == [1.0, 2]
    with pytest.raises((TypeError, ValueError)):
        run(c, {c: np.array([1.5], dtype=object)})


@pytest.mark.parametrize(
    ("dtype", "values", "wanted"),
    [
        ("int64", np.array([2**53 + 1, 2.0], object), [2**53 + 1, 2]),
        ("int64", np.array([2**53 + 1, np.float32(2)], object), [2**53 + 1, 2]),
        ("int64", [Decimal(2**53 + 1)], [2**53 + 1]),
        ("int64", np.array(2**53 + 1, object), 2**53 + 1),
        ("uint64", [2**63 + 1, np.int64(1)], [2**63 + 1, 1]),
        ("uint64", [[2**63 + 1], [1]], [[2**63 + 1], [1]]),
        ("uint64", np.array([2**64 - 1, 1], object), [2**64 - 1, 1]),
    ],
)
def test_large_integers_beside_other_numbers_stay_what_they_are(dtype: str, values: Any, wanted: Any) -> None:
    p, integers = tf.placeholder(dtype), np.array(values, object)
    assert run(p, {p: values}).tolist() == wanted
    assert run(tf.constant(integers, dtype)).tolist() == wanted


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int32", 2**31),
        ("int64", 2**63),
        ("uint8", -1),
        ("int32", 2**70),
        ("int32", INF),
        ("int32", NAN),
        ("int32", 1j),
    ],
)
def test_objects_that_a_dtype_cannot_hold_are_refused(dtype: str, value: Any) -> None:
    p, objects = tf.placeholder(dtype), np.array([value, 2], object)
    with pytest.raises(TypeError, match=f"expected {dtype}"):
        run(p, {p: objects})
    with pytest.raises(TypeError, match=f"expected {dtype}"):
        tf.constant(objects, dtype)


def test_python_integers_of_64_bits_are_a_constant_beside_small_ones() -> None:
    assert run(tf.constant([2**63 + 1, 1], tf.uint64)).tolist() == [2**63 + 1, 1]
    with pytest.raises(TypeError, match="expected int64"):
        tf.constant([2**63 + 1, 1], tf.int64)


def test_a_dtype_is_complete_when_it_is_made() -> None:
    """What it computed later would need a lock, which a forked process may never get."""
    assert not any(isinstance(it, cached_property) for it in vars(tf.DType).values())
    copy = pickle.loads(pickle.dumps(tf.bfloat16))
    assert (copy.numpy_dtype, copy.zero, copy) == (tf.bfloat16.numpy_dtype, 0, "bfloat16")


def test_a_known_shape_needs_no_feed_and_an_unknown_one_does() -> None:
    known, open_ = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [None, 3])
    shape, size, rank = run([tf.shape(known), tf.size(known), tf.rank(known)])
    assert (shape.tolist(), size, rank) == ([2, 3], 6, 2)
    assert run(tf.rank(open_)) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="feed"):
        run(tf.shape(open_))


def test_a_fed_placeholder_that_an_operation_waits_for_is_there() -> None:
    p = tf.placeholder(tf.float32, [])
    assert run(tf.group(p), {p: 1.0}) is None
    with tf.control_dependencies([p]):
        after = tf.constant(1)
    assert run(after, {p: 1.0}) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="feed"):
        run(after)


def test_gradients_of_complex_products_are_conjugated() -> None:
    z = tf.constant([1 + 3j, 2 - 1j])
    (found,) = tf.gradients(tf.reduce_prod(z), z, grad_ys=tf.constant(1 + 0j, z.dtype))
    assert run(found).tolist() == [2 + 1j, 1 - 3j]


@pytest.mark.parametrize(("dtype", "large"), [(tf.float16, (6, 6)), (tf.float32, (100, 19)), (tf.float64, (1e154, 2))])
def test_the_gradient_of_a_power_by_its_exponent_survives_overflow(dtype: Any, large: tuple[float, float]) -> None:
    """Where the power is a number, and times the logarithm is none."""
    x, y = tf.constant([large[0], 2.0], dtype), tf.constant([large[1], 1.0], dtype)
    (found,) = tf.gradients(tf.pow(x, y), y, grad_ys=tf.constant([0.0, 1.0], dtype))
    np.testing.assert_allclose(run(found), [0.0, 2 * np.log(2)], rtol=1e-3)


def test_a_gradient_of_one_value_may_be_given_as_a_vector() -> None:
    x = tf.constant(3.0)
    assert run(tf.gradients(x * x, x, grad_ys=tf.constant([2.0]))[0]) == 12.0


def test_axes_and_numbers_may_be_tensors() -> None:
    axis, rows = tf.placeholder(tf.int32, []), tf.constant([[1, 2], [3, 4]])
    fetches = [tf.concat([rows, rows], axis), tf.gather(rows, [1], axis=axis), tf.cumsum(rows, axis)]
    joined, row, sums = run(fetches, {axis: 1})
    assert (joined.tolist(), row.tolist(), sums.tolist()) == (
        [[1, 2, 1, 2], [3, 4, 3, 4]],
        [[2], [4]],
        [[1, 3], [3, 7]],
    )
    hits = tf.nn.in_top_k(tf.constant([[0.1, 0.9], [0.9, 0.1]]), [1, 1], tf.placeholder_with_default(1, []))
    assert run(hits).tolist() == [True, False]


def test_a_vector_of_one_number_is_a_scalar_where_tensorflow_takes_it_for_one() -> None:
    n, x, rows = tf.placeholder(tf.int32), tf.placeholder(tf.float32), tf.constant([[1, 2, 3]])
    queue = tf.FIFOQueue(3, [tf.int32], [[]])
    fetches = [tf.fill([2], x), tf.range(n), tf.range(n, 3, n), tf.concat([rows, rows], n), tf.split(rows, [1, 2], n)]
    filled, upto, steps, joined, parts = run(fetches, {n: [1], x: [1.5]})
    assert (filled.tolist(), upto.tolist(), steps.tolist()) == ([1.5, 1.5], [0], [1, 2])
    assert (joined.tolist(), parts[1].tolist()) == ([[1, 2, 3, 1, 2, 3]], [[2, 3]])
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([[7, 8, 9]]))
        assert sess.run([queue.dequeue_many(n)], {n: [2]})[0].tolist() == [7, 8]
        for wrong in (tf.one_hot([0], n), tf.cumsum(rows, n), tf.argmax(rows, n), tf.gather(rows, [0], axis=n)):
            with pytest.raises(tf.errors.InvalidArgumentError):
                sess.run(wrong, {n: [1]})
        with pytest.raises(tf.errors.InvalidArgumentError, match="the condition is a scalar"):
            sess.run(tf.Assert(tf.cast(n, tf.bool), ["a"]), {n: [1]})


def test_a_scalar_tensor_is_no_shape() -> None:
    x, n = tf.ones([4]), tf.placeholder(tf.int32, [])
    for build in (tf.reshape, tf.tile, tf.transpose, tf.broadcast_to, lambda x, n: tf.random_uniform(n)):
        for size in (tf.constant(4), n):
            with pytest.raises(ValueError, match="rank 1"):
                build(x, size)
    assert tf.zeros(n).shape.as_list() == tf.ones(n).shape.as_list() == [None]


def test_static_shapes_are_known_in_part() -> None:
    n, unknown = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32)
    assert tf.tile(tf.ones([2, 3]), tf.stack([n, 2])).shape.as_list() == [None, 6]
    assert tf.tile(unknown, tf.stack([n, 2])).shape.as_list() == [None, None]
    assert tf.where(unknown > 0).shape.as_list() == [None, None]


@pytest.mark.parametrize(("keep", "kept"), [(1, True), (0, False), (2.0, True)])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_number_as_keep_input_keeps_what_it_is_not_zero_for(keep: Any, kept: bool, as_tensor: bool) -> None:
    keep_input = tf.placeholder_with_default(keep, []) if as_tensor else keep
    batch = tf.train.maybe_batch([tf.constant([1, 2])], keep_input, 2, enqueue_many=True)
    vector = tf.train.maybe_batch([tf.constant([3, 4, 5])], [keep, 1, 0], 2, enqueue_many=True)
    with tf.Session() as sess, tf.train.Coordinator() as coord:
        tf.train.start_queue_runners(sess, coord)
        assert sess.run(vector).tolist() == ([3, 4] if kept else [4, 4])
        if kept:
            assert sess.run(batch).tolist() == [1, 2]
        coord.request_stop()


def test_shapes_that_only_a_run_shows_to_be_wrong_are_errors_of_the_run() -> None:
    a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.matmul(a, b), {a: [1.0], b: [1.0]})
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.fill([2], a), {a: [1.0, 2.0]})


@pytest.mark.parametrize("change", [tf.assign_add, tf.assign_sub])
def test_what_is_added_to_a_variable_has_its_shape(change: Any) -> None:
    v, p = tf.Variable(tf.ones([2, 2])), tf.placeholder(tf.float32)
    with tf.Session() as sess:
        sess.run(v.initializer)
        for wrong in (1.0, [1.0, 1.0], [[1.0, 1.0]]):
            with pytest.raises(
                tf.errors.InvalidArgumentError, match=r"'Variable' and the value of its update .* \[2, 2\] \["
            ):
                sess.run(change(v, p), {p: wrong})
        assert sess.run(v).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_what_is_wrong_when_the_graph_is_built_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        tf.split(tf.ones([4]), [1, 3], num=3)
    with pytest.raises(ValueError):
        tf.train.batch([tf.constant(1)], 2, capacity=0)


def test_old_names_of_functions_on_variables_do_the_same_and_warn() -> None:
    v = tf.Variable([1.0, 3.0], use_resource=True)
    with pytest.warns(DeprecationWarning, match="global_variables"):
        assert tf.all_variables() == [v]
    with tf.Session() as sess:
        for old, arguments in ((tf.initialize_all_variables, ()), (tf.initialize_variables, ([v],))):
            with pytest.warns(DeprecationWarning, match="initializer"):
                sess.run(old(*arguments))
        with pytest.warns(DeprecationWarning, match="local_variables_initializer"):
            sess.run(tf.initialize_local_variables())
        with pytest.warns(DeprecationWarning, match="argmax"):
            largest = tf.arg_max(v, 0)
        with pytest.warns(DeprecationWarning, match="argmin"):
            smallest = tf.arg_min(v, 0)
        assert sess.run([largest, smallest]) == [1, 0]


def test_a_scope_says_whether_its_variables_are_resources() -> None:
    with tf.variable_scope("s", use_resource=True) as scope:
        assert scope.use_resource
        scope.set_use_resource(False)
        assert not scope.use_resource


def test_a_run_may_be_asked_for_a_trace() -> None:
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    assert (tf.RunOptions.NO_TRACE, tf.RunOptions.FULL_TRACE) == (0, 3)
    with tf.Session() as sess:
        assert sess.run(tf.constant(1), options=options) == 1

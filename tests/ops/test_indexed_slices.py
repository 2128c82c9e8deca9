"""IndexedSlices: what they are, where gradients are, and what becomes of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.ops.array.indexed_slices import IndexedSlicesValue, convert_n_to_tensor_or_indexed_slices

TABLE = np.arange(10.0, dtype=np.float32).reshape(5, 2)


@pytest.fixture
def sess() -> Any:
    with df.Graph().as_default(), df.Session() as session:
        yield session


def dense(value: IndexedSlicesValue) -> np.ndarray:
    total = np.zeros(value.dense_shape, value.values.dtype)
    np.add.at(total, value.indices, value.values)
    return total


def test_indexed_slices_tell_their_parts_and_are_fetched_and_fed_by_them(sess: Any) -> None:
    values, at = df.placeholder(df.float32, [None, 2]), df.constant([3, 0, 3])
    slices = df.IndexedSlices(values, at, [5, 2])
    assert (slices.values, slices.indices) == (values, at)
    assert (slices.dtype, slices.shape, slices.name, slices.op) == (df.float32, (5, 2), values.name, values.op)
    assert slices.graph is sess.graph
    assert (slices.device, slices.consumers()) == (values.device, values.consumers())
    found = sess.run(slices, {values: np.ones((3, 2))})
    assert isinstance(found, IndexedSlicesValue)
    np.testing.assert_array_equal(dense(found), [[1, 1], [0, 0], [0, 0], [2, 2], [0, 0]])
    np.testing.assert_array_equal(sess.run(-slices, {values: np.ones((3, 2))}).values, -np.ones((3, 2)))
    assert df.IndexedSlices(values, at).dense_shape is None
    assert sess.run(df.IndexedSlices(values, at), {values: np.ones((3, 2))}).dense_shape is None


def test_indexed_slices_become_a_dense_tensor_where_one_is_needed(sess: Any) -> None:
    slices = df.IndexedSlices([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1, 0, 1], [3, 2])
    wanted = [[3, 4], [6, 8], [0, 0]]
    assert df.convert_to_tensor(slices).shape == (3, 2)
    for tensor in (df.convert_to_tensor(slices), df.identity(slices), df.add_n([slices])):
        np.testing.assert_array_equal(sess.run(tensor), wanted)
    np.testing.assert_array_equal(sess.run(df.add_n([slices, df.ones([3, 2])])), np.add(wanted, 1))
    with pytest.raises(ValueError, match="without dense_shape"):
        df.convert_to_tensor(df.IndexedSlices([1.0], [0]))
    with pytest.raises(ValueError, match="requested dtype int32"):
        df.convert_to_tensor(slices, df.int32)


@pytest.mark.parametrize(("rows", "said"), [(1 << 30, "with 2147483648 elements"), (None, "of unknown shape")])
def test_a_conversion_to_a_large_tensor_warns(rows: int | None, said: str) -> None:
    with df.Graph().as_default():
        sizes = df.placeholder(df.int32, [2]) if rows is None else df.constant([rows, 2], df.int64)
        with pytest.warns(UserWarning, match=f"Converting sparse IndexedSlices to a dense Tensor {said}"):
            df.convert_to_tensor(df.IndexedSlices([[1.0, 2.0]], [0], sizes))


def test_indexed_slices_pass_where_both_kinds_do() -> None:
    slices = df.IndexedSlices([[1.0, 2.0]], [0], [3, 2])
    assert df.convert_to_tensor_or_indexed_slices(slices) is slices
    assert df.convert_to_tensor_or_indexed_slices(1.0).dtype == df.float32
    first, none, last = convert_n_to_tensor_or_indexed_slices([slices, None, 2])
    assert (first, none) == (slices, None)
    assert isinstance(last, df.Tensor)
    with pytest.raises(ValueError, match="requested dtype float64"):
        df.convert_to_tensor_or_indexed_slices(slices, df.float64)
    with pytest.raises(TypeError, match="iterable"):
        convert_n_to_tensor_or_indexed_slices(3)  # type: ignore[arg-type]


# -- gradients


def test_the_gradient_of_rows_is_indexed_slices(sess: Any) -> None:
    w = df.Variable(TABLE)
    for at in ([3, 0, 3], [[1, 2], [2, 4]], 4):
        (slices,) = df.gradients(df.square(df.gather(w, at)), w)
        assert isinstance(slices, df.IndexedSlices)
        assert slices.shape == (5, 2)
        sess.run(w.initializer)
        wanted = np.zeros((5, 2))
        np.add.at(wanted, at, 2 * TABLE[at])
        np.testing.assert_allclose(dense(sess.run(slices)), wanted)
        np.testing.assert_allclose(sess.run(df.convert_to_tensor(slices)), wanted)


def test_rows_of_a_tensor_of_unknown_shape_have_a_gradient_of_that_shape(sess: Any) -> None:
    x = df.placeholder(df.float32)
    (slices,) = df.gradients(df.gather(x, [[0, 2], [2, 1]]), x)
    found = sess.run(slices, {x: TABLE})
    np.testing.assert_array_equal(dense(found), [[1, 1], [1, 1], [2, 2], [0, 0], [0, 0]])


def test_the_gradient_along_another_axis_is_dense() -> None:
    x = df.placeholder(df.float32, [5, 2])
    assert isinstance(df.gradients(df.gather(x, [1], axis=1), x)[0], df.Tensor)


def test_several_slices_are_put_together_and_a_dense_gradient_makes_the_sum_dense(sess: Any) -> None:
    w = df.Variable(TABLE)
    first, second = df.gather(w, [0, 1]), df.gather(w, df.constant([4, 1], df.int64))
    (slices,) = df.gradients([first, second * 10.0], w)
    assert isinstance(slices, df.IndexedSlices)
    assert slices.indices.dtype == df.int64
    (total,) = df.gradients([first, w * 2.0], w)
    assert isinstance(total, df.Tensor)
    sess.run(w.initializer)
    np.testing.assert_array_equal(dense(sess.run(slices)), [[1, 1], [11, 11], [0, 0], [0, 0], [10, 10]])
    np.testing.assert_array_equal(sess.run(total), [[3, 3], [3, 3], [2, 2], [2, 2], [2, 2]])


def test_slices_become_dense_for_operations_that_take_dense_gradients_only(sess: Any) -> None:
    x = df.placeholder(df.float32, [None, 2])
    (dx,) = df.gradients(df.gather(x * 3.0, [1, 1]), x)
    assert isinstance(dx, df.Tensor)
    np.testing.assert_array_equal(sess.run(dx, {x: TABLE}), [[0, 0], [6, 6], [0, 0], [0, 0], [0, 0]])
    (ddx,) = df.gradients(df.gradients(df.square(df.gather(df.square(x), [1, 1])), x), x)
    np.testing.assert_allclose(sess.run(ddx, {x: TABLE})[1], 24 * TABLE[1] ** 2)


def test_slices_may_be_given_as_the_first_gradient(sess: Any) -> None:
    x = df.constant(TABLE)
    (dx,) = df.gradients(x * 2.0, x, df.IndexedSlices([[1.0, 2.0]], [3], [5, 2]))
    np.testing.assert_array_equal(sess.run(dx), [[0, 0], [0, 0], [0, 0], [2, 4], [0, 0]])


def test_gated_slices_are_slices(sess: Any) -> None:
    w = df.Variable(TABLE)
    (slices,) = df.tuple(df.gradients(df.gather(w, [2]), w))
    assert isinstance(slices, df.IndexedSlices)
    sess.run(w.initializer)
    np.testing.assert_array_equal(sess.run(slices).values, [[1, 1]])
    with df.control_dependencies([slices]):
        sess.run(df.group(slices, df.no_op()))


# -- clipping


def test_slices_are_clipped_by_their_values(sess: Any) -> None:
    slices = df.IndexedSlices([[3.0, 0.0], [0.0, -4.0]], [1, 3], [5, 2])
    by_value = df.clip_by_value(slices, -1.0, 2.0)
    by_norm = df.clip_by_norm(slices, 2.5)
    (by_all, none, other), norm = df.clip_by_global_norm([slices, None, df.constant([12.0])], 6.5)
    assert none is None
    for it in (by_value, by_norm, by_all):
        assert isinstance(it, df.IndexedSlices)
        assert (it.indices, it.dense_shape) == (slices.indices, slices.dense_shape)
    found = sess.run([by_value.values, by_norm.values, by_all.values, other, norm, df.global_norm([slices])])
    for value, wanted in zip(
        found, ([[2, 0], [0, -1]], [[1.5, 0], [0, -2]], [[1.5, 0], [0, -2]], [6], 13, 5), strict=True
    ):
        np.testing.assert_allclose(value, wanted, rtol=1e-6)


def test_clipping_by_the_average_norm_divides_the_norm_by_the_number_of_values(sess: Any) -> None:
    """The norm of [3, 0, 4, 0] is 5, its average norm 1.25."""
    x = df.constant([[3.0, 0.0], [4.0, 0.0]])
    near, far = sess.run([df.clip_by_average_norm(x, 0.25), df.clip_by_average_norm(x, 2.0)])
    np.testing.assert_allclose(near, [[0.6, 0], [0.8, 0]], rtol=1e-6)
    np.testing.assert_allclose(far, [[3, 0], [4, 0]], rtol=1e-6)
    assert re.match("clip", df.clip_by_average_norm(x, 1.0).op.name)


# -- control flow


def test_rows_of_a_branch_and_of_a_loop_have_gradients(sess: Any) -> None:
    w, chosen = df.Variable(TABLE), df.placeholder(df.bool, ())
    of_branch = df.cond(chosen, lambda: df.reduce_sum(df.gather(w, [3])), lambda: df.constant(0.0))
    _, of_loop = df.while_loop(
        lambda i, total: i < 3, lambda i, total: (i + 1, total + df.reduce_sum(df.gather(w, [i, 4]))), [0, 0.0]
    )
    (branch,), (loop,) = df.gradients(of_branch, w), df.gradients(of_loop, w)
    sess.run(w.initializer)
    for value in (True, False):
        found = sess.run(df.convert_to_tensor(branch), {chosen: value})
        np.testing.assert_array_equal(found.sum(1), [0, 0, 0, 2 * value, 0])
    found = sess.run(df.convert_to_tensor(loop))
    np.testing.assert_array_equal(found.sum(1), [2, 2, 2, 0, 6])

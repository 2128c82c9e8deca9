"""Updates of rows and of parts of variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.ops.state.variable_state import VariableState
from dflow.specs import VariableSpec

UPDATES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (df.scatter_add, np.add),
    "sub": (df.scatter_sub, np.subtract),
    "mul": (df.scatter_mul, np.multiply),
    "div": (df.scatter_div, np.divide),
    "min": (df.scatter_min, np.minimum),
    "max": (df.scatter_max, np.maximum),
    "update": (df.scatter_update, lambda old, new: new),
}
START = np.arange(1.0, 11.0, dtype=np.float32).reshape(5, 2)


@pytest.fixture
def sess() -> Any:
    with df.Graph().as_default(), df.Session() as session:
        yield session


def started(sess: Any, start: Any = START, **options: Any) -> Any:
    v = df.Variable(start, **options)
    sess.run(v.initializer)
    return v


@pytest.mark.parametrize("kind", UPDATES)
@pytest.mark.parametrize("at", [[3], [3, 1], [3, 1, 3], [[0, 1], [4, 0]], []])
def test_rows_are_updated_one_after_the_other(sess: Any, kind: str, at: Any) -> None:
    function, judge = UPDATES[kind]
    places = np.array(at, np.int32)
    updates = np.random.default_rng(1).uniform(1, 12, (*places.shape, 2)).astype(np.float32)
    wanted = START.copy()
    for place in np.ndindex(places.shape):
        wanted[places[place]] = judge(wanted[places[place]], updates[place])
    v = started(sess)
    np.testing.assert_allclose(sess.run(function(v, places, updates)), wanted, rtol=1e-6)
    np.testing.assert_allclose(sess.run(v), wanted, rtol=1e-6)


@pytest.mark.parametrize("kind", UPDATES)
def test_one_number_updates_all_values_of_a_row(sess: Any, kind: str) -> None:
    function, judge = UPDATES[kind]
    wanted = START.copy()
    wanted[2] = judge(START[2], np.float32(5.5))
    np.testing.assert_allclose(sess.run(function(started(sess), df.constant([2], df.int64), 5.5)), wanted)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float16", "float64", "complex64", "uint8"])
def test_rows_of_each_dtype_are_added(sess: Any, dtype: str) -> None:
    v = started(sess, START.astype(dtype))
    found = sess.run(df.scatter_add(v, [4, 4, 0], np.ones((3, 2), dtype)))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[[0, 4]], START[[0, 4]].astype(dtype) + np.array([[1], [2]], dtype))


def test_a_division_of_integers_rounds_towards_zero(sess: Any) -> None:
    found = sess.run(df.scatter_div(started(sess, np.array([-7, 7, -7], np.int32)), [0, 1, 2], [2, 2, -2]))
    np.testing.assert_array_equal(found, [-3, 3, 3])
    with pytest.raises(df.errors.InvalidArgumentError, match="division by zero"):
        sess.run(df.scatter_div(started(sess, np.array([1], np.int32)), [0], [0]))


def test_text_and_bools_are_assigned(sess: Any) -> None:
    assert sess.run(df.scatter_update(started(sess, ["a", "b", "c"]), [2, 0], ["x", "y"])).tolist() == [
        b"y",
        b"b",
        b"x",
    ]
    assert sess.run(df.scatter_update(started(sess, [True, False]), [1], [True])).tolist() == [True, True]
    with pytest.raises(TypeError, match="DataType string not in list of allowed values"):
        df.scatter_add(started(sess, ["a"]), [0], ["b"])


def test_an_index_out_of_range_is_named_and_changes_nothing(sess: Any) -> None:
    v = started(sess)
    for at, said in (
        ([0, -1], r"indices\[1\] = -1 is not in \[0, 5\)"),
        ([5, 0], r"indices\[0\] = 5 is not in \[0, 5\)"),
    ):
        with pytest.raises(df.errors.InvalidArgumentError, match=said):
            sess.run(df.scatter_add(v, at, np.ones((2, 2), np.float32)))
    np.testing.assert_array_equal(sess.run(v), START)


def test_shapes_that_do_not_fit_are_said_when_the_graph_is_built_or_run(sess: Any) -> None:
    v, unknown = started(sess), df.placeholder(df.float32)
    with pytest.raises(ValueError, match=r"updates.shape = indices.shape \+ params.shape\[1:\]"):
        df.scatter_add(v, [0, 1], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least rank 1"):
        df.scatter_add(started(sess, 1.0), [0], [1.0])
    with pytest.raises(df.errors.InvalidArgumentError, match=r"Must have updates.shape"):
        sess.run(df.scatter_add(v, [0, 1], unknown), {unknown: [1.0, 2.0]})
    with pytest.raises(TypeError, match="only a variable"):
        df.scatter_add(df.constant([1.0]), [0], [1.0])
    with pytest.raises(TypeError, match="allowed values: int32, int64"):
        df.scatter_add(v, [0.0], [[1.0, 2.0]])


def test_updates_of_updates_happen_one_after_the_other(sess: Any) -> None:
    v = started(sess, [1.0, 2.0, 3.0])
    last = df.scatter_mul(df.scatter_add(df.assign(v, [0.0, 0.0, 0.0]), [1], [5.0]), [1], [2.0])
    np.testing.assert_array_equal(sess.run(last), [0, 10, 0])


# -- slices


@pytest.mark.parametrize(("kind", "judge"), [("update", None), ("add", np.add), ("sub", np.subtract)])
@pytest.mark.parametrize("at", [[[1], [4]], [[1, 0], [4, 1], [1, 0]], [[[0]], [[2]]], np.zeros((1, 0), np.int32)])
def test_slices_are_updated_by_the_last_axis_of_the_indices(sess: Any, kind: str, judge: Any, at: Any) -> None:
    places = np.array(at, np.int32)
    shape = (*places.shape[:-1], *START.shape[places.shape[-1] :])
    updates = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    wanted = START.copy()
    for place in np.ndindex(places.shape[:-1]):
        where = tuple(places[place])
        wanted[where] = updates[place] if judge is None else judge(wanted[where], updates[place])
    function = getattr(df, f"scatter_nd_{kind}")
    np.testing.assert_allclose(sess.run(function(started(sess), places, updates)), wanted, rtol=1e-5)


def test_a_slice_out_of_range_is_named(sess: Any) -> None:
    v = started(sess)
    with pytest.raises(
        df.errors.InvalidArgumentError, match=r"indices\[1\] = \[0, 2\] does not index into shape \[5, 2\]"
    ):
        sess.run(df.scatter_nd_update(v, [[0, 1], [0, 2]], [1.0, 2.0]))
    np.testing.assert_array_equal(sess.run(v), START)
    with pytest.raises(ValueError, match="innermost dimension length"):
        df.scatter_nd_update(v, [[0, 1, 0]], [1.0])
    with pytest.raises(ValueError, match="must match the outer"):
        df.scatter_nd_update(v, [[0], [1]], [[1.0, 2.0]])


def test_rows_of_each_item_of_a_batch_are_assigned(sess: Any) -> None:
    v = started(sess, np.zeros((2, 3, 2), np.float32))
    updates = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    found = sess.run(df.batch_scatter_update(v, [[0, 2], [1, 0]], updates))
    np.testing.assert_array_equal(found[[0, 0, 1, 1], [0, 2, 1, 0]], updates.reshape(4, 2))
    np.testing.assert_array_equal(found[[0, 1], [1, 2]], 0)
    with pytest.raises(ValueError, match="unknown shape"):
        df.batch_scatter_update(v, df.placeholder(df.int32), updates)


# -- methods and parts


@pytest.mark.parametrize("kind", UPDATES)
def test_a_variable_has_a_method_for_indexed_slices(sess: Any, kind: str) -> None:
    _, judge = UPDATES[kind]
    v = started(sess)
    wanted = START.copy()
    wanted[3] = judge(START[3], np.float32([2, 9]))
    method = getattr(v, f"scatter_{kind}")
    np.testing.assert_allclose(sess.run(method(df.IndexedSlices([[2.0, 9.0]], [3]))), wanted)
    with pytest.raises(TypeError, match="sparse_delta is not IndexedSlices"):
        method([1.0])


def test_a_variable_has_methods_for_slices_and_batches(sess: Any) -> None:
    v = started(sess)
    found = sess.run(v.scatter_nd_add([[0, 1]], [1.0])), sess.run(v.scatter_nd_sub([[0, 1]], [3.0]))
    assert [it[0, 1] for it in found] == [3, 0]
    assert sess.run(v.scatter_nd_update([[0]], [[7.0, 8.0]]))[0].tolist() == [7, 8]
    found = sess.run(v.batch_scatter_update(df.IndexedSlices(np.ones((5, 1), np.float32), [[0], [1], [1], [0], [0]])))
    np.testing.assert_array_equal(found[range(5), [0, 1, 1, 0, 0]], 1)


def test_a_part_of_a_variable_is_assigned(sess: Any) -> None:
    v, place = started(sess), df.placeholder(df.int32, ())
    wanted = START.copy()
    wanted[1:3, 0] = [20, 30]
    np.testing.assert_array_equal(sess.run(v[1:3, 0].assign([20.0, 30.0])), wanted)
    wanted[4] = 0
    np.testing.assert_array_equal(sess.run(v[place].assign(0.0, name="mine"), {place: 4}), wanted)
    np.testing.assert_array_equal(sess.run(v), wanted)
    with pytest.raises(ValueError, match="the part is"):
        v[1:3].assign([1.0, 2.0, 3.0])
    assert not hasattr(df.constant([1.0])[0], "assign")


# -- in place


def state(value: Any) -> VariableState:
    made = VariableState(VariableSpec("v", df.as_dtype(value.dtype), df.TensorShape(value.shape)))
    made.assign(value)
    return made


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_rows_are_written_in_place_if_nobody_holds_the_value() -> None:
    v = state(np.zeros((4, 2)))
    before = address(v.read())
    with v.rows() as rows:
        rows[1] = 5
    assert address(v.read()) == before
    assert v.read()[1].tolist() == [5, 5]
    assert not v.read().flags.writeable


@pytest.mark.parametrize("hold", [lambda value: value, lambda value: value[1:], lambda value: value.base, memoryview])
def test_a_value_that_someone_holds_stays_as_it_is(hold: Callable[[Any], Any]) -> None:
    v = state(np.zeros((4, 2)))
    held = hold(v.read())
    with v.rows() as rows:
        rows[1:] = 5
    assert np.asarray(held).sum() == 0
    assert v.read().sum() == 30


@pytest.mark.parametrize("value", [np.zeros((4, 2))[::-1], np.zeros((2, 4)).T, np.zeros(16, np.uint8).view(np.uint16)])
def test_memory_of_another_layout_is_copied_and_rows_are_still_right(value: np.ndarray) -> None:
    v = state(value)
    with v.rows() as rows:
        rows[0] = 5
        assert rows.flags.c_contiguous
    assert v.read()[0].sum() == 5 * value[0].size
    assert v.read().dtype == value.dtype
    assert np.asarray(value).sum() == 0


def test_an_error_leaves_a_value() -> None:
    v = state(np.ones(3))
    with pytest.raises(ZeroDivisionError), v.rows():
        raise ZeroDivisionError
    assert v.initialized
    assert v.read().tolist() == [1, 1, 1]
    assert v.nbytes == 24


def test_each_update_has_a_function_and_a_method() -> None:
    with df.Graph().as_default():
        v, rows = df.Variable(START), df.IndexedSlices([[2.0, 9.0]], [3])
        row = (v, [3], [[2.0, 9.0]])
        functions = [
            *(df.scatter_add(*row), df.scatter_sub(*row), df.scatter_mul(*row), df.scatter_div(*row)),
            *(df.scatter_min(*row), df.scatter_max(*row), df.scatter_update(*row)),
            *(df.scatter_nd_add(v, [[3]], row[2]), df.scatter_nd_sub(v, [[3]], row[2])),
            *(
                df.scatter_nd_update(v, [[3]], row[2]),
                df.batch_scatter_update(v, [[0]] * 5, np.ones((5, 1), np.float32)),
            ),
        ]
        methods = [
            *(v.scatter_add(rows), v.scatter_sub(rows), v.scatter_mul(rows), v.scatter_div(rows)),
            *(v.scatter_min(rows), v.scatter_max(rows), v.scatter_update(rows)),
            *(v.scatter_nd_add([[3]], row[2]), v.scatter_nd_sub([[3]], row[2]), v.scatter_nd_update([[3]], row[2])),
            v.batch_scatter_update(df.IndexedSlices(np.ones((5, 1), np.float32), [[0]] * 5)),
        ]
    assert [it.op.type for it in functions] == [it.op.type for it in methods]
    assert functions[0].op.type == "ScatterAdd"
    assert functions[-1].op.type == "ScatterNdUpdate"

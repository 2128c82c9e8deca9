"""Array operations beyond the table of the oracle: messages, text, bytes, distances, large and small cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.ops.order.top_k import nth_element
from dflow.ops.rules.scatter import scatter
from dflow.tensor_util import constant_value_as_shape
from tests.ops.evaluate import Evaluator


def run(tensor: Any, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


# -- messages of runs


WRONG: dict[str, Callable[[Any], Any]] = {
    "indices[0,0] = 7 is not in [0, 2)": lambda x: df.gather(x, [[7]]),
    "indices[1] = [0,5] does not index into param shape [2,3]": lambda x: df.gather_nd(x, [[0, 0], [0, 5]]),
    "indices[0] = [2] does not index into shape [2,3]": lambda x: df.tensor_scatter_add(x, [[2]], [[0.0, 0, 0]]),
    "partitions[1] = 9 is not in [0, 2)": lambda x: df.dynamic_partition(x, [0, 9], 2)[0],
    "segment_ids[1] = 4 is out of range [0, 3)": lambda x: df.unsorted_segment_sum(x, [0, 4], 3),
    "indices[1] == -1 out of range [0, 2)": lambda x: df.sparse_segment_sum(x, [0, -1], [0, 0]),
    "segment ids must be < num_segments": lambda x: df.sparse_segment_sum(x, [0, 1], [0, 2], num_segments=2),
    "Segment id -1 out of range [0, 1)": lambda x: df.segment_sum(x, [-1, 0]),
    "Requires num > 0: 0": lambda x: df.lin_space(0.0, 1.0, df.placeholder_with_default(0, [])),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_value_is_named(message: str) -> None:
    with pytest.raises(errors.InvalidArgumentError) as raised:
        run(WRONG[message](df.ones([2, 3])))
    assert message in str(raised.value)


# -- scatters


@pytest.mark.parametrize("how", ["update", "add", "sub", "mul", "min", "max"])
@pytest.mark.parametrize("shape", [(50,), (50, 3), (50, 2, 2)])
def test_rows_are_changed_one_after_the_other(how: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    start, updates = rng.normal(size=(7, *shape[1:])), rng.normal(size=shape)
    places = rng.integers(0, 7, 50)
    steps = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
    wanted = start.copy()
    for place, update in zip(places, updates, strict=True):
        wanted[place] = update if how == "update" else steps[how](wanted[place], update)
    np.testing.assert_allclose(scatter(start.copy(), places, updates, how), wanted, rtol=1e-12)


def test_a_tensor_that_is_not_in_row_major_order_is_updated() -> None:
    x = np.asfortranarray(np.zeros((3, 4, 2)))
    t = df.placeholder("float64", x.shape)
    for places in ([[1], [1]], [[1, 0], [1, 0]]):
        updates = np.ones((2, *x.shape[len(places[0]) :]))
        found = run(df.tensor_scatter_add(t, places, updates), {t: x})
        assert found[1, 0].tolist() == [2, 2]
        assert found.sum() == updates.sum()


def test_strings_are_scattered_and_joined() -> None:
    found = run(df.scatter_nd([[2], [0], [2]], ["a", "b", "c"], [4]))
    assert found.tolist() == [b"b", b"", b"ac", b""]


# -- order


@pytest.mark.parametrize("k", [1, 3, 17])
def test_few_of_many_are_those_that_a_full_sort_gives(k: int) -> None:
    x = np.random.default_rng(2).integers(-20, 20, (3, 200)).astype(np.float32)
    values, places = run(list(df.nn.top_k(x, k)))
    order = np.argsort(-x, axis=1, kind="stable")[:, :k]
    assert places.tolist() == order.tolist()
    assert values.tolist() == np.take_along_axis(x, order, 1).tolist()


def test_nan_is_the_smallest_of_all_and_the_smallest_integer_is_sorted() -> None:
    x = np.full(100, np.nan)
    x[[40, 70]] = 1.0, 2.0
    assert run(df.nn.top_k(x, 3).indices).tolist() == [70, 40, 0]
    numbers = np.array([5, -128, 127, -1], np.int8)
    assert run(df.sort(numbers)).tolist() == [-128, -1, 5, 127]
    assert run(df.argsort(numbers, direction="DESCENDING")).tolist() == [2, 0, 3, 1]
    assert run(df.sort(np.array([2, 0, 255], np.uint8))).tolist() == [0, 2, 255]


def test_the_nth_element_has_its_place_in_the_order() -> None:
    x = np.random.default_rng(3).normal(size=(4, 9))
    assert run(nth_element(x, 2)).tolist() == np.sort(x, axis=1)[:, 2].tolist()
    assert run(nth_element(x, 2, reverse=True)).tolist() == np.sort(x, axis=1)[:, -3].tolist()
    with pytest.raises(ValueError, match="must have last dimension > n = 9"):
        nth_element(x, 9)


def test_places_are_searched_row_by_row() -> None:
    rng = np.random.default_rng(4)
    rows, values = np.sort(rng.integers(0, 9, (2, 3, 20))), rng.integers(-1, 10, (2, 3, 5))
    for side in ("left", "right"):
        found = run(df.searchsorted(rows, values, side))
        wanted = [np.searchsorted(a, v, side) for a, v in zip(rows.reshape(6, -1), values.reshape(6, -1), strict=True)]
        assert found.reshape(6, -1).tolist() == np.stack(wanted).tolist()


# -- bytes, distances, sizes


def test_bytes_are_split_and_put_together() -> None:
    numbers = np.array([[1, -2], [1 << 20, 7]], np.int32)
    pieces = df.bitcast(numbers, "uint8")
    assert pieces.shape == [2, 2, 4]
    assert run(pieces).tolist() == numbers.view(np.uint8).reshape(2, 2, 4).tolist()
    assert run(df.bitcast(pieces, "int32")).tolist() == numbers.tolist()
    with pytest.raises(ValueError, match="Cannot bitcast from uint8 to uint16"):
        df.bitcast(np.zeros([3], np.uint8), "uint16")


def distance(a: str, b: str) -> int:
    """By the recursion that defines it."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


@pytest.mark.parametrize(("a", "b"), [("kitten", "sitting"), ("", "ab"), ("abc", ""), ("flaw", "lawn"), ("aa", "aa")])
def test_a_distance_counts_the_steps_from_one_sequence_to_the_other(a: str, b: str) -> None:
    def sparse(text: str) -> Any:
        places = np.array([[0, i] for i in range(len(text))], np.int64).reshape(-1, 2)
        return df.SparseTensor(places, df.constant(list(text), df.string), [1, 9])

    assert run(df.edit_distance(sparse(a), sparse(b), normalize=False)).tolist() == [distance(a, b)]
    wanted = distance(a, b) / len(b) if b else float("inf")
    assert run(df.edit_distance(sparse(a), sparse(b))).tolist() == [np.float32(wanted)]


def test_paddings_make_blocks_fill_the_sizes() -> None:
    sizes = df.placeholder("int32", [2])
    for value in ([5, 4], [6, 7]):
        for given in (value, sizes):
            paddings, crops = df.required_space_to_batch_paddings(given, [3, 2], [[1, 0], [0, 1]])
            found, left_out = run([paddings, crops], {sizes: value} if given is sizes else None)
            assert ((np.array(value) + found.sum(1)) % [3, 2]).tolist() == [0, 0]
            assert (found - left_out).tolist() == [[1, 0], [0, 1]]


def test_static_shapes_say_what_is_known() -> None:
    x, n = df.placeholder("float32", [None, 3]), df.placeholder("int32", [])
    assert df.gather(x, [[0, 1]], axis=1).shape.as_list() == [None, 1, 2]
    assert df.gather_nd(x, [[0]]).shape.as_list() == [1, 3]
    assert df.segment_sum(x, [0, 1]).shape.as_list() == [None, 3]
    assert df.unsorted_segment_sum(x, df.placeholder("int32", [None]), 4).shape.as_list() == [4, 3]
    assert df.sequence_mask([1, 4, 2]).shape.as_list() == [3, 4]
    assert df.dynamic_stitch([[0, 4], [2]], [[1, 1], [1]]).shape.as_list() == [5]
    assert df.nn.top_k(x, n).values.shape.as_list() == [None, None]
    assert df.sort(x, axis=0).shape.as_list() == [None, 3]
    assert df.space_to_batch_nd(x, [3], [[0, 0]]).shape.as_list() == [None, 1]
    assert df.reverse(x, df.placeholder("int32", [1])).shape.as_list() == [None, 3]
    assert df.random.stateless_uniform(df.stack([n, 2]), [1, 2]).shape.as_list() == [None, 2]
    assert constant_value_as_shape(df.stack([n, 2])).as_list() == [None, 2]
    assert constant_value_as_shape(df.constant(-1)).ndims is None


def test_a_tensor_of_unknown_rank_can_be_sorted_along_any_axis() -> None:
    values = np.random.default_rng(5).normal(size=(2, 3, 4))
    x = df.placeholder("float64")
    for axis in (0, 1, -2, -1):
        assert run(df.sort(x, axis), {x: values}).tolist() == np.sort(values, axis).tolist()


def test_a_partition_of_many_numbers_keeps_the_order() -> None:
    rng = np.random.default_rng(6)
    numbers = rng.integers(0, 40000, 5000).astype(np.int32)
    parts = run(df.dynamic_partition(np.arange(5000), numbers, 40000))
    assert all(part.tolist() == np.flatnonzero(numbers == i).tolist() for i, part in enumerate(parts[:50]))
    assert np.concatenate(parts).tolist() == np.argsort(numbers, kind="stable").tolist()


def test_a_batch_of_one_axis_gathers_as_a_loop_does() -> None:
    rng = np.random.default_rng(7)
    x, i = rng.normal(size=(2, 3, 5, 4)), rng.integers(0, 5, (2, 3, 2))
    found = run(df.gather(x, i, axis=2, batch_dims=2))
    assert found.tolist() == [[x[a, b][i[a, b]].tolist() for b in range(3)] for a in range(2)]
    nd = run(df.gather_nd(x, i[..., None], batch_dims=2))
    assert nd.tolist() == found.tolist()


def test_nothing_is_reversed_and_nothing_is_left_out() -> None:
    assert run(df.reverse([[1, 2]], [])).tolist() == [[1, 2]]
    out, places = run(list(df.setdiff1d([1, 5, 5], np.zeros(0, np.int32))))
    assert (out.tolist(), places.tolist()) == ([1, 5, 5], [0, 1, 2])
    assert run(df.unsorted_segment_max([1.5], [0], 2)).tolist() == [1.5, np.finfo(np.float32).min]
    assert run(df.segment_sum(np.zeros([0, 3]), np.zeros(0, np.int32))).shape == (0, 3)

"""Operations on sparse tensors, against the same on dense arrays; gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.gradients import gradients

RNG = np.random.default_rng(5)
MATRIX = np.where(RNG.random((4, 5)) < 0.5, RNG.normal(size=(4, 5)), 0)
OTHER = np.where(RNG.random((4, 5)) < 0.5, RNG.normal(size=(4, 5)), 0)
CUBE = np.where(RNG.random((2, 3, 4)) < 0.6, RNG.normal(size=(2, 3, 4)), 0)
CUBE[1, 1] = 0


def sparse(dense: Any, known: bool = True) -> df.SparseTensor:
    """A sparse tensor with the entries of a dense array that are not 0; perhaps with static shapes that say nothing."""
    dense = np.asarray(dense)
    places = np.argwhere(dense)
    parts = places, dense[tuple(places.T)], np.array(dense.shape)
    return df.SparseTensor(*(parts if known else (df.placeholder_with_default(part, None) for part in parts)))


def run(fetch: Any, feeds: Any = None) -> Any:
    with df.Session() as session:
        return session.run(fetch, feeds)


def dense(value: Any) -> np.ndarray:
    """The value of a sparse tensor as an array; its entries must be in order, and inside."""
    result = np.zeros(value.dense_shape, value.values.dtype)
    places = value.indices.tolist()
    assert places == sorted(places)
    result[tuple(value.indices.T)] = value.values
    return result


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("build", "judge"),
    [
        (lambda a, b, c: df.sparse_add(a, b), lambda a, b, c: a + b),
        (lambda a, b, c: df.sparse_concat(0, [a, b, a]), lambda a, b, c: np.concatenate([a, b, a])),
        (lambda a, b, c: df.sparse_concat(1, [a, b]), lambda a, b, c: np.concatenate([a, b], 1)),
        (lambda a, b, c: df.sparse_transpose(c, [2, 0, 1]), lambda a, b, c: c.transpose(2, 0, 1)),
        (lambda a, b, c: df.sparse_transpose(c), lambda a, b, c: c.T),
        (lambda a, b, c: df.sparse_reorder(c), lambda a, b, c: c),
        (lambda a, b, c: df.sparse_reshape(c, [4, -1]), lambda a, b, c: c.reshape(4, -1)),
        (lambda a, b, c: df.sparse_slice(c, [0, 1, 1], [2, 2, 9]), lambda a, b, c: c[:, 1:, 1:]),
        (lambda a, b, c: df.sparse_split(sp_input=a, num_split=3, axis=1)[0], lambda a, b, c: a[:, :2]),
        (lambda a, b, c: df.sparse_split(sp_input=a, num_split=3, axis=1)[2], lambda a, b, c: a[:, 4:]),
        (lambda a, b, c: df.sparse_maximum(a, b), lambda a, b, c: np.maximum(a, b)),
        (lambda a, b, c: df.sparse_minimum(a, b), lambda a, b, c: np.minimum(a, b)),
        (lambda a, b, c: df.sparse_reduce_sum_sparse(c, [1]), lambda a, b, c: c.sum(1)),
        (lambda a, b, c: df.sparse_reduce_sum_sparse(c, [0, -1], True), lambda a, b, c: c.sum((0, 2), keepdims=True)),
        (lambda a, b, c: df.sparse_reset_shape(a, [9, 9]), lambda a, b, c: np.pad(a, [(0, 5), (0, 4)])),
        (lambda a, b, c: a * df.constant(np.arange(5.0)), lambda a, b, c: a * np.arange(5)),
        (lambda a, b, c: a / 2.0, lambda a, b, c: a / 2),
    ],
)
def test_a_sparse_result_has_the_entries_of_the_dense_one(build: Any, judge: Any, known: bool) -> None:
    made = build(*(sparse(it, known) for it in (MATRIX, OTHER, CUBE)))
    expected = judge(MATRIX, OTHER, CUBE)
    value = run(made)
    np.testing.assert_allclose(dense(value), expected)
    assert made.shape.is_compatible_with(value.dense_shape)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("build", "judge"),
    [
        (lambda a, b, c: df.sparse_tensor_to_dense(c), lambda a, b, c: c),
        (lambda a, b, c: df.sparse_tensor_to_dense(c, -3.0), lambda a, b, c: np.where(c == 0, -3, c)),
        (lambda a, b, c: df.sparse_add(a, df.constant(OTHER)), lambda a, b, c: a + b),
        (lambda a, b, c: df.sparse_reduce_sum(c), lambda a, b, c: c.sum()),
        (lambda a, b, c: df.sparse_reduce_sum(c, [2, 0], True), lambda a, b, c: c.sum((0, 2), keepdims=True)),
        (
            lambda a, b, c: df.sparse_reduce_max(c, -1),
            lambda a, b, c: np.nan_to_num(np.where(c == 0, -np.inf, c).max(-1), neginf=0),
        ),
        (lambda a, b, c: df.sparse_tensor_dense_matmul(a, b_dense().T), lambda a, b, c: a @ b.T),
        (lambda a, b, c: df.sparse_tensor_dense_matmul(a, b_dense(), adjoint_a=True), lambda a, b, c: a.T @ b),
        (lambda a, b, c: df.sparse_tensor_dense_matmul(a, b_dense(), adjoint_b=True), lambda a, b, c: a @ b.T),
    ],
)
def test_a_dense_result_is_that_of_dense_arrays(build: Any, judge: Any, known: bool) -> None:
    result = build(*(sparse(it, known) for it in (MATRIX, OTHER, CUBE)))
    np.testing.assert_allclose(run(result), judge(MATRIX, OTHER, CUBE))


def b_dense() -> np.ndarray:
    return OTHER


def test_a_dense_tensor_and_its_sparse_one_are_the_same() -> None:
    for value in (CUBE, MATRIX.astype(np.int32), np.array([[b"a", b""], [b"", b"b"]], object), MATRIX > 0):
        made = df.sparse.from_dense(value)
        assert run(df.sparse_tensor_to_dense(made)).tolist() == value.tolist()


def test_a_softmax_is_that_of_the_entries_of_a_row() -> None:
    rows = np.where(CUBE == 0, -np.inf, CUBE)
    powers = np.exp(rows - np.nan_to_num(rows.max(-1, keepdims=True), neginf=0))
    expected = powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300)
    np.testing.assert_allclose(dense(run(df.sparse_softmax(sparse(CUBE)))), expected)


def test_empty_rows_are_filled_and_named() -> None:
    filled, empty = run(df.sparse_fill_empty_rows(df.SparseTensor([[2, 1], [0, 1]], ["b", "a"], [4, 2]), "-"))
    assert filled.indices.tolist() == [[0, 1], [1, 0], [2, 1], [3, 0]]
    assert filled.values.tolist() == [b"a", b"-", b"b", b"-"]
    assert empty.tolist() == [False, True, False, True]


# -- gradients


@pytest.mark.parametrize(
    "build",
    [
        lambda x, y: df.sparse_add(at(x), df.SparseTensor([[0, 1], [1, 1]], y[:2, 0], [3, 4])).values,
        lambda x, y: df.sparse_add(at(x), y),
        lambda x, y: df.sparse_reorder(df.SparseTensor(PLACES[::-1], x, [3, 4])).values,
        lambda x, y: df.sparse_reduce_sum(at(x), 0),
        lambda x, y: df.sparse_reduce_sum(at(x), [1], True),
        lambda x, y: df.sparse_slice(at(x), [1, 0], [2, 3]).values,
        lambda x, y: df.sparse_to_dense(PLACES, [3, 4], x, y[0, 0]),
        lambda x, y: df.sparse_tensor_dense_matmul(at(x), y, adjoint_a=True),
        lambda x, y: df.sparse_tensor_dense_matmul(at(x), y, adjoint_b=True),
        lambda x, y: (at(x) * y).values,
        lambda x, y: (at(x) * y[:, :1]).values,
        lambda x, y: (at(x) / y[0]).values,
        lambda x, y: df.sparse_softmax(at(x)).values,
        lambda x, y: df.sparse_fill_empty_rows(df.SparseTensor([[0, 1], [2, 0]], x[:2], [3, 4]), y[0, 0])[0].values,
        lambda x, y: df.sparse_transpose(at(x)).values,
        lambda x, y: df.sparse_retain(at(x), [True, False, True, True]).values,
        lambda x, y: df.sparse_retain(df.sparse_reorder(at(x)), [True, False, True, True]).values,
        lambda x, y: df.gather(df.sparse_tensor_dense_matmul(at(x), y, adjoint_b=True), [0, 0, 2]),
        lambda x, y: df.gather(df.sparse_reduce_sum(at(x), 0), [1, 3]),
    ],
)
def test_a_gradient_agrees_with_central_differences(build: Callable[..., df.Tensor]) -> None:
    values = {"x": RNG.normal(size=4), "y": RNG.uniform(0.5, 2, size=(3, 4))}
    x, y = (df.placeholder(df.float64, value.shape) for value in values.values())
    result = build(x, y)
    feeds = {x: values["x"], y: values["y"]}
    with df.Session() as session:
        weights = RNG.normal(size=session.run(result, feeds).shape)
        found = gradients(result, [x, y], [df.constant(weights)])
        for tensor, made in zip((x, y), found, strict=True):
            expected = differences(session, result, weights, feeds, tensor)
            if made is None:
                assert not expected.any()
            else:
                np.testing.assert_allclose(
                    session.run(df.convert_to_tensor(made), feeds), expected, rtol=1e-5, atol=1e-7
                )


PLACES = [[0, 1], [1, 0], [1, 3], [2, 2]]


def at(values: df.Tensor) -> df.SparseTensor:
    return df.SparseTensor(PLACES, values, [3, 4])


def differences(session: Any, result: Any, weights: Any, feeds: Any, tensor: Any) -> np.ndarray:
    found = np.zeros_like(feeds[tensor])
    for place in np.ndindex(found.shape):
        moved = np.zeros_like(found)
        moved[place] = 1e-6
        sides = [
            (session.run(result, {**feeds, tensor: feeds[tensor] + sign * moved}) * weights).sum() for sign in (1, -1)
        ]
        found[place] = (sides[0] - sides[1]) / 2e-6
    return found


# -- errors


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: df.sparse_tensor_to_dense(df.SparseTensor([[1], [0]], [1, 2], [2])),
            r"indices\[1\] = \[0\] is out of order",
        ),
        (
            lambda: df.sparse_tensor_to_dense(df.SparseTensor([[1], [1]], [1, 2], [2])),
            r"indices\[1\] = \[1\] is repeated",
        ),
        (
            lambda: df.sparse_tensor_to_dense(df.SparseTensor([[5]], [1], [2])),
            r"out of bounds: need 0 <= index < \[2\]",
        ),
        (lambda: df.sparse_reduce_sum(sparse(MATRIX), -3), "Invalid reduction dimension -3"),
        (lambda: df.sparse_concat(1, [sparse(MATRIX), sparse(MATRIX[:2])]).values, "Input shapes must match"),
        (lambda: df.sparse_reshape(sparse(MATRIX, False), [3, -1]).indices, "requires a multiple of 3"),
        (lambda: df.sparse_tensor_dense_matmul(sparse(MATRIX, False), OTHER), "inner dimension does not match"),
        (lambda: (sparse(MATRIX) * df.constant(np.ones(3))).values, "broadcasts dense to sparse only"),
        (
            lambda: df.sparse_fill_empty_rows(df.SparseTensor([[9, 0]], [1], [2, 2]), 0)[1],
            r"indices\(0, 0\) is invalid",
        ),
    ],
)
def test_a_run_says_what_does_not_fit(build: Any, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=text):
        run(build())


def test_wrong_operands_are_said_when_the_graph_is_built() -> None:
    for build in (
        lambda: df.sparse_add(1.0, 2.0),
        lambda: df.sparse_reorder(df.constant(1)),
        lambda: df.sparse_add(sparse(MATRIX), sparse(MATRIX.astype(np.float32))),
    ):
        with pytest.raises(TypeError):
            build()
    for build in (
        lambda: df.sparse_reshape(sparse(MATRIX), [3, 3]),
        lambda: df.sparse_retain(sparse(MATRIX), [True]),
        lambda: df.sparse_reset_shape(sparse(MATRIX), [1, 1]),
        lambda: df.sparse_split(1, sparse(MATRIX), 2),
    ):
        with pytest.raises(ValueError):
            build()


def test_a_placeholder_of_a_sparse_tensor_is_fed_by_its_value() -> None:
    x = df.sparse_placeholder(df.float64, [None, 5])
    assert x.shape.as_list() == [None, 5]
    value = run(sparse(MATRIX))
    np.testing.assert_allclose(run(df.sparse_tensor_to_dense(x), {x: value}), MATRIX)
    assert run(df.sparse_reduce_sum(df.sparse_placeholder(df.float64, name="free")), {"free/values:0": [1.0, 2.0],
               "free/indices:0": [[0], [4]], "free/shape:0": [5]}) == 3  # fmt: skip


def test_names_of_modules_are_those_of_functions() -> None:
    pairs = [
        (df.sparse.maximum, df.sparse_maximum),
        (df.sparse.minimum, df.sparse_minimum),
        (df.sparse.reduce_max, df.sparse_reduce_max),
        (df.sparse.reduce_max_sparse, df.sparse_reduce_max_sparse),
        (df.sparse.reduce_sum, df.sparse_reduce_sum),
        (df.sparse.reduce_sum_sparse, df.sparse_reduce_sum_sparse),
        (df.sparse.softmax, df.sparse_softmax),
        (df.sparse.retain, df.sparse_retain),
        (df.sparse.split, df.sparse_split),
        (df.sparse.reshape, df.sparse_reshape),
        (df.sparse.reset_shape, df.sparse_reset_shape),
        (df.sparse.fill_empty_rows, df.sparse_fill_empty_rows),
        (df.sparse.merge, df.sparse_merge),
        (df.sparse.matmul, df.sparse_tensor_dense_matmul),
        (df.sparse.placeholder, df.sparse_placeholder),
        (df.sparse.to_indicator, df.sparse_to_indicator),
        (df.sparse.SparseTensor, df.SparseTensor),
        (df.sparse.mask, df.sparse_mask),
        (df.sparse.segment_mean, df.sparse_segment_mean),
        (df.sparse.segment_sqrt_n, df.sparse_segment_sqrt_n),
        (df.sparse.segment_sum, df.sparse_segment_sum),
    ]
    assert [pair for pair in pairs if pair[0] is not pair[1]] == []


def test_a_mask_takes_rows_out_of_indexed_slices() -> None:
    slices = df.IndexedSlices([[1, 2], [3, 4], [5, 6]], [12, 26, 37], [100, 2])
    masked = df.sparse_mask(slices, [12, 45])
    values, indices, shape = run([masked.values, masked.indices, masked.dense_shape])
    assert (values.tolist(), indices.tolist(), shape.tolist()) == ([[3, 4], [5, 6]], [26, 37], [100, 2])


@pytest.mark.parametrize(
    ("function", "judge"),
    [
        (df.abs, np.abs),
        (df.negative, np.negative),
        (df.sign, np.sign),
        (df.square, np.square),
        (df.tanh, np.tanh),
        (lambda x: df.sqrt(df.abs(x)), lambda x: np.sqrt(np.abs(x))),
        (lambda x: df.cast(x, df.int32), lambda x: x.astype(np.int32)),
    ],
)
def test_a_function_that_keeps_zeros_is_one_of_the_entries(function: Any, judge: Any) -> None:
    made = function(sparse(MATRIX * 3))
    assert isinstance(made, df.SparseTensor)
    np.testing.assert_allclose(dense(run(made)), judge(MATRIX * 3))

"""Counts, histograms and confusion matrices; products by labels and over chosen axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from dflow.ops.array.constants import placeholder
from dflow.ops.math.confusion_matrix import remove_squeezable_dimensions
from tests.ops.evaluate import Evaluator

RNG = np.random.default_rng(9)


def value(fetch: Any, feeds: Any = None) -> Any:
    return Evaluator()(fetch, feeds)


def test_integers_are_counted_up_to_the_largest_or_to_a_bound() -> None:
    numbers = np.array([[1, 3], [3, 0]], np.int32)
    assert value(df.bincount(numbers)).tolist() == [1, 1, 0, 2]
    assert value(df.bincount(numbers, minlength=6, dtype="int64")).tolist() == [1, 1, 0, 2, 0, 0]
    assert value(df.bincount(numbers, maxlength=2)).tolist() == [1, 1]
    assert value(df.bincount(np.zeros(0, np.int32), minlength=2)).tolist() == [0, 0]
    x = placeholder("int32", None)
    with pytest.raises(errors.InvalidArgumentError, match="non-negative"):
        value(df.bincount(x), {x: [-1]})


def test_weights_are_summed_and_get_the_gradient_of_their_place() -> None:
    weights = df.constant([1.0, 2.0, 3.0])
    total = df.bincount([0, 5, 1], weights, maxlength=2)  # the second one is left out
    assert value(total).tolist() == [1, 3]
    (dw,) = gradients(total * [10.0, 20.0], [weights])
    assert value(dw).tolist() == [10, 0, 20]


def test_histograms_count_what_is_outside_in_the_first_and_the_last_bin() -> None:
    x = np.array([-9.0, 0.0, 0.9, 1.0, 1.5, 9.0], np.float32)
    assert value(df.histogram_fixed_width(x, [0.0, 2.0], 4)).tolist() == [2, 1, 1, 2]
    bins = df.histogram_fixed_width_bins(x.reshape(2, 3), [0.0, 2.0], 4)
    assert value(bins).tolist() == [[0, 0, 1], [2, 3, 3]]
    limits, count = placeholder("float32", [2]), placeholder("int32", [])
    counts = df.histogram_fixed_width(x, limits, count, "int64")
    assert value(counts, {limits: [0, 2], count: 2}).tolist() == [3, 3]
    for wrong in ({limits: [2, 0], count: 2}, {limits: [0, 2], count: 0}):
        with pytest.raises(errors.InvalidArgumentError, match=r"value_range should|nbins should"):
            value(counts, wrong)


def test_a_confusion_matrix_counts_predictions_of_each_class() -> None:
    labels, predictions = [0, 1, 1, 2], [0, 1, 2, 2]
    assert value(df.confusion_matrix(labels, predictions)).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    weighed = df.confusion_matrix(np.array([labels]).T, predictions, 4, df.float32, weights=[1.0, 2.0, 3.0, 4.0])
    assert weighed.shape.as_list() == [4, 4]
    assert value(weighed).tolist() == [[1, 0, 0, 0], [0, 2, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]]
    x = placeholder("int64", [None])
    found = df.confusion_matrix(x, [0, 1], 2)
    for wrong, text in (([-1, 0], "`labels` contains negative values"), ([2, 0], "`labels` out of bound")):
        with pytest.raises(errors.InvalidArgumentError, match=text):
            value(found, {x: wrong})
    with pytest.raises(ValueError, match="differ in shape"):
        df.confusion_matrix([1, 2], [1, 2, 3])


def test_an_equation_that_does_not_fit_is_an_error() -> None:
    a, b = placeholder("float32", [2, 3]), placeholder("float32", [4, 5])
    for equation, operands in [
        ("ij,jk->ik", (a,)),
        ("ijk->i", (a,)),
        ("ij->k", (a,)),
        ("ii->i", (a,)),
        ("i.j->i", (a,)),
        ("ij,jk->ik", (a, b)),
        ("...i,...j->...ij", (placeholder("float32", None), b)),
    ]:
        with pytest.raises(ValueError):
            df.einsum(equation, *operands)
    with pytest.raises(TypeError, match="invalid keyword"):
        df.einsum("ij->ji", a, other=1)
    x, y = placeholder("float32", None), placeholder("float32", None)
    with pytest.raises(errors.InvalidArgumentError, match="must be equal"):
        value(df.einsum("ij,jk->ik", x, y), {x: np.ones((2, 3)), y: np.ones((2, 3))})


def test_the_trace_is_the_only_label_that_may_be_repeated() -> None:
    assert value(df.einsum("ii", np.eye(3))) == 3
    assert value(df.einsum("i i", np.eye(3))) == 3


@pytest.mark.parametrize("axes", [0, 1, 2, [[0], [1]], [[-1, 0], [0, 1]], (1, 0), np.array([[1, 0], [0, 1]])])
def test_tensordot_is_numpys_with_axes_that_are_known_and_that_are_fed(axes: Any) -> None:
    a, b = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 3))
    a, b = (a, b) if np.ndim(axes) else (a, RNG.normal(size=(2, 4)) if axes == 1 else RNG.normal(size=(3, 2)))
    expected = np.tensordot(a, b, axes if np.ndim(axes) < 2 else [list(it) for it in axes])
    np.testing.assert_allclose(value(df.tensordot(a, b, axes)), expected)
    x, y = placeholder("float64", None), placeholder("float64", None)
    fed = placeholder("int32", np.shape(axes))
    for tensor, feeds in ((df.tensordot(x, y, axes), {}), (df.tensordot(x, y, fed), {fed: axes})):
        np.testing.assert_allclose(value(tensor, {x: a, y: b, **feeds}), expected)


def test_axes_that_do_not_fit_are_an_error() -> None:
    a = np.ones((2, 2), np.float32)
    for axes in (-1, 3, [1], [[1]], [[1], [0, 1]], [[0, 0], [0, 1]]):
        with pytest.raises(ValueError):
            df.tensordot(a, a, axes)
    with pytest.raises(IndexError):
        df.tensordot(a, a, [[0], [7]])
    x = placeholder("float32", None)
    with pytest.raises(errors.InvalidArgumentError, match=r"size-incompatible: In\[0\]: \[2,2\], In\[1\]: \[3,2\]"):
        value(df.tensordot(x, np.ones((3, 2), np.float32), [[1], [0]]), {x: a})


def test_a_last_axis_of_one_that_only_one_of_two_has_is_taken_away_also_at_run_time() -> None:
    x, y = placeholder("int32", None), placeholder("int32", None)
    labels, predictions = remove_squeezable_dimensions(x, y)
    for of_x, of_y, wanted in [((2, 1), (2,), (2,)), ((2,), (2, 1), (2,)), ((2, 1), (2, 1), (2, 1))]:
        found = value([labels, predictions], {x: np.ones(of_x), y: np.ones(of_y)})
        assert [it.shape for it in found] == [wanted, wanted]
    labels, predictions = remove_squeezable_dimensions(x, y, expected_rank_diff=1)
    assert value(labels, {x: np.ones((3, 1)), y: np.ones((3, 5))}).shape == (3,)
    assert value(labels, {x: np.ones(3), y: np.ones((3, 5))}).shape == (3,)


def test_an_axis_of_a_running_sum_is_checked_by_the_run() -> None:
    for function in (df.cumsum, df.cumprod, df.math.cumulative_logsumexp):
        with pytest.raises(errors.InvalidArgumentError, match=r"Expected scan axis in the range \[-2, 2\)"):
            value(function(np.ones((2, 2)), 2))

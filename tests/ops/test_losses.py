"""`df.losses`: values, weights, reductions, collections, names; against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.errors import ShapeError
from dflow.gradients import gradients
from dflow.ops.losses.ranks import fit_weights, remove_squeezable_dimensions, squeeze_weights
from dflow.ops.losses.weights import assert_broadcastable, broadcast_weights
from tests.ops.evaluate import Evaluator

LABELS = np.array([[1.0, 9.0, 2.0], [-5.0, -2.0, 6.0]], np.float32)
PREDICTIONS = np.array([[4.0, 8.0, 12.0], [8.0, 1.0, 3.0]], np.float32)
TRUTHS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], np.float32)
LOGITS = np.array([[0.5, -2.0, 1.5], [3.0, 0.2, -0.7]], np.float32)
CLASSES = np.eye(3, dtype=np.float32)[[2, 0]]


def value(tensor: Any, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def huber(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where(abs(x - y) <= 1, (x - y) ** 2 / 2, abs(x - y) - 0.5)


def cross_entropy(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return -y * np.log(sigmoid(x)) - (1 - y) * np.log(1 - sigmoid(x))


EACH: dict[str, tuple[Callable[..., Any], Any, Any, Callable[..., Any]]] = {  # name: function, two operands, NumPy's
    "absolute_difference": (df.losses.absolute_difference, LABELS, PREDICTIONS, lambda y, x: abs(y - x)),
    "mean_squared_error": (df.losses.mean_squared_error, LABELS, PREDICTIONS, lambda y, x: (y - x) ** 2),
    "huber_loss": (df.losses.huber_loss, LABELS / 8, PREDICTIONS / 8, huber),
    "log_loss": (
        df.losses.log_loss,
        TRUTHS,
        sigmoid(LOGITS),
        lambda y, x: -y * np.log(x + 1e-7) - (1 - y) * np.log(1 - x + 1e-7),
    ),
    "hinge_loss": (df.losses.hinge_loss, TRUTHS, LOGITS, lambda y, x: np.maximum(0, 1 - (2 * y - 1) * x)),
    "sigmoid_cross_entropy_loss": (df.losses.sigmoid_cross_entropy, TRUTHS, LOGITS, cross_entropy),
    "softmax_cross_entropy_loss": (
        df.losses.softmax_cross_entropy,
        CLASSES,
        LOGITS,
        lambda y, x: -(y * np.log(softmax(x))).sum(-1),
    ),
    "sparse_softmax_cross_entropy_loss": (
        df.losses.sparse_softmax_cross_entropy,
        np.array([2, 0]),
        LOGITS,
        lambda y, x: -np.log(softmax(x)[np.arange(2), y]),
    ),
    "cosine_distance_loss": (
        lambda y, x, **kwargs: df.losses.cosine_distance(y, x, axis=1, **kwargs),
        LABELS,
        PREDICTIONS,
        lambda y, x: 1 - (y * x).sum(1, keepdims=True),
    ),
}


@pytest.mark.parametrize("name", EACH)
def test_each_loss_is_what_numpy_says_under_its_name_in_the_collection(name: str, graph: df.Graph) -> None:
    function, labels, outputs, judge = EACH[name]
    loss = function(labels, outputs)
    each = function(labels, outputs, weights=2.0, reduction=df.losses.Reduction.NONE, loss_collection="mine")
    np.testing.assert_allclose(value(loss), judge(labels, outputs).mean(), rtol=1e-5)
    np.testing.assert_allclose(value(each), 2 * judge(labels, outputs), rtol=1e-5)
    assert loss.op.name == f"{name}/value"
    assert (df.losses.get_losses(), df.get_collection("mine")) == ([loss], [each])


@pytest.mark.parametrize("name", EACH)
def test_no_loss_without_labels_or_with_others_than_the_predictions(name: str) -> None:
    function, labels, outputs, _ = EACH[name]
    with pytest.raises(ValueError, match="must not be None"):
        function(None, outputs)
    with pytest.raises(ValueError, match="must not be None"):
        function(labels, None)
    with pytest.raises(ValueError):
        function(labels, outputs, weights=None)
    with pytest.raises(ValueError):
        function(labels, np.concatenate([outputs, outputs]))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    df.losses.Reduction.SUM: lambda weighed, weights: weighed.sum(),
    df.losses.Reduction.MEAN: lambda weighed, weights: weighed.sum() / weights.sum(),
    df.losses.Reduction.SUM_OVER_BATCH_SIZE: lambda weighed, weights: weighed.mean(),
    df.losses.Reduction.SUM_BY_NONZERO_WEIGHTS: lambda weighed, weights: weighed.sum() / (weights != 0).sum(),
}
WEIGHTS = [
    np.float32(2.5),
    np.array([[1.2], [0.0]], np.float32),
    np.array([[1.0, 0.0, 3.0]], np.float32),
    np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]], np.float32),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("weights", WEIGHTS, ids=[str(it.shape) for it in WEIGHTS])
def test_a_weighted_loss_is_reduced_as_asked(reduction: str, known: bool, weights: Any) -> None:
    losses = df.placeholder(df.float64, [2, 3] if known else None)
    fed = df.placeholder(df.float32, np.shape(weights) if known else None)
    loss = df.losses.compute_weighted_loss(losses, fed, reduction=reduction)
    wide = np.broadcast_to(weights, (2, 3))
    wanted = REDUCTIONS[reduction](LABELS * wide, wide)
    assert (loss.dtype, loss.shape.ndims) == (df.float64, 0)
    np.testing.assert_allclose(value(loss, {losses: LABELS, fed: weights}), wanted, rtol=1e-6)


def test_weights_that_are_all_zero_give_zero_and_a_gradient_of_zero() -> None:
    x = df.constant(PREDICTIONS)
    for reduction in REDUCTIONS:
        loss = df.losses.mean_squared_error(LABELS, x, np.zeros((2, 1), np.float32), reduction=reduction)
        found, gradient = value([loss, gradients(loss, x)[0]])
        assert found == 0
        np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


def test_there_are_six_words_for_reductions_and_no_others() -> None:
    assert len(set(df.losses.Reduction.all())) == 5
    with pytest.raises(ValueError, match="Invalid Reduction Key mean"):
        df.losses.compute_weighted_loss(LABELS, reduction="mean")


@pytest.mark.parametrize("shape", [(1,), (1, 1), (3, 2), (2, 4), (1, 1, 1, 1), (3, 2, 4, 1)])
def test_weights_of_other_shapes_are_refused_when_it_is_known(shape: tuple[int, ...]) -> None:
    values, weights = np.ones((3, 2, 4)), np.ones(shape)
    with pytest.raises(ShapeError, match="weights can not be broadcast to values"):
        assert_broadcastable(weights, values)
    fed, other = df.placeholder(df.float64), df.placeholder(df.float64)
    with pytest.raises(errors.InvalidArgumentError, match="weights can not be broadcast to values"):
        value(broadcast_weights(fed, other), {fed: weights, other: values})


@pytest.mark.parametrize("shape", [(), (1, 1, 1), (1, 1, 4), (3, 1, 4), (3, 2, 4)])
def test_weights_of_fitting_shapes_are_repeated(shape: tuple[int, ...]) -> None:
    weights = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape)
    fed, other = df.placeholder(df.float64), df.placeholder(df.float64)
    found = [broadcast_weights(weights, np.ones((3, 2, 4))), broadcast_weights(fed, other)]
    for array in value(found, {fed: weights, other: np.ones((3, 2, 4))}):
        np.testing.assert_array_equal(array, np.broadcast_to(weights, (3, 2, 4)))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("labels", "predictions", "difference", "wanted"),
    [
        ((2, 1), (2,), 0, ((2,), (2,))),
        ((2,), (2, 1), 0, ((2,), (2,))),
        ((2, 1), (2, 3), 1, ((2,), (2, 3))),
        ((2,), (2, 3), 1, ((2,), (2, 3))),
        ((2, 3), (2,), 0, ((2, 3), (2,))),
    ],
)
def test_a_last_axis_of_one_goes_where_the_rank_is_too_high(
    known: bool, labels: Any, predictions: Any, difference: int, wanted: Any
) -> None:
    feeds = {df.placeholder(df.float64, it if known else None): np.ones(it) for it in (labels, predictions)}
    found = value(list(remove_squeezable_dimensions(*feeds, difference)), feeds)
    assert tuple(array.shape for array in found) == wanted


@pytest.mark.parametrize("known", [True, False])
def test_weights_get_the_rank_of_what_they_weigh(known: bool) -> None:
    for shape, fitted, squeezed in [((2,), (2, 1), (2,)), ((2, 3, 1), (2, 3), (2, 3)), ((), (), ()), ((2, 3),) * 3]:
        weights, x = (df.placeholder(df.float64, it if known else None) for it in (shape, (2, 3)))
        tensors = [fit_weights(weights, x), squeeze_weights(weights, x)]
        found = value(tensors, {weights: np.ones(shape), x: np.ones((2, 3))})
        assert [array.shape for array in found] == [fitted, squeezed]
        if found[0].size > 1 and not known:
            gradient = value(gradients(tensors[0], weights)[0], {weights: np.ones(shape), x: np.ones((2, 3))})
            np.testing.assert_array_equal(gradient, np.ones(shape))


def test_label_smoothing_moves_labels_to_the_middle() -> None:
    smooth = df.losses.softmax_cross_entropy(CLASSES, LOGITS, label_smoothing=0.3)
    wanted = -((CLASSES * 0.7 + 0.1) * np.log(softmax(LOGITS))).sum(-1).mean()
    np.testing.assert_allclose(value(smooth), wanted, rtol=1e-5)
    smooth = df.losses.sigmoid_cross_entropy(TRUTHS, LOGITS, label_smoothing=0.3)
    np.testing.assert_allclose(value(smooth), cross_entropy(TRUTHS * 0.7 + 0.15, LOGITS).mean(), rtol=1e-5)


def test_pairwise_errors_are_differences_of_differences() -> None:
    errors_of = PREDICTIONS - LABELS
    each = [np.mean([(row[i] - row[j]) ** 2 for i in range(3) for j in range(3) if i != j]) for row in errors_of]
    loss = df.losses.mean_pairwise_squared_error(LABELS, PREDICTIONS)
    np.testing.assert_allclose(value(loss), sum(each), rtol=1e-5)
    weighed = df.losses.mean_pairwise_squared_error(LABELS, PREDICTIONS, np.array([[2.0], [0.0]]))
    np.testing.assert_allclose(value(weighed), 2 * each[0], rtol=1e-5)
    assert df.losses.get_losses() == [loss, weighed]


def test_the_total_loss_has_the_regularizers_too() -> None:
    with pytest.raises(ValueError):
        df.losses.get_total_loss()
    assert value(df.losses.get_regularization_loss()) == 0
    df.losses.add_loss(df.constant(3.0, name="a/loss"))
    df.add_to_collection(df.GraphKeys.REGULARIZATION_LOSSES, df.constant(4.0, name="b/loss"))
    totals = [
        df.losses.get_total_loss(),
        df.losses.get_total_loss(add_regularization_losses=False),
        df.losses.get_regularization_loss(),
    ]
    assert [float(it) for it in value(totals)] == [7, 3, 4]
    assert [it.op.name for it in totals] == ["total_loss", "total_loss_1", "total_regularization_loss"]
    assert len(df.losses.get_losses("a")) == 1
    assert df.losses.get_regularization_losses("a") == []


def test_cosine_distance_needs_one_axis() -> None:
    with pytest.raises(ValueError, match="You must specify 'axis'"):
        df.losses.cosine_distance(LABELS, PREDICTIONS)
    with pytest.raises(ValueError, match="both"):
        df.losses.cosine_distance(LABELS, PREDICTIONS, axis=1, dim=1)

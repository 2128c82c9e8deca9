"""Neural networks beyond the oracle table: stability, special values, dropout, clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.errors import DTypeError, ShapeError
from dflow.gradients import gradients
from dflow.ops.array.constants import constant, placeholder
from dflow.ops.array.fill import ones
from dflow.ops.array.shape import shape
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.random import set_random_seed
from tests.ops.evaluate import Evaluator


def value(tensor: Any, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


# -- losses


def test_losses_of_large_logits_are_finite_and_exact() -> None:
    logits = constant([[1000.0, -1000.0]])
    assert value(df.nn.softmax_cross_entropy_with_logits(labels=constant([[0.0, 1.0]]), logits=logits)) == [2000.0]
    assert value(df.nn.sparse_softmax_cross_entropy_with_logits(labels=constant([1]), logits=logits)) == [2000.0]
    found = df.nn.sigmoid_cross_entropy_with_logits(labels=constant([[0.0, 1.0]]), logits=logits)
    np.testing.assert_array_equal(value(found), [[1000.0, 1000.0]])
    np.testing.assert_array_equal(value(df.nn.softmax(logits)), [[1.0, 0.0]])


def test_the_sigmoid_loss_is_what_its_definition_says_and_its_gradient_at_zero_is_right() -> None:
    x, z = np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.3, 0.0])
    logits = constant(x)
    loss = df.nn.sigmoid_cross_entropy_with_logits(labels=constant(z), logits=logits)
    p = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(value(loss), -z * np.log(p) - (1 - z) * np.log(1 - p))
    np.testing.assert_allclose(value(gradients(loss, logits)[0]), p - z)


def test_the_first_softmax_loss_does_not_learn_its_labels() -> None:
    logits, labels = constant([[1.0, 2.0]]), constant([[0.0, 1.0]])
    loss = df.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    into_logits, into_labels = gradients(loss, [logits, labels])
    assert into_labels is None
    np.testing.assert_allclose(value(into_logits), value(df.nn.softmax(logits)) - [[0.0, 1.0]])


def test_a_label_that_is_no_class_is_an_error_that_names_it() -> None:
    loss = df.nn.sparse_softmax_cross_entropy_with_logits(labels=constant([0, 5]), logits=ones([2, 3]))
    with pytest.raises(errors.InvalidArgumentError, match=r"labels\[1\] = 5 is not in \[0, 3\)"):
        value(loss)


def test_losses_are_called_by_named_arguments_and_check_their_shapes() -> None:
    with pytest.raises(ValueError, match="named arguments"):
        df.nn.sigmoid_cross_entropy_with_logits(constant([1.0]), constant([1.0]))
    with pytest.raises(ValueError, match="Both labels and logits"):
        df.nn.softmax_cross_entropy_with_logits(labels=constant([1.0]))
    with pytest.raises(ShapeError, match="same shape"):
        df.nn.sigmoid_cross_entropy_with_logits(labels=constant([1.0, 2.0]), logits=constant([1.0]))
    with pytest.raises(ShapeError, match="Rank mismatch"):
        df.nn.sparse_softmax_cross_entropy_with_logits(labels=constant([[1]]), logits=ones([1, 2]))
    with pytest.raises(DTypeError, match="labels"):
        df.nn.sparse_softmax_cross_entropy_with_logits(labels=constant([1.0]), logits=ones([1, 2]))


def test_in_top_k_says_no_where_it_cannot_say() -> None:
    predictions = constant([[1.0, 1.0, 0.0], [np.nan, 1.0, 2.0], [3.0, 2.0, 1.0]])
    np.testing.assert_array_equal(value(df.nn.in_top_k(predictions, [0, 1, 7], 1)), [True, False, False])


def test_a_bias_has_one_value_a_channel() -> None:
    with pytest.raises(ShapeError, match="must be equal, but are 3 and 2"):
        df.nn.bias_add(ones([2, 3]), ones([2]))
    x = placeholder("float32", None)
    with pytest.raises(errors.InvalidArgumentError, match="as many biases as channels"):
        value(df.nn.bias_add(x, ones([2])), {x: np.zeros((2, 3))})


# -- dropout


def test_dropout_keeps_the_mean_and_drops_the_said_part() -> None:
    set_random_seed(1)
    found = value(df.nn.dropout(ones([100, 100]), keep_prob=0.8))
    assert set(np.unique(found)) == {0.0, np.float32(1.25)}
    assert abs((found == 0).mean() - 0.2) < 0.02


def test_dropout_takes_a_tensor_of_unknown_shape_a_fed_probability_and_a_noise_shape() -> None:
    x, keep = placeholder("float32", None), placeholder("float32", [])
    found = value(df.nn.dropout(x, keep), {x: np.ones((50, 4)), keep: 1.0})
    np.testing.assert_array_equal(found, np.ones((50, 4)))
    rows = value(df.nn.dropout(ones([50, 4]), 0.5, noise_shape=[50, 1], seed=3))
    assert (rows == rows[:, :1]).all()
    assert 0 < (rows == 0).mean() < 1
    late = value(df.nn.dropout(x, rate=0.5, noise_shape=shape(x), seed=3), {x: np.ones((50, 4)), keep: 1.0})
    assert late.shape == (50, 4)


def test_dropout_passes_the_gradient_where_it_passed_the_value() -> None:
    x = constant(np.arange(1.0, 101.0))
    y = df.nn.dropout(x, 0.5, seed=1)
    dx = gradients(y, x)[0]
    kept, slope = Evaluator()([y, dx])
    np.testing.assert_array_equal(kept, slope * np.arange(1.0, 101.0))


def test_dropout_of_nothing_is_the_tensor_itself() -> None:
    x = ones([3])
    assert df.nn.dropout(x, keep_prob=1.0) is x
    assert df.nn.dropout(x, rate=0.0) is x
    for wrong in (0.0, 1.5, -0.1):
        with pytest.raises(ValueError, match="keep_prob"):
            df.nn.dropout(x, wrong)
    with pytest.raises(ValueError, match="floating"):
        df.nn.dropout(constant([1, 2]), 0.5)


# -- clipping by norms


def test_tensors_are_scaled_down_together() -> None:
    found, norm = df.clip_by_global_norm([constant([3.0]), None, constant([4.0])], 1.0)
    assert found[1] is None
    for tensor, wanted in [(found[0], [0.6]), (found[2], [0.8]), (norm, 5.0)]:
        np.testing.assert_allclose(value(tensor), wanted, rtol=1e-6)
    short, _ = df.clip_by_global_norm([constant([3.0, 4.0])], 10.0)
    np.testing.assert_allclose(value(short[0]), [3.0, 4.0])
    lost, _ = df.clip_by_global_norm([constant([np.inf, 1.0])], 1.0)
    assert np.isnan(value(lost[0])).all()


def test_clip_by_norm_leaves_short_vectors_and_has_a_gradient_at_zero() -> None:
    np.testing.assert_allclose(value(df.clip_by_norm(constant([3.0, 4.0]), 1.0)), [0.6, 0.8])
    rows = df.clip_by_norm(constant([[3.0, 4.0], [0.3, 0.4]]), 1.0, axes=[1])
    np.testing.assert_allclose(value(rows), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    x = constant([0.0, 0.0])
    np.testing.assert_array_equal(value(gradients(df.clip_by_norm(x, 1.0), x)[0]), [1.0, 1.0])


def test_l2_loss_is_half_the_sum_of_squares() -> None:
    x = constant([1.0, 2.0])
    assert value(add(df.nn.l2_loss(x), multiply(df.nn.l2_loss(x), 0.0))) == 2.5


def test_a_negative_limit_of_a_norm_is_zero() -> None:
    x, limit = constant([3.0, 4.0]), placeholder("float32", [])
    y = df.clip_by_norm(x, limit)
    np.testing.assert_array_equal(value(y, {limit: -1.0}), [0, 0])
    np.testing.assert_array_equal(value(gradients(y, x)[0], {limit: -1.0}), [0, 0])


def test_the_constants_of_a_bias_are_named_after_it() -> None:
    y, mine = df.nn.bias_add(ones([2, 2]), [1.0, 2.0]), df.nn.bias_add([[1.0, 2.0]], [1.0, 2.0], name="mine")
    assert [it.name for it in (y.op, *y.op.inputs[1:])] == ["BiasAdd", "BiasAdd/bias:0"]
    assert [it.name for it in (mine.op, *mine.op.inputs)] == ["mine", "mine/input:0", "mine/bias:0"]

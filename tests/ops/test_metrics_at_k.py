"""Metrics of the k best predictions; against sets of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors

m = df.metrics
SCORES = np.random.default_rng(3).permutation(24).reshape(4, 6).astype(np.float32)
LABELS = np.array([[0, 3], [5, 5], [1, 2], [4, 2]])


def best(k: int) -> list[list[int]]:
    return np.argsort(-SCORES, axis=1)[:, :k].tolist()


def rows(k: int, only: int | None) -> list[tuple[set[int], set[int]]]:
    """The labels and the predictions of each row, of one class or of all."""
    pairs = [(set(y), set(x)) for y, x in zip(LABELS.tolist(), best(k), strict=True)]
    return [(y & {only}, x & {only}) if only is not None else (y, x) for y, x in pairs]


def updated(metric: tuple[Any, Any], feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        value = sess.run(metric[1], feeds)
        np.testing.assert_array_equal(sess.run(metric[0]), value)
        return value


def sparse(labels: np.ndarray) -> df.SparseTensor:
    places = np.argwhere(np.ones_like(labels))
    return df.SparseTensor(places, labels.reshape(-1).astype(np.int64), labels.shape)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("only", [None, 2])
@pytest.mark.parametrize("of", [np.array, sparse])
def test_precision_and_recall_count_sets(k: int, only: int | None, of: Any) -> None:
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    for heavy in (np.ones(4), weights):
        hits, said, there = (
            sum(w * len(it(y, x)) for w, (y, x) in zip(heavy, rows(k, only), strict=True))
            for it in (lambda y, x: y & x, lambda y, x: x, lambda y, x: y)
        )
        options = {"class_id": only, "weights": heavy.astype(np.float32)}
        with np.errstate(invalid="ignore"):
            wanted = np.float64(hits) / said, np.float64(hits) / there
        places = np.array(best(k))
        for precision, recall in (
            (m.precision_at_k(of(LABELS), SCORES, k, **options), m.recall_at_k(of(LABELS), SCORES, k, **options)),
            (
                m.precision_at_top_k(of(LABELS), places, k, **options),
                m.recall_at_top_k(of(LABELS), places, k, **options),
            ),
        ):
            np.testing.assert_allclose([updated(precision), updated(recall)], wanted)


def test_one_label_a_row_needs_no_axis_of_its_own() -> None:
    hits = sum(int(y) in x for y, x in zip(LABELS[:, 0], best(3), strict=True))
    for labels in (LABELS[:, 0], df.SparseTensor([[0], [1], [2], [3]], LABELS[:, 0], [4])):
        assert updated(m.recall_at_k(labels, SCORES, 3)) == hits / 4


def test_average_precision_is_the_mean_of_precisions_where_it_is_right() -> None:
    each = []
    for y, x in zip(LABELS.tolist(), best(4), strict=True):
        right = [label in y for label in x]
        precisions = [sum(right[: i + 1]) / (i + 1) for i in range(4) if right[i]]
        each.append(sum(precisions) / len(y))
    np.testing.assert_allclose(updated(m.average_precision_at_k(LABELS, SCORES, 4)), np.mean(each))
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    found = updated(m.average_precision_at_k(LABELS, SCORES, 4, weights=weights.astype(np.float32)))
    np.testing.assert_allclose(found, (weights * each).sum() / weights.sum())
    with pytest.raises(ValueError, match="Invalid k=0"):
        m.average_precision_at_k(LABELS, SCORES, 0)


def test_older_names_do_the_same_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        older = m.sparse_precision_at_k(LABELS, SCORES, 2), m.sparse_average_precision_at_k(LABELS, SCORES, 2)
    newer = m.precision_at_k(LABELS, SCORES, 2), m.average_precision_at_k(LABELS, SCORES, 2)
    assert [updated(it) for it in older] == [updated(it) for it in newer]


def test_variables_are_named_after_k_and_the_class() -> None:
    m.precision_at_k(LABELS, SCORES, 2, class_id=1)
    m.recall_at_k(LABELS, SCORES, 3, name="mine")
    assert [variable.op.name for variable in df.local_variables()] == [
        *(f"precision_at_2_class1/{it}_positive_at_2_class1" for it in ("true", "false")),
        *("mine/true_positive_at_3", "mine/false_negative_at_3"),
    ]


def test_labels_of_other_rows_than_the_predictions_are_an_error() -> None:
    labels = df.placeholder(df.int64)
    with pytest.raises(errors.InvalidArgumentError, match="do not have the rows of predictions"):
        updated(m.recall_at_k(labels, SCORES, 2), {labels: LABELS[:3]})

"""The loss and the decoders of connectionist temporal classification; against all paths, one by one."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from tests.ops.evaluate import Evaluator

TIME, CLASSES = 5, 4
BLANK = CLASSES - 1
X = np.random.default_rng(8).normal(scale=2.0, size=(TIME, 3, CLASSES))
LENGTHS = [5, 4, 2]
LABELS = [(0, 1, 1), (2,), (1, 0)]
SPARSE = (
    [[i, j] for i, row in enumerate(LABELS) for j in range(len(row))],
    [it for row in LABELS for it in row],
    [3, 3],
)


def value(tensor: Any) -> Any:
    return Evaluator()(tensor)


def said(path: tuple[int, ...], merge: bool = True) -> tuple[int, ...]:
    """What a path of classes says."""
    merged = [key for key, _ in itertools.groupby(path)] if merge else list(path)
    return tuple(it for it in merged if it != BLANK)


def probabilities(x: np.ndarray, length: int, merge: bool = True) -> dict[tuple[int, ...], float]:
    """How probable each sequence of labels is, by all paths."""
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(CLASSES), repeat=length):
        found[said(path, merge)] += float(np.prod([p[t, it] for t, it in enumerate(path)]))
    return found


def labels() -> df.SparseTensor:
    indices, values, shape = SPARSE
    return df.SparseTensor(indices, df.constant(values, df.int32), shape)


def test_the_loss_is_the_probability_of_all_paths_that_say_the_labels() -> None:
    for merge in (True, False):
        loss = df.nn.ctc_loss(labels(), df.constant(X), LENGTHS, ctc_merge_repeated=merge)
        wanted = [-np.log(probabilities(X[:, i], LENGTHS[i], merge)[LABELS[i]]) for i in range(3)]
        np.testing.assert_allclose(value(loss), wanted)
    swapped = df.nn.ctc_loss(labels(), logits=df.constant(X.swapaxes(0, 1)), sequence_length=LENGTHS, time_major=False)
    np.testing.assert_allclose(value(swapped)[0], -np.log(probabilities(X[:, 0], 5)[LABELS[0]]))


def test_the_gradient_of_the_loss_is_that_of_differences() -> None:
    x = df.placeholder(df.float64, X.shape)
    loss = df.nn.ctc_loss(labels(), x, LENGTHS)
    weights = np.array([1.0, -2.0, 0.5])
    run = Evaluator()
    found = run(gradients(loss, x, df.constant(weights))[0], {x: X})
    for place in [(0, 0, 0), (1, 0, 3), (4, 0, 1), (3, 1, 2), (4, 1, 0), (1, 2, 0), (2, 2, 0)]:
        step = np.zeros_like(X)
        step[place] = 1e-6
        difference = (run(loss, {x: X + step}) - run(loss, {x: X - step})) @ weights / 2e-6
        np.testing.assert_allclose(found[place], difference, rtol=1e-5, atol=1e-7)


def test_repeated_labels_may_collapse_and_short_sequences_be_ignored() -> None:
    collapsed = df.nn.ctc_loss(labels(), df.constant(X), LENGTHS, preprocess_collapse_repeated=True)
    np.testing.assert_allclose(value(collapsed)[0], -np.log(probabilities(X[:, 0], 5)[(0, 1)]))
    x = df.constant(X)
    ignored = df.nn.ctc_loss(labels(), x, [3, 4, 2], ignore_longer_outputs_than_inputs=True)
    loss, gradient = value([ignored, gradients(ignored, x)[0]])
    assert loss[0] == 0
    assert not gradient[:, 0].any()
    assert gradient[:, 1].any()


@pytest.mark.parametrize("blank", [None, 2, -1])
def test_dense_labels_may_have_any_class_as_their_blank(blank: int | None) -> None:
    place = {None: 0, -1: BLANK}.get(blank, blank)
    order = [*(c for c in range(CLASSES) if c != place), place]  # the class of `X` with each number, the blank last
    x = np.empty_like(X)
    x[..., order] = X
    table = np.zeros((3, 3), int)
    for i, row in enumerate(LABELS):
        table[i, : len(row)] = [order[label] for label in row]
    loss = df.nn.ctc_loss_v2(
        df.constant(table), df.constant(x), [len(row) for row in LABELS], LENGTHS, blank_index=blank
    )
    np.testing.assert_allclose(value(loss), [-np.log(probabilities(X[:, i], LENGTHS[i])[LABELS[i]]) for i in range(3)])
    sparse = df.nn.ctc_loss_v2(labels(), df.constant(X), None, LENGTHS, blank_index=BLANK)
    np.testing.assert_allclose(value(sparse), value(loss))
    with pytest.raises(ValueError, match="blank_index must be given"):
        df.nn.ctc_loss_v2(labels(), df.constant(X), None, LENGTHS)


def test_labels_of_rows_are_made_different_or_collapse() -> None:
    rows = df.constant([[3, 3, 1, 3], [2, 0, 0, 0]])
    with df.Session() as sess:
        (distinct, places), (collapsed, lengths) = sess.run(
            [df.nn.ctc_unique_labels(rows), list(df.nn.collapse_repeated(rows, [4, 2]))]
        )
    np.testing.assert_array_equal(distinct, [[3, 1, 0, 0], [2, 0, 0, 0]])
    np.testing.assert_array_equal(places, [[0, 0, 1, 0], [0, 1, 1, 1]])
    np.testing.assert_array_equal(collapsed, [[3, 1, 3], [2, 0, 0]])
    np.testing.assert_array_equal(lengths, [3, 2])


def test_labels_and_lengths_that_do_not_fit_are_refused() -> None:
    x = df.constant(X)
    with pytest.raises(TypeError, match="SparseTensor"):
        df.nn.ctc_loss([[1]], x, LENGTHS)
    cases: list[tuple[Any, Any, str]] = [
        (labels(), [3, 4, 2], "Not enough time for target transition sequence"),
        (labels(), [6, 4, 2], "sequence_length"),
        (df.SparseTensor([[0, 0], [1, 0]], df.constant([1, 1]), [3, 1]), LENGTHS, "Labels length is zero in batch 2"),
        (
            df.SparseTensor([[0, 0], [1, 0], [2, 0], [2, 1]], df.constant([1, 1, 3, 1]), [3, 2]),
            LENGTHS,
            "Saw a non-null label",
        ),
        (df.SparseTensor([[3, 0]], df.constant([1]), [4, 1]), LENGTHS, "batch indices"),
    ]
    for some, lengths, text in cases:
        with pytest.raises(errors.InvalidArgumentError, match=text):
            value(df.nn.ctc_loss(some, x, lengths))


def rows_of(decoded: Any) -> list[tuple[int, ...]]:
    rows: list[list[int]] = [[] for _ in range(3)]
    for (row, _), label in zip(decoded.indices, decoded.values, strict=True):
        rows[row].append(int(label))
    return [tuple(row) for row in rows]


def test_the_greedy_decoder_says_the_best_path() -> None:
    paths = [tuple(X[: LENGTHS[i], i].argmax(-1).tolist()) for i in range(3)]
    for merge in (True, False):
        (decoded,), logs = df.nn.ctc_greedy_decoder(df.constant(X), LENGTHS, merge)
        with df.Session() as sess:
            found, log = sess.run([decoded, logs])
        assert rows_of(found) == [said(path, merge) for path in paths]
        np.testing.assert_allclose(log[:, 0], [-X[: LENGTHS[i], i].max(-1).sum() for i in range(3)])


def test_a_wide_beam_finds_the_most_probable_labels() -> None:
    decoded, logs = df.nn.ctc_beam_search_decoder_v2(df.constant(X), LENGTHS, beam_width=500, top_paths=3)
    with df.Session() as sess:
        found, log = sess.run([decoded, logs])
    for i in range(3):
        best = sorted(probabilities(X[:, i], LENGTHS[i]).items(), key=lambda item: -item[1])[:3]
        assert [rows_of(path)[i] for path in found] == [path for path, _ in best]
        np.testing.assert_allclose(log[i], np.log([p for _, p in best]))


def test_a_beam_may_merge_equal_labels_and_is_as_wide_as_the_paths_that_are_asked() -> None:
    (plain,), _ = df.nn.ctc_beam_search_decoder(df.constant(X), LENGTHS, 50, merge_repeated=False)
    (merged,), _ = df.nn.ctc_beam_search_decoder(df.constant(X), LENGTHS, 50)
    with df.Session() as sess:
        found = sess.run([plain, merged])
    rows = [tuple(key for key, _ in itertools.groupby(row)) for row in rows_of(found[0])]
    assert rows_of(found[1]) == rows
    with pytest.raises(errors.InvalidArgumentError, match="requested more paths than the beam width"):
        value(df.nn.ctc_beam_search_decoder(df.constant(X), LENGTHS, 1, 2)[1])

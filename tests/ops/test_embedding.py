"""Rows of tables by their numbers, from tables in parts, and combined by sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.gradients import gradients
from tests.ops.evaluate import Evaluator

TABLE = np.random.default_rng(6).normal(size=(13, 2, 3))
IDS = np.array([[0, 7, 12], [3, 3, 8]])


def value(tensor: Any, feeds: Any = None) -> Any:
    return Evaluator()(tensor, feeds)


def pieces(strategy: str, count: int) -> list[np.ndarray]:
    return [TABLE[i::count] for i in range(count)] if strategy == "mod" else np.array_split(TABLE, count)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 3, 13])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
def test_a_row_is_found_in_whatever_part_it_is(strategy: str, count: int, known: bool, dtype: str) -> None:
    arrays = pieces(strategy, count)
    parts = [df.placeholder(df.float64, it.shape if known else None) for it in arrays]
    ids = df.placeholder(dtype, IDS.shape if known else None)
    feeds = {**dict(zip(parts, arrays, strict=True)), ids: IDS}
    rows = df.nn.embedding_lookup(parts, ids, strategy)
    np.testing.assert_array_equal(value(rows, feeds), TABLE[IDS])
    assert not known or rows.shape == (2, 3, 2, 3)
    found = value([df.convert_to_tensor(it) for it in gradients(rows, parts)], feeds)
    counts = np.bincount(IDS.reshape(-1), minlength=13)
    whole = np.broadcast_to(counts[:, None, None], TABLE.shape)
    wanted = [whole[i::count] for i in range(count)] if strategy == "mod" else np.array_split(whole, count)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_of_a_large_norm_are_scaled_down() -> None:
    norms = np.sqrt((TABLE**2).sum((1, 2), keepdims=True))
    for parts in (TABLE, pieces("mod", 2)):
        found = value(df.nn.embedding_lookup(parts, IDS, max_norm=1.5))
        np.testing.assert_allclose(found, (TABLE * np.minimum(1, 1.5 / norms))[IDS])


def test_a_partitioned_variable_is_a_list_of_its_parts() -> None:
    w = df.get_variable("w", [13, 2], partitioner=df.fixed_size_partitioner(4))
    rows = df.nn.embedding_lookup(w, IDS, "div")
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        found, table = sess.run([rows, w.as_tensor()])
    np.testing.assert_array_equal(found, table[IDS])


def test_tables_and_strategies_that_are_none_are_refused() -> None:
    for nothing in (None, []):
        with pytest.raises(ValueError, match="Need at least one param"):
            df.nn.embedding_lookup(nothing, IDS)
    with pytest.raises(ValueError, match="Unrecognized partition strategy: no"):
        df.nn.embedding_lookup([TABLE, TABLE], IDS, "no")


# -- sparse

PLACES = [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2]]
NUMBERS = np.array([1, 3, 0, 12, 1, 12])
HEAVY = np.array([1.0, 2.0, 0.5, 3.0, 1.0, 4.0])


def divisor(combiner: str, weights: np.ndarray) -> Any:
    return {"sum": 1.0, "mean": weights.sum(), "sqrtn": np.sqrt((weights**2).sum())}[combiner]


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_rows_are_combined_to_one_for_each_row(combiner: str, weighted: bool, count: int) -> None:
    ids = df.SparseTensor(PLACES, NUMBERS, [3, 4])
    weights = df.SparseTensor(PLACES, HEAVY, [3, 4]) if weighted else None
    heavy = HEAVY if weighted else np.ones(6)
    parts = [df.constant(it) for it in pieces("mod", count)]
    rows = df.nn.embedding_lookup_sparse(parts, ids, weights, combiner=combiner)
    segments = [slice(0, 2), slice(2, 3), slice(3, 6)]
    wanted = [np.einsum("n,nij->ij", heavy[it], TABLE[NUMBERS[it]]) / divisor(combiner, heavy[it]) for it in segments]
    np.testing.assert_allclose(value(rows), wanted)
    gradient = value(df.convert_to_tensor(gradients(rows, parts[0])[0]))
    np.testing.assert_allclose(gradient[0], np.full((2, 3), heavy[2] / divisor(combiner, heavy[2:3])))


def test_what_is_not_sparse_and_other_combiners_are_refused() -> None:
    ids = df.SparseTensor(PLACES, NUMBERS, [3, 4])
    with pytest.raises(ValueError, match="combiner must be one of 'mean', 'sqrtn' or 'sum'"):
        df.nn.embedding_lookup_sparse(TABLE, ids, None, combiner="max")
    with pytest.raises(TypeError, match="sp_ids must be SparseTensor"):
        df.nn.embedding_lookup_sparse(TABLE, [1], None)
    with pytest.raises(TypeError, match="sp_weights must be either None or SparseTensor"):
        df.nn.embedding_lookup_sparse(TABLE, ids, HEAVY)
    with pytest.raises(ValueError):
        df.nn.embedding_lookup_sparse(TABLE, ids, df.SparseTensor(PLACES[:2], HEAVY[:2], [3, 4]))


# -- losses of logits, norms


def test_positive_labels_may_weigh_more() -> None:
    x, z = TABLE[:4, 0], np.random.default_rng(1).uniform(size=(4, 3))
    p = 1 / (1 + np.exp(-x))
    loss = df.nn.weighted_cross_entropy_with_logits(df.constant(z), df.constant(x), 3.0)
    np.testing.assert_allclose(value(loss), -3 * z * np.log(p) - (1 - z) * np.log(1 - p))
    assert np.isfinite(
        value(df.nn.weighted_cross_entropy_with_logits(targets=[1.0, 0.0], logits=[-500.0, 500.0], pos_weight=2.0))
    ).all()
    with pytest.raises(ValueError, match="must have the same shape"):
        df.nn.weighted_cross_entropy_with_logits(z[:2], x, 3.0)
    with pytest.raises(ValueError, match="both"):
        df.nn.weighted_cross_entropy_with_logits(labels=z, targets=z, logits=x, pos_weight=1.0)


def test_the_loss_of_a_rate_may_have_the_factorial() -> None:
    counts, x = np.array([0.0, 1.0, 4.0]), np.array([0.1, -1.0, 1.3])
    loss, full = (df.nn.log_poisson_loss(df.constant(counts), df.constant(x), it) for it in (False, True))
    np.testing.assert_allclose(value(loss), np.exp(x) - counts * x)
    stirling = np.array([0.0, 0.0, 4 * np.log(4) - 4 + 0.5 * np.log(8 * np.pi)])
    np.testing.assert_allclose(value(full), np.exp(x) - counts * x + stirling)
    with pytest.raises(ValueError, match="must have the same shape"):
        df.nn.log_poisson_loss(counts[:2], x)


def test_vectors_are_scaled_to_norm_one_along_axes() -> None:
    for axes in (None, 1, (0, 2)):
        found = value(df.nn.l2_normalize(df.constant(TABLE), axes))
        np.testing.assert_allclose(found, TABLE / np.sqrt((TABLE**2).sum(axes, keepdims=True)))
    np.testing.assert_array_equal(value(df.nn.l2_normalize(df.zeros([2, 2]), 1)), np.zeros((2, 2)))
    z = np.array([3 + 4j, 1j])
    np.testing.assert_allclose(value(df.nn.l2_normalize(df.constant(z), dim=0)), z / np.sqrt(26))
    with pytest.raises(ValueError, match="both"):
        df.nn.l2_normalize(TABLE, axis=0, dim=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("default", [None, 2])
def test_rows_without_numbers_get_the_default(weighted: bool, default: int | None) -> None:
    places = [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 2, 0], [1, 0, 0], [1, 1, 1]]
    ids = df.SparseTensor(places, np.array([1, 3, -1, -1, 5, 7]), [2, 3, 4])
    heavy = np.array([1.0, 2.0, 1.0, 1.0, 3.0, 0.0])
    weights = df.SparseTensor(places, heavy, [2, 3, 4]) if weighted else None
    found = value(df.nn.safe_embedding_lookup_sparse(df.constant(TABLE), ids, weights, "mean", default))
    nothing = np.zeros((2, 3)) if default is None else TABLE[default]
    first = (TABLE[1] + 2 * TABLE[3]) / 3 if weighted else (TABLE[1] + TABLE[3]) / 2
    last = nothing if weighted else TABLE[7]
    np.testing.assert_allclose(found, [[first, nothing, nothing], [TABLE[5], last, nothing]])

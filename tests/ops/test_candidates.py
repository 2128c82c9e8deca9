"""Candidate samplers, and losses over candidates; against probabilities and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from tests.ops.evaluate import Evaluator

TRUE = np.array([[0, 5], [1, 1], [2, 3]])
WEIGHTS = [1.0, 4.0, 2.0, 3.0, 9.0]
SIZE = 6


def value(tensors: Any) -> Any:
    return Evaluator()(list(tensors))


def log_uniform(i: np.ndarray) -> np.ndarray:
    return np.log((i + 2) / (i + 1)) / np.log(SIZE + 1)


def unigram(i: np.ndarray) -> np.ndarray:
    weights = np.array([0.0, *WEIGHTS]) ** 0.5
    return weights[i] / weights.sum()


SAMPLERS: dict[str, tuple[Callable[..., Any], Callable[[np.ndarray], np.ndarray]]] = {
    "uniform": (
        lambda n, unique: df.nn.uniform_candidate_sampler(TRUE, 2, n, unique, SIZE, seed=1),
        lambda i: np.full(i.shape, 1 / SIZE),
    ),
    "log_uniform": (
        lambda n, unique: df.nn.log_uniform_candidate_sampler(TRUE, 2, n, unique, SIZE, seed=1),
        log_uniform,
    ),
    "learned_unigram": (
        lambda n, unique: df.nn.learned_unigram_candidate_sampler(TRUE, 2, n, unique, SIZE, seed=1),
        lambda i: np.full(i.shape, 1 / SIZE),
    ),
    "fixed_unigram": (
        lambda n, unique: df.nn.fixed_unigram_candidate_sampler(
            TRUE, 2, n, unique, SIZE, distortion=0.5, num_reserved_ids=1, unigrams=WEIGHTS, seed=1
        ),
        unigram,
    ),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_draws_as_its_distribution_says(name: str) -> None:
    make, probability = SAMPLERS[name]
    many = 20000
    drawn, true_expected, sampled_expected = value(make(many, False))
    assert (drawn.shape, true_expected.shape, drawn.dtype) == ((many,), (3, 2), np.int64)
    wanted = probability(np.arange(SIZE))
    np.testing.assert_allclose(np.bincount(drawn, minlength=SIZE) / many, wanted, atol=0.015)
    np.testing.assert_allclose(true_expected, many * probability(TRUE), rtol=1e-5)
    np.testing.assert_allclose(sampled_expected, many * probability(drawn), rtol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_unique_candidates_are_drawn_once_and_not_expected_where_impossible(name: str) -> None:
    make, probability = SAMPLERS[name]
    tensors = make(4, True)
    run = Evaluator()
    for _ in range(5):
        drawn, true_expected, sampled_expected = run(list(tensors))
        assert len(set(drawn.tolist())) == 4
        assert (sampled_expected > 0).all()
        assert (true_expected[probability(TRUE) == 0] == 0).all()
    with pytest.raises(errors.InvalidArgumentError, match="Sampler's range is too small"):
        value(make(SIZE + 1, True))


def test_a_learning_sampler_counts_the_true_classes_of_each_session() -> None:
    tensors = list(df.nn.learned_unigram_candidate_sampler(TRUE, 2, 3, False, SIZE))
    run = Evaluator()
    run(tensors)
    counts = 1 + np.bincount(TRUE.reshape(-1), minlength=SIZE)
    np.testing.assert_allclose(run(tensors)[1], 3 * counts[TRUE] / counts.sum(), rtol=1e-6)
    np.testing.assert_allclose(value(tensors)[1], np.full((3, 2), 3 / SIZE), rtol=1e-6)


def test_weights_come_from_a_file_and_belong_to_a_shard(tmp_path: Path) -> None:
    path = tmp_path / "vocab.csv"
    path.write_text("".join(f"word{i},{weight}\n" for i, weight in enumerate(WEIGHTS)))
    shared = (TRUE, 2, 50, False, 5)
    drawn = value(df.nn.fixed_unigram_candidate_sampler(*shared, vocab_file=str(path), num_shards=2, shard=1))[0]
    assert set(drawn.tolist()) == {1, 3}
    for given in ({}, {"vocab_file": str(path), "unigrams": WEIGHTS}):
        with pytest.raises(errors.InvalidArgumentError, match="either unigrams or vocab_file"):
            value(df.nn.fixed_unigram_candidate_sampler(*shared, **given))


def test_all_candidates_are_all_classes() -> None:
    drawn, true_expected, sampled_expected = value(df.nn.all_candidate_sampler(TRUE, 2, 4, True))
    np.testing.assert_array_equal(drawn, np.arange(4))
    assert (true_expected == 1).all()
    assert (sampled_expected == 1).all()
    for wrong in ({"num_true": 0}, {"num_sampled": 0}):
        with pytest.raises(ValueError, match="must be at least minimum 1"):
            df.nn.all_candidate_sampler(TRUE, **{"num_true": 2, "num_sampled": 4, "unique": True, **wrong})
    with pytest.raises(errors.InvalidArgumentError, match="num_true columns"):
        value(df.nn.uniform_candidate_sampler(TRUE, 3, 4, True, 9))


def test_seeds_give_the_same_candidates_in_each_session() -> None:
    first = df.nn.uniform_candidate_sampler(TRUE, 2, 20, False, 1000, seed=5)
    again = df.nn.uniform_candidate_sampler(TRUE, 2, 20, False, 1000, seed=5)
    np.testing.assert_array_equal(value(first)[0], value(again)[0])
    assert (
        value(df.nn.uniform_candidate_sampler(TRUE, 2, 20, False, 1000, seed=6))[0].tolist() != value(first)[0].tolist()
    )


def test_accidental_hits_are_places_of_true_classes_among_the_drawn() -> None:
    sampled = df.constant([3, 5, 1, 9, 5], df.int64)
    indices, ids, weights = value(df.nn.compute_accidental_hits(df.constant(TRUE, df.int64), sampled, 2))
    assert list(zip(indices.tolist(), ids.tolist(), strict=True)) == [(0, 4), (1, 2), (1, 2), (2, 0)]
    assert (weights == np.finfo(np.float32).min).all()


# -- losses

RNG = np.random.default_rng(9)
TABLE, BIASES, INPUTS = (RNG.normal(size=shape) for shape in ((SIZE, 3), (SIZE,), (3, 3)))
DRAWN = np.array([5, 2, 4])
EXPECTED = RNG.uniform(0.1, 1, (3, 2)).astype(np.float32), RNG.uniform(0.1, 1, 3).astype(np.float32)


def logits(hits: bool) -> np.ndarray:
    """The logits of the true classes and of the drawn ones, less the logarithms of what was expected."""
    true = np.einsum("nd,ntd->nt", INPUTS, TABLE[TRUE]) + BIASES[TRUE] - np.log(EXPECTED[0])
    sampled = INPUTS @ TABLE[DRAWN].T + BIASES[DRAWN] - np.log(EXPECTED[1])
    if hits:
        sampled = np.where((TRUE[:, :, None] == DRAWN).any(1), -np.inf, sampled)
    return np.concatenate([true, sampled], axis=1)


@pytest.mark.parametrize("hits", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
def test_sampled_losses_are_those_of_the_true_and_the_drawn_classes(hits: bool, parts: int) -> None:
    table = [df.constant(TABLE[i::parts]) for i in range(parts)]
    drawn = df.constant(DRAWN), df.constant(EXPECTED[0]), df.constant(EXPECTED[1])
    shared = (table, df.constant(BIASES), df.constant(TRUE), df.constant(INPUTS), 3, SIZE, 2, drawn, hits)
    x, y = logits(hits), np.array([[0.5, 0.5, 0, 0, 0]] * 3)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        p = 1 / (1 + np.exp(-x))
        nce = -(np.where(y > 0, y * np.log(p), 0) + (1 - y) * np.log(1 - p)).sum(1)
        largest = np.where(y > 0, x - np.log(np.exp(x).sum(1, keepdims=True)), 0)
    found = value([df.nn.nce_loss(*shared), df.nn.sampled_softmax_loss(*shared)])
    np.testing.assert_allclose(found[0], nce, rtol=1e-5)
    np.testing.assert_allclose(found[1], -(y * largest).sum(1), rtol=1e-5)


def test_candidates_are_drawn_if_none_are_given() -> None:
    shared = (df.constant(TABLE), df.constant(BIASES), df.constant(TRUE), df.constant(INPUTS), 3, SIZE, 2)
    losses = value([df.nn.nce_loss(*shared), df.nn.sampled_softmax_loss(*shared, seed=1)])
    assert all(np.isfinite(loss).all() and loss.shape == (3,) for loss in losses)

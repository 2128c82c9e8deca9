"""Random values: seeds, distributions, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dflow import errors
from dflow.errors import DTypeError
from dflow.graph import Graph, Tensor
from dflow.ops import random
from dflow.ops.array.constants import constant, placeholder
from tests.ops.evaluate import Evaluator

DRAWS: dict[str, Callable[..., Tensor]] = {
    "normal": lambda **seed: random.random_normal([4], **seed),
    "uniform": lambda **seed: random.random_uniform([4], **seed),
    "integers": lambda **seed: random.random_uniform([4], 0, 10**6, "int32", **seed),
    "truncated": lambda **seed: random.truncated_normal([4], **seed),
    "shuffle": lambda **seed: random.random_shuffle(np.arange(100), **seed),
}


def draws(build: Callable[..., Tensor], graph_seed: int | None = None, n: int = 3, **seed: int) -> list[list[float]]:
    """What a new graph draws in a new session."""
    with Graph().as_default():
        random.set_random_seed(graph_seed)
        tensor = build(**seed)
        run = Evaluator()
        return [np.asarray(run(tensor)).tolist() for _ in range(n)]


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_sequence_in_each_new_session(name: str) -> None:
    build = DRAWS[name]
    assert draws(build, seed=5) == draws(build, seed=5)
    assert draws(build, 7) == draws(build, 7)
    assert draws(build, 7, seed=5) == draws(build, 7, seed=5)


@pytest.mark.parametrize("name", DRAWS)
def test_another_seed_gives_another_sequence(name: str) -> None:
    build = DRAWS[name]
    found = [draws(build, seed=5), draws(build, seed=6), draws(build, 7), draws(build, 8), draws(build, 7, seed=5)]
    assert len({str(sequence) for sequence in found}) == 5


@pytest.mark.parametrize("name", DRAWS)
def test_without_seeds_each_session_draws_its_own(name: str) -> None:
    assert draws(DRAWS[name]) != draws(DRAWS[name])


@pytest.mark.parametrize("name", DRAWS)
def test_each_run_draws_anew(name: str) -> None:
    first, second, third = draws(DRAWS[name], seed=5)
    assert first != second != third


def test_two_operations_of_one_graph_seed_draw_differently() -> None:
    random.set_random_seed(1)
    x, y = random.random_normal([4]), random.random_normal([4])
    assert Evaluator()(x).tolist() != Evaluator()(y).tolist()


def test_get_seed_follows_the_rule(graph: Graph) -> None:
    assert random.get_seed(None) == (0, 0)
    assert random.get_seed(5) == (random.DEFAULT_GRAPH_SEED, 5)
    random.set_random_seed(7)
    assert random.get_seed(5) == (7, 5)
    assert random.get_seed(None) == (7, 0)
    constant(1)
    assert random.get_seed(None) == (7, graph.version) == (7, 1)
    random.set_random_seed(0)
    assert random.get_seed(0) == (0, 2**31 - 1)


def sample(tensor: Tensor) -> Any:
    return Evaluator()(tensor)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_distributions_have_their_moments(dtype: str) -> None:
    n = 20_000
    normal = sample(random.random_normal([n], 1.0, 2.0, dtype, seed=1)).astype(float)
    assert abs(normal.mean() - 1) < 0.1
    assert abs(normal.std() - 2) < 0.1
    uniform = sample(random.random_uniform([n], -1, 3, dtype, seed=1)).astype(float)
    assert uniform.min() >= -1
    assert uniform.max() <= 3
    assert abs(uniform.mean() - 1) < 0.1
    truncated = sample(random.truncated_normal([n], 0.0, 1.0, dtype, seed=1)).astype(float)
    assert abs(truncated).max() <= 2
    assert abs(truncated.std() - 0.88) < 0.05
    standard = sample(random.random_uniform([n], dtype=dtype, seed=1)).astype(float)
    assert standard.min() >= 0
    assert standard.max() < 1


def test_integers_are_in_their_range_and_all_of_it() -> None:
    found = sample(random.random_uniform([1000], 2, 5, "int64", seed=1))
    assert found.dtype == np.int64
    assert set(found.tolist()) == {2, 3, 4}


def test_a_shuffle_is_a_permutation_of_the_rows() -> None:
    rows = np.arange(20).reshape(10, 2)
    found = sample(random.random_shuffle(constant(rows), seed=1))
    assert found.tolist() != rows.tolist()
    assert sorted(found.tolist()) == rows.tolist()
    words = sample(random.random_shuffle(constant(["a", "b", "c"]), seed=1))
    assert sorted(words.tolist()) == [b"a", b"b", b"c"]


def test_every_order_of_a_shuffle_is_equally_likely() -> None:
    run, tensor = Evaluator(), random.random_shuffle([0, 1, 2], seed=1)
    counts: dict[str, int] = {}
    for _ in range(3000):
        order = str(run(tensor).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 400


def test_a_shape_may_be_a_tensor() -> None:
    n = placeholder("int32", [1])
    found = random.random_normal(n, stddev=constant([1.0, 2.0, 3.0]))
    assert Evaluator()(found, {n: [3]}).shape == (3,)
    assert Evaluator()(random.random_uniform(n, 0, 9, "int32"), {n: [3]}).shape == (3,)


def test_what_cannot_be_drawn_is_an_error() -> None:
    with pytest.raises(ValueError, match="Must specify maxval"):
        random.random_uniform([2], dtype="int32")
    with pytest.raises(DTypeError, match="int32"):
        random.random_normal([2], dtype="int32")
    for dtype in ("int8", "bool", "string", "complex64"):
        with pytest.raises(ValueError, match=f"Invalid dtype {dtype}"):
            random.random_uniform([2], 0, 5, dtype)
    with pytest.raises(errors.InvalidArgumentError, match="Need minval < maxval, got 5 >= 5"):
        sample(random.random_uniform([2], 5, 5, "int32"))
    n = placeholder("int32", [1])
    with pytest.raises(errors.InvalidArgumentError, match=">= 0"):
        Evaluator()(random.random_normal(n), {n: [-3]})

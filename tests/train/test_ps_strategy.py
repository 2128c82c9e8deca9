"""Strategies of device setters: `contrib.training`."""

from collections import Counter, namedtuple
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import dflow as df

Named = namedtuple("Named", "name")  # all that RandomStrategy asks of an operation


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made


def tasks(strategy: Any, shapes: Sequence[Sequence[int]] = ((2, 2), (2, 1), (2, 2), (1, 3))) -> list[int]:
    """The tasks of new variables of these shapes, whose initializers must be with them."""
    with df.device(df.train.replica_device_setter(ps_tasks=2, ps_strategy=strategy)):
        variables = [df.Variable(df.zeros(shape)) for shape in shapes]
        total = variables[0] + 1.0
    assert total.op.device == "/job:worker"
    assert [v.initializer.device for v in variables] == [v.device for v in variables]
    return [int(v.device.removeprefix("/job:ps/task:")) for v in variables]


def test_a_greedy_strategy_fills_the_task_with_the_fewest_bytes() -> None:
    greedy, size = df.contrib.training.GreedyLoadBalancingStrategy, df.contrib.training.byte_size_load_fn
    assert tasks(greedy(2, size)) == [0, 1, 1, 0]  # 16 | 8, 8 + 16 | 24, 16 + 12
    assert tasks(greedy(2, lambda op: 1)) == [0, 1, 0, 1]
    assert tasks(greedy(2, size), [(4,), (1,), (1,), (1,), (1,), (1,)]) == [0, 1, 1, 1, 1, 0]


def test_the_load_of_a_variable_is_its_bytes() -> None:
    load = df.contrib.training.byte_size_load_fn
    assert load(df.Variable(df.zeros([3, 5], df.float64)).op) == 120
    assert load(df.Variable(0).op) == 4
    assert load(df.Variable([True, False]).op) == 2
    with pytest.raises(ValueError, match=r"shape of 'unknown' must be known to tell its size"):
        load(df.Variable(df.placeholder(df.float32), validate_shape=False, name="unknown").op)
    with pytest.raises(ValueError, match="'nothing' must have one output, it has 0"):
        load(df.no_op("nothing"))


def test_a_random_strategy_follows_from_the_name() -> None:
    """The tasks are those of TensorFlow 1.15."""
    random = df.contrib.training.RandomStrategy
    assert tasks(random(2, seed=0)) == [1, 0, 1, 1]  # Variable, Variable_1, Variable_2, Variable_3
    assert random(2)(Named("A unicode \u018e string \xf1")) == 1
    names = [Named(f"layer{i}/weights") for i in range(300)]
    assert [random(3)(name) for name in names] == [random(3)(name) for name in names]
    assert [random(3)(name) for name in names] != [random(3, seed=1)(name) for name in names]
    assert all(80 < count < 120 for count in Counter(map(random(3), names)).values())

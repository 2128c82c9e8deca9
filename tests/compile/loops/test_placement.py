"""Where a loop runs whose user does not say it."""

from __future__ import annotations

from typing import Any

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable, choose_driver
from tests.compile.helpers import compiled, cpu, gpu, table_of

PS, FIRST, SECOND = cpu(job="ps"), cpu(job="worker"), cpu(job="worker", task=1)
TABLE = table_of(PS, FIRST, SECOND)


def driver(fetches: Any, table: DeviceTable = TABLE, prefetch: bool = True) -> str:
    return choose_driver(compiled(fetches, table=table), prefetch=prefetch)


def gradients(weights: Any, *workers: str) -> list[Any]:
    """What each worker computes with the weights."""
    found = []
    for worker in workers:
        with df.device(worker):
            found.append(df.tanh(df.tanh(df.tanh(weights * 2.0))))
    return found


def weights_on(device: str) -> df.Variable:
    with df.device(device):
        return df.Variable([1.0, 2.0])


def queue_on(device: str) -> df.FIFOQueue:
    with df.device(device):
        return df.FIFOQueue(10, [df.float32], [()])


def update(weights: df.Variable, device: str, *parts: Any) -> Any:
    with df.device(device):
        return weights.assign_sub(df.add_n(list(parts)))


def test_a_loop_that_trains_runs_where_the_weights_are() -> None:
    weights = weights_on(PS)
    assert driver(update(weights, PS, *gradients(weights, FIRST))) == PS
    assert driver(update(weights, PS, *gradients(weights, FIRST, SECOND))) == PS


def test_also_if_each_worker_has_its_own_queue_of_records() -> None:
    weights = weights_on(PS)
    with df.device(FIRST):
        gradient = df.tanh(weights * queue_on(FIRST).dequeue())
    assert driver(update(weights, PS, gradient)) == PS


def test_also_if_the_loss_is_fetched_from_the_worker() -> None:
    weights = weights_on(PS)
    (gradient,) = gradients(weights, FIRST)
    with df.device(FIRST):
        loss = df.reduce_sum(gradient)
    assert driver([update(weights, PS, gradient), loss]) == PS


def test_a_loop_whose_elements_come_from_another_process_prefetches_them() -> None:
    weights = weights_on(PS)
    with df.device(FIRST):
        gradient = df.tanh(weights * queue_on(PS).dequeue())
    train = update(weights, PS, gradient)
    assert driver(train) == FIRST
    assert driver(train, prefetch=False) == PS


def test_a_loop_that_fills_a_queue_runs_where_it_computes() -> None:
    with df.device(SECOND):
        element = df.tanh(df.random_uniform([]))
    assert driver(queue_on(PS).enqueue([element])) == SECOND


def test_where_messages_do_not_matter_a_loop_runs_on_a_gpu() -> None:
    here, beside = cpu(), gpu()
    table = DeviceTable((DeviceInfo(here, "one process"), DeviceInfo(beside, "one process")))
    weights = weights_on(here)
    train = update(weights, here, *gradients(weights, beside))
    assert driver(train, table) == beside


def test_else_where_it_computes_most() -> None:
    here, beside = cpu(), cpu(1)
    table = DeviceTable((DeviceInfo(here, "one process"), DeviceInfo(beside, "one process")))
    weights = weights_on(here)
    assert driver(update(weights, here, *gradients(weights, beside)), table) == beside

"""Of a variable whose rows are used and updated, only rows and their indices go from device to device."""

from __future__ import annotations

from typing import Any

import pytest

import dflow as df
from dflow.compile.place import place
from dflow.compile.prune import prune
from tests.compile.helpers import cpu, table_of

PS, WORKER = cpu(job="ps", task=0), cpu(job="worker", task=0)
TABLE = table_of(PS, WORKER)


@pytest.mark.parametrize(
    "optimizer",
    [
        df.train.GradientDescentOptimizer(0.1),
        df.train.MomentumOptimizer(0.1, 0.9),
        df.train.AdamOptimizer(0.1),
        df.train.AdagradOptimizer(0.1),
        df.train.RMSPropOptimizer(0.1),
        df.train.FtrlOptimizer(0.1),
    ],
    ids=lambda it: it.get_name(),
)
def test_only_rows_cross_between_the_devices_of_a_variable_and_of_its_use(optimizer: Any) -> None:
    with df.Graph().as_default():
        with df.device(PS):
            w = df.Variable(df.zeros([1000, 2]))
        with df.device(WORKER):
            ids = df.constant([[3, 999], [3, 0]])
            with df.colocate_with(w):
                rows = df.gather(w, ids)
            loss = df.reduce_sum(df.square(rows * 2.0 - 1.0))
            train = optimizer.minimize(loss)
        ops = prune([train], []).ops
        placed = place(ops, TABLE, WORKER)
        crossing = {
            tensor
            for op in ops
            for tensor in op.operands
            if placed[tensor.op] != placed[op] and tensor.op.type != "Const"
        }
        assert {tensor.shape.num_elements() for tensor in crossing} == {8, 4}  # rows and their gradients, and indices


def test_slices_of_two_uses_are_put_together_where_the_gradient_is_and_not_as_a_whole() -> None:
    with df.Graph().as_default():
        with df.device(PS):
            w = df.Variable(df.zeros([1000, 2]))
        with df.device(WORKER):
            with df.colocate_with(w):
                rows, others = df.gather(w, [1, 2]), df.gather(w, [3])
            train = df.train.MomentumOptimizer(0.1, 0.9).minimize(
                df.reduce_sum(rows) + df.reduce_sum(df.square(others))
            )
        ops = prune([train], []).ops
        placed = place(ops, TABLE, WORKER)
        sizes = [t.shape.num_elements() for op in ops for t in op.operands if placed[t.op] != placed[op]]
        assert max(size or 0 for size in sizes) <= 6

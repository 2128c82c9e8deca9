"""Rows of a variable on one process, used and updated from another one."""

from collections.abc import Iterator

import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("use_resource", [False, True])
def test_rows_are_updated_where_their_variable_is(session: df.Session, use_resource: bool) -> None:
    start = np.arange(20.0, dtype=np.float32).reshape(10, 2)
    with df.device(PS):
        w = df.Variable(start, name=f"rows_{use_resource}", use_resource=use_resource)
    at = df.placeholder(df.int32, [None])
    with df.device(W0):
        with df.colocate_with(w):
            rows = df.gather(w, at)
        optimizer = df.train.MomentumOptimizer(0.1, 0.9)
        train = optimizer.minimize(df.reduce_sum(df.square(rows)))
    session.run(df.global_variables_initializer())
    wanted, momentum = start.astype(np.float64), np.zeros((10, 2))
    for places in ([3, 3, 7], [0], [7, 3], []):
        session.run(train, {at: np.array(places, np.int32)})
        gradient = np.zeros((10, 2))
        np.add.at(gradient, places, 2 * wanted[places])
        used = list(set(places))
        momentum[used] = 0.9 * momentum[used] + gradient[used]
        wanted[used] -= 0.1 * momentum[used]
    np.testing.assert_allclose(session.run(w), wanted, rtol=1e-5)
    assert session.run(df.scatter_add(w, [0], [[1.0, 1.0]]))[0].tolist() == pytest.approx((wanted[0] + 1).tolist())

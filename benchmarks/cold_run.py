"""What does one `Session.run` cost on a cluster, the first time and later?

A cluster of 1 ps and 2 workers, all processes of this machine. The first run of a graph compiles it, sends it to the
workers and, with dflow, runs it as a Dask graph; the session is open already. Later runs send one message a worker.
The operation is `tanh` of 8 numbers, which are fed; on two workers, the second gets its input from the first.
By hand: the same NumPy calls as Dask tasks that are bound to the same workers, one `Client.compute` a run.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import dask
import numpy as np
from dask.delayed import delayed
from distributed import Client
from measure import MILLISECONDS, Peer, Sample, report, rounds_asked, seconds_once
from programs import WORKERS, cluster_runs

import dflow as df


def by_hand(client: Client) -> dict[str, Sample]:
    value = np.ones(8, np.float32)
    names = [device.removesuffix("/cpu:0") for device in WORKERS]

    def run(workers: int) -> None:
        y: Any = value
        for name in names[:workers]:
            with dask.annotate(workers=[name]):
                y = delayed(np.tanh, pure=False)(y)
        client.compute(y, optimize_graph=False).result()

    def sample(workers: int) -> float:
        return median(seconds_once(lambda: run(workers)) for _ in range(5))

    one, two = (lambda: sample(1)), (lambda: sample(2))
    return {
        "one operation, first run": one,
        "one operation, later runs": one,
        "two workers, first run": two,
        "two workers, later runs": two,
    }


def main() -> None:
    rounds = rounds_asked(__doc__)
    with df.cluster.EmbeddedCluster(ps=1, workers=2) as cluster:
        target = cluster.scheduler_address
        with Client(target, set_as_default=False) as client:
            peer = Peer.start("tf1_cold_run.py")
            print(report(__doc__, MILLISECONDS, cluster_runs(df, target), by_hand(client), peer, rounds))


if __name__ == "__main__":
    main()

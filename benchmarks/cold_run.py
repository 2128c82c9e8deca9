"""What does one `Session.run` cost on a cluster, the first time and later?

The cluster has 1 ps and 2 workers, which are processes of this machine. The operation is `tanh` of 8 numbers, which are
fed. With two workers, the second one gets its input from the first one.

* **A first run** compiles the graph, sends it to the workers and, with dflow, runs it as a Dask graph. The session is
  already open. A pause of 50 ms before each first run lets the cluster finish the work of the run before.
* **Later runs** send one message to each worker. They follow each other without a pause.
* **Ray**: a compiled graph of actors. Its first run also compiles it. Each graph has its own actors, which are already
  up.
* **By hand**: the same NumPy calls as Dask tasks that are bound to the same workers, with one `Client.compute` a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import dask
import numpy as np
from competitors import Competitor, Here, Peer
from dask.delayed import delayed
from distributed import Client
from measure import MILLISECONDS, Sample, rounds_asked, seconds_once, seconds_rested
from programs import WORKERS
from programs.runs import ONE_FIRST, ONE_LATER, TWO_FIRST, TWO_LATER, cluster_facts, cluster_runs
from tables import BY_HAND, Target, report

import dflow as df

RAY = Target(1 / 1.5, "Ray")
TARGETS = {
    ONE_FIRST: [Target(1, "TF1"), RAY],
    ONE_LATER: [Target(1, "TF1"), RAY],
    TWO_FIRST: [Target(2, "TF1"), RAY],
    TWO_LATER: [Target(2, "TF1"), RAY],
}


def by_hand(client: Client) -> dict[str, Sample]:
    value = np.ones(8, np.float32)
    names = [device.removesuffix("/cpu:0") for device in WORKERS]

    def run(workers: int) -> None:
        y: Any = value
        for name in names[:workers]:
            with dask.annotate(workers=[name]):
                y = delayed(np.tanh, pure=False)(y)
        client.compute(y, optimize_graph=False).result()

    def sample(workers: int, seconds: Callable[[Callable[[], Any]], float]) -> float:
        return median(seconds(partial(run, workers)) for _ in range(5))

    return {
        ONE_FIRST: partial(sample, 1, seconds_rested),
        ONE_LATER: partial(sample, 1, seconds_once),
        TWO_FIRST: partial(sample, 2, seconds_rested),
        TWO_LATER: partial(sample, 2, seconds_once),
    }


def main() -> None:
    rounds = rounds_asked(__doc__)
    with df.cluster.EmbeddedCluster(ps=1, workers=2) as cluster:
        target = cluster.scheduler_address
        with Client(target, set_as_default=False) as client:
            competitors: list[Competitor] = [
                Here("dflow", cluster_runs(df, target), cluster_facts(df, target)),
                Peer("TF1", "tensorflow", "tf1_cold_run.py"),
                Peer("Ray", "ray", "ray_cold_run.py"),
                Here(BY_HAND, by_hand(client)),
            ]
            print(report(__doc__, MILLISECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

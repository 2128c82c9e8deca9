"""Does a step cost the same for each worker, whether it touches 1 of them or 64?

The cluster has 64 workers, all in this process (`LocalCluster(processes=False)`, on sockets), so that they share
Python's lock. A step touches 1 to 64 of them. One worker sends 8 numbers to all, each computes `tanh` of them, and the
first one adds up the results. TensorFlow 1 has 64 servers in one process.

The cases are the first run of such a graph, which compiles and installs it, and later runs. Each time is divided by the
number of workers. The only target is that the figures of a kind are alike.
"""

from __future__ import annotations

from competitors import Competitor, Here, Peer
from distributed import LocalCluster
from measure import MICROSECONDS, rounds_asked
from programs.fan import ALL, all_cases
from tables import report

import dflow as df


def main() -> None:
    rounds = rounds_asked(__doc__)
    address = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    with LocalCluster(n_workers=ALL, threads_per_worker=1, processes=False, memory_limit=None, **address) as cluster:
        competitors: list[Competitor] = [
            Here("dflow", *all_cases(df, cluster.scheduler_address)),
            Peer("TF1", "tensorflow", "tf1_workers.py"),
        ]
        print(report(__doc__, MICROSECONDS, competitors, rounds=rounds))


if __name__ == "__main__":
    main()

"""`csv_pipeline.py` for TensorFlow 1.

Its arguments: the CSV file for the facts, then the others; first those with 28 columns, then as many with 5.
"""

from __future__ import annotations

import sys
from typing import Any

from competitors import serve
from programs import PS, WORKERS
from programs.csv import (
    BEST,
    CLUSTER,
    LISTINGS,
    READ_UP_TO,
    WIDE_BEST,
    WIDE_LISTINGS,
    WIDE_READ_UP_TO,
    queue_name,
)
from programs.listing import Running, measured, samples
from tf1_cluster import Cluster

SESSIONS = []


def start_loop(tf: Any, server: Any, task: int, files: list[str], case: str) -> None:
    """Start the loop of a worker, in a session of its own server."""
    graph = tf.Graph()
    with graph.as_default():
        CLUSTER[case].build(tf, files, PS, [WORKERS[task]], queue_name(case))
        sess = tf.Session(server.target, graph=graph)
        tf.train.start_queue_runners(sess)
    SESSIONS.append(sess)


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    half = (len(sys.argv) - 1) // 2
    (wide_checked, *wide), (checked, *files) = sys.argv[1 : 1 + half], sys.argv[1 + half :]
    running, facts = measured(tf, LISTINGS | {BEST: READ_UP_TO}, files, checked)
    wide_running, wide_facts = measured(tf, WIDE_LISTINGS | {WIDE_BEST: WIDE_READ_UP_TO}, wide, wide_checked)
    cluster = Cluster()
    for name, listing in CLUSTER.items():
        cluster.call([(worker, "tf1_csv_pipeline.start_loop", [files, name]) for worker in range(len(WORKERS))])
        running[name] = Running(tf, listing, files, PS, [], cluster.target, shared=queue_name(name))
    serve(f"TensorFlow {tf.__version__}", samples(running | wide_running), facts | wide_facts)


if __name__ == "__main__":
    main()

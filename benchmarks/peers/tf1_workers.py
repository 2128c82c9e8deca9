"""`workers.py` for TensorFlow 1: a cluster of the same number of servers, all in this process."""

from __future__ import annotations

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.fan import ALL, all_cases
from tf1_cluster import free_port

tf.disable_v2_behavior()


def simulated() -> list[tf.train.Server]:
    """Start the servers of a cluster."""
    spec = tf.train.ClusterSpec({"worker": [f"127.0.0.1:{free_port()}" for _ in range(ALL)]})
    try:
        return [tf.train.Server(spec, job_name="worker", task_index=task) for task in range(ALL)]
    except tf.errors.UnknownError:  # a connection of another server has taken one of the ports in the meantime
        return simulated()


servers = simulated()
serve(f"TensorFlow {tf.__version__}", *all_cases(tf, servers[0].target))

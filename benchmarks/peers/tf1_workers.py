"""`workers.py` for TensorFlow 1: clusters of as many servers, all in this process."""

from __future__ import annotations

from typing import Any

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.fan import WORKERS, all_cases
from tf1_cluster import free_port

tf.disable_v2_behavior()
servers: list[Any] = []  # they end with this process


def simulated(workers: int) -> str:
    """The address of the first server of a new cluster."""
    addresses = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(workers)]}
    spec = tf.train.ClusterSpec(addresses)
    try:
        servers.extend(tf.train.Server(spec, job_name="worker", task_index=task) for task in range(workers))
    except tf.errors.UnknownError:  # a connection of another server has taken one of the ports meanwhile
        return simulated(workers)
    return f"grpc://{addresses['worker'][0]}"


serve(f"TensorFlow {tf.__version__}", *all_cases(tf, {workers: simulated(workers) for workers in WORKERS}))

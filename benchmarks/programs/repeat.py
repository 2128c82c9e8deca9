"""Loops whose body does almost nothing."""

from __future__ import annotations

from typing import Any

from measure import size

from programs import CPU, WORKERS

NO_OP, COUNTS = "no_op", "assign_add"
LOCAL, WORKER = "local", "on a worker"
STEPS, RUNS, COUNTED = size(20_000, 500), size(1_000, 50), 30  # iterations of dflow, runs of TensorFlow 1, of a fact
PLACES = {LOCAL: CPU, WORKER: WORKERS[1]}


def case(what: str, where: str) -> str:
    return f"{what}, {where}"


def build(tf: Any, device: str) -> tuple[Any, dict[str, Any], Any]:
    """Build the graph.  Returns it, the loop bodies by name, and the variable that `assign_add` counts up."""
    graph = tf.Graph()
    with graph.as_default(), tf.device(device):
        count = tf.Variable(0)
        return graph, {NO_OP: tf.no_op(), COUNTS: tf.assign_add(count, 1).op}, count

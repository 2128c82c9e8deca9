"""`cold_run.py` for Ray: compiled graphs of actors, on CPUs.

When a compiled graph ends, so do its actors.  Therefore each graph has new ones.  A result is released before the next
run, because the next result is written to the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import ray
from competitors import serve
from measure import seconds_a_call, seconds_once
from programs.runs import ONE_FIRST, ONE_LATER, TWO_FIRST, TWO_LATER
from ray.dag import InputNode

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
VALUE = np.ones(8, np.float32)


class Tanh:
    def tanh(self, x: Any) -> Any:
        return np.tanh(x)


def actors(count: int) -> list[Any]:
    """Start new actors and wait until they are up."""
    found = [ray.remote(num_cpus=0)(Tanh).remote() for _ in range(count)]
    ray.get([actor.tanh.remote(VALUE) for actor in found])
    return found


def compiled(workers: list[Any]) -> Any:
    with InputNode() as y:
        for worker in workers:
            y = worker.tanh.bind(y)
    return y.experimental_compile()


def run(graph: Any) -> list[float]:
    values: list[float] = ray.get(graph.execute(VALUE)).tolist()
    return values


def first(count: int) -> float:
    workers, graphs = actors(count), []

    def compile_and_run() -> None:
        graphs.append(compiled(workers))
        run(graphs[0])

    seconds = seconds_once(compile_and_run)
    graphs[0].teardown()
    return seconds


one, two = compiled(actors(1)), compiled(actors(2))
serve(
    f"Ray {ray.__version__}",
    {
        ONE_FIRST: lambda: first(1),
        ONE_LATER: lambda: seconds_a_call(lambda: run(one)),
        TWO_FIRST: lambda: first(2),
        TWO_LATER: lambda: seconds_a_call(lambda: run(two)),
    },
    {ONE_FIRST: lambda: run(one), TWO_FIRST: lambda: run(two)},
)

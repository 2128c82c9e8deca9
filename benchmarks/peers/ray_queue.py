"""`queue_between_processes.py` for Ray: `ray.util.queue` and two actors.  Large arrays go as references."""

from __future__ import annotations

from functools import partial
from typing import Any

import ray
from competitors import serve
from measure import seconds_once
from programs.traffic import CASES, CHECKED
from ray.util.queue import Queue

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)


@ray.remote(num_cpus=0)
class End:
    """One end of the queue of a case."""

    def __init__(self, case: str, queue: Any) -> None:
        self._traffic, self._queue = CASES[case], queue

    def ready(self) -> None:
        """Return once the actor is up."""

    def put(self, steps: int) -> None:
        for step in range(1, steps + 1):
            block = self._traffic.block(step * self._traffic.many)
            self._queue.put(block if self._traffic.numbers == 1 else [ray.put(block)])

    def take(self, steps: int) -> float:
        total = 0.0
        for _ in range(steps):
            found = self._queue.get()
            total += self._traffic.total(found if self._traffic.numbers == 1 else ray.get(found[0]))
        return total


def ends(case: str) -> list[Any]:
    queue = Queue(max(1, CASES[case].capacity // CASES[case].many), actor_options={"num_cpus": 0})
    found = [End.remote(case, queue) for _ in range(2)]
    ray.get([end.ready.remote() for end in found])
    return found


def run(both: list[Any], steps: int) -> float:
    total: float = ray.get([both[0].put.remote(steps), both[1].take.remote(steps)])[1]
    return total


def sample(both: list[Any], case: str) -> float:
    return CASES[case].items / seconds_once(lambda: run(both, CASES[case].steps))


made = {case: ends(case) for case in CASES}
serve(
    f"Ray {ray.__version__}",
    {case: partial(sample, both, case) for case, both in made.items()},
    {case: lambda both=both: [run(both, CHECKED)] for case, both in made.items()},
)

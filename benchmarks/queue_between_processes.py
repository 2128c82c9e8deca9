"""How many items a second go through a queue in one process, from a second process to a third?

The items are numbers of 8 bytes, one by one and in hundreds, or arrays of 1 MB, one by one and in tens. The consumer
adds up one number of each item. A sample is the time from the start of both ends to the last item.

* **dflow**: the queue is on the ps. Both ends are loops (`Session.repeat`) on two workers.
* **TensorFlow 1**: the queue is on the ps. Each end is a Python loop around `Session.run`, in a session of a worker's
  server.
* **Ray**: `ray.util.queue` and two actors. Large arrays go as references.
* **distributed.Queue**: two tasks on the workers of dflow's cluster. Arrays go as bytes, because this queue
  does not accept arrays.

Ray and `distributed.Queue` put each hundred or ten into the queue as one item: an array or a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import distributed
from competitors import Competitor, Here, Peer
from measure import ITEMS, rounds_asked, seconds_once
from programs import WORKERS
from programs.traffic import CASES, CHECKED, build
from tables import Target, report

import dflow as df

TARGETS = dict(zip(CASES, [[Target(2)], [Target(5)], [Target(2)], [Target(2)]], strict=True))


class Loops:
    """The competitor with dflow: both ends are loops on their workers."""

    def __init__(self, stack: ExitStack, target: str, case: str) -> None:
        self._traffic = CASES[case]
        graph = df.Graph()
        with graph.as_default():
            self._ends = build(df, self._traffic, case)
        self._sess = stack.enter_context(df.Session(target, graph=graph))
        self._sess.run(self._ends.init)

    def sample(self) -> float:
        return self._traffic.items / seconds_once(partial(self._run, self._traffic.steps))

    def fact(self) -> Sequence[float]:
        self._sess.run(self._ends.init)
        self._run(CHECKED)
        return [float(self._sess.run(self._ends.total))]

    def _run(self, steps: int) -> None:
        put = self._sess.repeat(self._ends.put, steps=steps, every=steps, device=WORKERS[0])
        take = self._sess.repeat(self._ends.take, steps=steps, every=steps, device=WORKERS[1])
        take.join()
        put.join()


class Tasks:
    """The competitor with `distributed.Queue`: both ends are tasks on their workers."""

    def __init__(self, client: distributed.Client, case: str) -> None:
        self._client, self._case, self._traffic = client, case, CASES[case]

    def sample(self) -> float:
        return self._traffic.items / seconds_once(partial(self._run, self._traffic.steps))

    def fact(self) -> Sequence[float]:
        return [self._run(CHECKED)]

    def _run(self, steps: int) -> float:
        """Run both ends.  Their functions are local, so that Dask pickles them: the workers cannot import this file."""
        many, numbers, name = self._traffic.many, self._traffic.numbers, self._case
        places = max(1, self._traffic.capacity // many)

        def block(last: int) -> Any:
            import numpy as np

            values = [float(value) for value in range(last - many + 1, last + 1)]
            items = values if numbers == 1 else [np.full(numbers, value).tobytes() for value in values]
            return items if many > 1 else items[0]

        def put() -> None:
            queue = distributed.Queue(name, maxsize=places)
            for step in range(1, steps + 1):
                queue.put(block(step * many))

        def take() -> float:
            import numpy as np

            total, queue = 0.0, distributed.Queue(name, maxsize=places)
            for _ in range(steps):
                items = queue.get()
                for item in items if many > 1 else [items]:
                    total += item if numbers == 1 else float(np.frombuffer(item)[0])
            return total

        both: tuple[Callable[[], Any], ...] = (put, take)
        names = [device.removesuffix("/cpu:0") for device in WORKERS]
        putting, taking = (
            self._client.submit(end, workers=[at], pure=False) for end, at in zip(both, names, strict=True)
        )
        total: float = taking.result()
        putting.result()
        return total


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
        client = stack.enter_context(distributed.Client(target, set_as_default=False))
        loops = {case: Loops(stack, target, case) for case in CASES}
        tasks = {case: Tasks(client, case) for case in CASES}
        competitors: list[Competitor] = [
            Here("dflow", {case: end.sample for case, end in loops.items()}, {c: end.fact for c, end in loops.items()}),
            Peer("TF1", "tensorflow", "tf1_queue.py"),
            Peer("Ray", "ray", "ray_queue.py"),
            Here(
                "distributed.Queue",
                {case: end.sample for case, end in tasks.items()},
                {case: end.fact for case, end in tasks.items()},
                f"distributed {distributed.__version__}",
            ),
        ]
        print(report(__doc__, ITEMS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

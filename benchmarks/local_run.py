"""What does one `Session.run` cost in a session of this process?

The operation is `tanh` of 8 numbers, which are fed: next to nothing to compute, so that what is left is the run itself.
By hand: the same calls of NumPy, and a `put` and a `get` of Python's own queue.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import numpy as np
from measure import MICROSECONDS, Peer, Sample, report, rounds_asked, seconds_a_call
from programs import local_runs

import dflow as df


def by_hand() -> dict[str, Sample]:
    value = np.ones(8, np.float32)
    queue: SimpleQueue[Any] = SimpleQueue()

    def chain() -> None:
        y = value
        for _ in range(20):
            y = np.tanh(y)

    def through_queue() -> None:
        queue.put(value)
        queue.get()

    return {
        "Session.run of one operation": lambda: seconds_a_call(lambda: np.tanh(value)),
        "Session.run of a chain of 20": lambda: seconds_a_call(chain),
        "make_callable of one operation": lambda: seconds_a_call(lambda: np.tanh(value)),
        "make_callable of a chain of 20": lambda: seconds_a_call(chain),
        "Session.run of enqueue, then dequeue": lambda: seconds_a_call(through_queue),
    }


def main() -> None:
    rounds = rounds_asked(__doc__)
    print(report(__doc__, MICROSECONDS, local_runs(df), by_hand(), Peer.start("tf1_local_run.py"), rounds))


if __name__ == "__main__":
    main()

"""What does one `Session.run` cost in a session of this process?

The operation is `tanh` of 8 numbers, which are fed. It computes almost nothing, so the time is that of the run itself.

* **The chain** alternates `tanh` and `maximum`, because TensorFlow merges a chain of `tanh` into one operation.
* **By hand**: the same NumPy calls, and a `put` and a `get` of Python's `SimpleQueue`.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import numpy as np
from competitors import Competitor, Here, Peer
from measure import MICROSECONDS, Sample, rounds_asked, seconds_a_call
from programs.runs import CALL_ONE, CALL_TWENTY, RUN_ONE, RUN_QUEUE, RUN_TWENTY, local_facts, local_runs
from tables import BY_HAND, Target, report

import dflow as df

TARGETS = {
    RUN_ONE: [Target(3, "TF1")],
    RUN_TWENTY: [Target(3, "TF1")],
    CALL_ONE: [Target(2, "TF1")],
    CALL_TWENTY: [Target(2, "TF1")],
}


def by_hand() -> dict[str, Sample]:
    value = np.ones(8, np.float32)
    queue: SimpleQueue[Any] = SimpleQueue()

    def chain() -> None:
        y = value
        for i in range(20):
            y = np.maximum(y, value) if i % 2 else np.tanh(y)

    def through_queue() -> None:
        queue.put(value)
        queue.get()

    return {
        RUN_ONE: lambda: seconds_a_call(lambda: np.tanh(value)),
        RUN_TWENTY: lambda: seconds_a_call(chain),
        CALL_ONE: lambda: seconds_a_call(lambda: np.tanh(value)),
        CALL_TWENTY: lambda: seconds_a_call(chain),
        RUN_QUEUE: lambda: seconds_a_call(through_queue),
    }


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [
        Here("dflow", local_runs(df), local_facts(df)),
        Peer("TF1", "tensorflow", "tf1_local_run.py"),
        Here(BY_HAND, by_hand()),
    ]
    print(report(__doc__, MICROSECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

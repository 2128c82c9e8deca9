"""What does one iteration of a `Session.repeat` loop cost, if its body does almost nothing?

The body is a `no_op`, or an `assign_add` of an integer variable. The loop runs in a session of this process, or on a
worker of a cluster while the client only waits. The table shows the time of one iteration. It is the time of a loop of
20,000 iterations, less that of a loop of one iteration (the cost of starting and ending a loop), per iteration.

* **TensorFlow 1** has no such loop. Its users call `Session.run` in a Python loop, in the process of the device.
* **By hand**: the same in plain Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from competitors import Competitor, Fact, Here, Peer
from measure import MICROSECONDS, Sample, rounds_asked, seconds_a_call, seconds_once
from programs.repeat import COUNTED, COUNTS, LOCAL, NO_OP, PLACES, STEPS, WORKER, build, case
from tables import BY_HAND, AtMost, report

import dflow as df

TARGETS = {case(what, where): [AtMost(20)] for what in (NO_OP, COUNTS) for where in PLACES}


def ours(stack: ExitStack) -> Here:
    target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
    cases: dict[str, Sample] = {}
    facts: dict[str, Fact] = {}
    for where, at in {LOCAL: "", WORKER: target}.items():
        graph, bodies, count = build(df, PLACES[where])
        sess = stack.enter_context(df.Session(at, graph=graph))
        for what, body in bodies.items():
            cases[case(what, where)] = partial(iteration, sess, body)
        facts[case(COUNTS, where)] = partial(counted, sess, bodies[COUNTS], count)
    return Here("dflow", cases, facts)


def iteration(sess: Any, body: Any) -> float:
    def run(steps: int) -> None:
        sess.repeat(body, steps=steps, every=steps).join()

    return max(1e-9, (seconds_once(lambda: run(STEPS)) - seconds_once(lambda: run(1))) / (STEPS - 1))


def counted(sess: Any, body: Any, count: Any) -> Sequence[float]:
    sess.run(count.initializer)
    sess.repeat(body, steps=COUNTED).join()
    return [float(sess.run(count))]


def by_hand() -> Here:
    counts = [0]

    def count() -> None:
        counts[0] += 1

    samples: dict[str, Sample] = {case(NO_OP, LOCAL): lambda: seconds_a_call(lambda: None)}
    return Here(BY_HAND, samples | {case(COUNTS, LOCAL): lambda: seconds_a_call(count)})


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        competitors: list[Competitor] = [ours(stack), Peer("TF1", "tensorflow", "tf1_repeat.py"), by_hand()]
        print(report(__doc__, MICROSECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

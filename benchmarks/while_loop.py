"""How long does an iteration of a loop in the graph take?

A run goes through 1000 iterations of a `while_loop`: the table has the time of one. The bodies are an addition to a
count; the same in an inner loop of ten iterations, each of which counts as one; a `cond`; a recurrent layer of 64 units
for 32 rows, alone and with the gradient of its weights, whose time is that of both directions; and, in `map_fn`, a
product of 64 values. Both systems have one thread, and the same results.

A loop of dflow whose operations are on one device is one program there; TensorFlow's executor schedules each operation
of each iteration.
"""

from __future__ import annotations

from competitors import Competitor, Here, Peer
from measure import MICROSECONDS, rounds_asked
from programs.while_loop import LOOPS, cases
from tables import Target, report

import dflow as df

TARGETS = {name: [Target(0.5)] for name in LOOPS}


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [
        Here("dflow", *cases(df)),
        Peer("TF1", "tensorflow", "tf1_while_loop.py"),
    ]
    print(report(__doc__, MICROSECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

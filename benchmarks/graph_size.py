"""Does the time for one operation stay the same when there are many?

The graphs are chains of `tanh` and `maximum` of 8 numbers, with 100 to 100,000 operations, in a session of this
process. The cases are building the graph, compiling it (a part of dflow's first run), the first run, and a later run.
Each time is divided by the number of operations.

The only target is that the figures of a kind are alike. TensorFlow 1 is not measured with 100,000 operations, because
its samples would take minutes.
"""

from __future__ import annotations

from typing import Any

from competitors import Competitor, Here, Peer
from measure import MICROSECONDS, rounds_asked, seconds_once
from programs.graphs import BUILD, FIRST, LATER, Chain, all_cases, case, chains
from tables import report

import dflow as df
from dflow.compile import compile_plan

COMPILE = "compiling"


def compiling(chain: Chain) -> float:
    sess, x, y = chain.session()
    table: Any = sess.backend.devices()
    return seconds_once(lambda: compile_plan((y,), (x,), table, table.names[0], number=1))


def ours() -> Here:
    kept = chains(df)
    samples, facts = all_cases(kept)
    for ops, chain in kept.items():
        samples[case(ops, COMPILE)] = lambda ops=ops, chain=chain: compiling(chain) / ops
    in_order = [case(ops, what) for ops in kept for what in (BUILD, COMPILE, FIRST, LATER)]
    return Here("dflow", {name: samples[name] for name in in_order}, facts)


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [ours(), Peer("TF1", "tensorflow", "tf1_graph_size.py")]
    print(report(__doc__, MICROSECONDS, competitors, rounds=rounds))


if __name__ == "__main__":
    main()

"""Does the time for one operation stay the same when there are many?

Chains of `tanh` and `maximum` of 8 numbers, of 100 to 100,000 operations, in a session of this process: building the
graph, compiling it (part of dflow's first run), the first run, a later run; each divided by the number of operations.
There is no target but this: the figures of a kind shall be alike.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from competitors import Competitor, Here, Peer
from measure import MICROSECONDS, Sample, rounds_asked, seconds_once
from programs.graphs import OPS, all_cases, build, case
from tables import report

import dflow as df
from dflow.compile import compile_plan

COMPILE = "compiling"


def compiling(ops: int) -> float:
    graph, x, y = build(df, ops)
    with df.Session("", graph=graph) as sess:
        table: Any = sess.backend.devices()
        compiled = partial(compile_plan, (y,), (x,), table, table.names[0], number=1)
        return seconds_once(compiled) / ops


def ours() -> Here:
    samples, facts = all_cases(df)
    extra: dict[str, Sample] = {case(ops, COMPILE): partial(compiling, ops) for ops in OPS}
    return Here("dflow", samples | extra, facts)


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [ours(), Peer("TF1", "tensorflow", "tf1_graph_size.py")]
    print(report(__doc__, MICROSECONDS, competitors, rounds=rounds))


if __name__ == "__main__":
    main()

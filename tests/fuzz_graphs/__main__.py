"""The command: `python -m tests.fuzz_graphs --help`."""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dflow.cluster import EmbeddedCluster
from tests.fuzz_graphs.interpret import Program
from tests.fuzz_graphs.judge import Disagreement, judged, minimised, unintended
from tests.fuzz_graphs.programs import program
from tests.fuzz_graphs.script import script
from tests.fuzz_graphs.sides import CLUSTER_PLACES, Dflow, Side, TensorFlow


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_graphs", description="Random programs, on all sides.")
    parser.add_argument("--seed", type=int, default=0, help="of the first program; the next ones have the next seeds")
    parser.add_argument("--runs", type=int, default=None, help="how many; by default as many as the time allows")
    parser.add_argument("--seconds", type=float, default=None, help="600 by default, if --runs is not given")
    parser.add_argument("--program", type=Path, default=None, help="only this one: a file with its lines")
    parser.add_argument("--sides", default="local,cluster,tensorflow", help="the first is compared with each other one")
    options = parser.parse_args()
    seconds = options.seconds or (None if options.runs else 600.0)
    ends = None if seconds is None else time.monotonic() + seconds
    for logger in ("dflow", "distributed"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with sides(options.sides.split(",")) as found:
        if options.program is not None:
            lines = [line for line in options.program.read_text().splitlines() if line and not line.startswith("#")]
            print(script(found, lines))
            return 0
        return fuzz(found, itertools.islice(itertools.count(options.seed), options.runs), ends)


@contextmanager
def sides(names: Sequence[str]) -> Iterator[list[Side]]:
    """The sides of these names.  `DFLOW_ORACLE` is the Python of an environment with TensorFlow."""
    with ExitStack() as stack:
        found: list[Side] = []
        for name in names:
            if name == "local":
                found.append(Dflow("local"))
            elif name == "cluster":
                cluster = stack.enter_context(EmbeddedCluster(ps=1, workers=1, virtual_gpus=0))
                found.append(Dflow("cluster", cluster.scheduler_address, CLUSTER_PLACES))
                first = [f"with on({i}): x = tf.constant(1); sess.run(x)" for i in range(len(CLUSTER_PLACES))]
                found[-1].outcomes(first, 0)  # the workers declare their devices
            else:
                tensorflow = TensorFlow(os.environ["DFLOW_ORACLE"])
                stack.callback(tensorflow.close)
                found.append(tensorflow)
        yield found


def fuzz(found: Sequence[Side], seeds: Iterable[int], ends: float | None) -> int:
    """Try programs; print each disagreement that is not meant, and how many there were of each kind."""
    programs, bad, meant = 0, list[int](), Counter[str]()
    for seed in seeds:
        if ends is not None and time.monotonic() > ends:
            break
        tried = program(seed)
        said = judged(found, tried)
        programs += 1
        if programs % 50 == 0:
            print(f"{programs} programs, the last one of seed {seed}", flush=True)
        meant.update(it.on_purpose for it in said if it.on_purpose)
        for it in unintended(said):
            bad.append(seed)
            report(found, seed, tried, it)
    for why, count in meant.most_common():
        print(f"{count} times different on purpose: {why}")
    print(f"{programs} programs, {len(bad)} disagreements{': seeds ' + str(bad) if bad else ''}", flush=True)
    return 1 if bad else 0


def report(found: Sequence[Side], seed: int, tried: Program, it: Disagreement) -> None:
    print(f"--- seed {seed}: {' and '.join(it.sides)} disagree in line {it.line + 1} of {len(tried)}", flush=True)
    for name, outcome in zip(it.sides, (it.expected, it.got), strict=True):  # a busy machine may not show them again
        print(f"#   {name:10} {outcome}", flush=True)
    print(script(found, minimised(found, tried, it)), flush=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a program that hangs still holds threads

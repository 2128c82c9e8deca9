"""The command: `python -m tests.soak --help`."""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import Look
from tests.soak.run import Outcome, Run, shared_memory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Runs with random faults.")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the next ones have the next seeds")
    parser.add_argument("--runs", type=int, default=None, help="how many; by default as many as the time allows")
    parser.add_argument("--seconds", type=float, default=None, help="600 by default, if --runs is not given")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it, and the clients would, too
    seconds = options.seconds or (None if options.runs else 600.0)
    ends = None if seconds is None else time.monotonic() + seconds
    outcomes: list[Outcome] = []
    seeds = itertools.count(options.seed) if options.runs is None else range(options.seed, options.seed + options.runs)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, TMPDIR=folder):
        tempfile.tempdir = folder  # of this process; the others get it from the environment
        for outcome in runs(seeds, Path(folder)):
            outcomes.append(outcome)
            print(f"{outcome.seed}: {', '.join(outcome.faults)}: {outcome.ended}", flush=True)
            for complaint in outcome.complaints:
                print(f"    BAD {complaint}", flush=True)
            if ends is not None and time.monotonic() > ends:
                break
    return summary(outcomes)


def runs(seeds: Iterable[int], folder: Path) -> Iterator[Outcome]:
    """The outcomes of the runs; a cluster lives until a fault ends it."""
    seeds = iter(seeds)
    over = False
    while not over:
        before, run = shared_memory(), None
        with EmbeddedCluster(ps=1, workers=2, virtual_gpus=0) as cluster:
            look = Look(cluster)
            try:
                for seed in seeds:
                    if run is not None:
                        yield run.outcome
                    run = Run(cluster, look, folder, seed, is_first=run is None)
                    run.go()
                    if run.needs_new_cluster or run.outcome.complaints:
                        break
                else:
                    over = True
            finally:
                look.client.close()
        if run is not None:  # the last one of a cluster also tells what that left behind
            if left := shared_memory() - before:
                run.outcome.complaints.append(f"left over of the cluster: {sorted(left)}")
            yield run.outcome


def summary(outcomes: list[Outcome]) -> int:
    bad = [outcome for outcome in outcomes if outcome.complaints]
    counts = collections.Counter(fault for outcome in outcomes for fault in outcome.faults)
    print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    print(f"{len(outcomes)} runs, {len(bad)} bad{': seeds ' + str([o.seed for o in bad]) if bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

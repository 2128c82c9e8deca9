"""Does memory grow with the number of sessions, queues, runs and loops?

This is measured first on a cluster of 1 ps and 1 worker, then in one process:

* **Sessions** come one after the other. Each has its own graph, variable and queue, and makes five runs.
* **Queues** are shared, 20 in a session, and each has its own name. `Session.reset` drops them when the session has
  ended.
* **Runs** are all in one session.
* **Loops** are all in one session. Each has three iterations.

There are 24 samples of each process, each after a garbage collection. The table shows the resident memory, the file
descriptors, the threads and the objects of dflow, from the first sample to the last. "Per 1,000" is the slope of a
straight line through the last third of the samples. One slope is that of the resident memory, the other that of the
memory blocks that Python has allocated. If only the memory grows, no object holds it: it is in the allocator.

Dask keeps histories, which grow until they reach their limits. These limits are low here, so that the histories are
full early:

* 1,000 log records instead of 10,000 (6.5 MB). A session adds four.
* 100 transitions, messages and events instead of 1,000.
* Half a minute of the machine's load instead of an hour (2 MB).
* No profiles of a worker's threads, which otherwise go back 1,000 seconds.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cloudpickle
import dask
from distributed import Client
from measure import command_line, size
from programs import growth
from programs.growth import KINDS, Look, Seen, seen

from dflow.cluster import EmbeddedCluster

SHORT = {
    "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "1000",
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__LOG_LENGTH": "60",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
}
COUNTS = {
    "sessions": size(5_000, 6),
    "queues": size(5_000, 60),
    "runs": size(1_000_000, 60),
    "loops": size(1_000, 6),
}
SAMPLES = size(24, 3)
SHOWN = 7  # about how many samples are in the table
Curves = dict[str, list[Seen]]  # process -> its samples


def on_a_cluster(counts: Mapping[str, int]) -> dict[str, Curves]:
    """Take the samples of each kind on a cluster, with this process as the client."""
    os.environ.update(SHORT)
    dask.config.refresh()
    cloudpickle.register_pickle_by_value(growth)  # the cluster's processes cannot import it
    with EmbeddedCluster(ps=1, workers=1, virtual_gpus=0) as cluster:
        target = cluster.scheduler_address
        with Client(target, set_as_default=False) as client:
            return _all_curves(counts, target, "/job:worker/task:0", partial(_look_at_all, client))


def in_one_process(counts: Mapping[str, int]) -> dict[str, Curves]:
    return _all_curves(counts, "", "", lambda: {"this process": seen()})


def _all_curves(counts: Mapping[str, int], target: str, device: str, look: Look) -> dict[str, Curves]:
    return {kind: _curves(kind, count, target, device, look) for kind, count in counts.items()}


def _curves(kind: str, count: int, target: str, device: str, look: Look) -> Curves:
    work, done, found = KINDS[kind](target, device), 0, dict[str, list[Seen]]()
    for number in range(1, SAMPLES + 1):
        until = count * number // SAMPLES
        work.go_on(done, until)
        done = until
        for process, sample in look().items():
            found.setdefault(process, []).append(sample)
    work.close()
    return found


def _look_at_all(client: Client) -> dict[str, Seen]:
    names = {address: row["name"] for address, row in client.scheduler_info()["workers"].items()}
    workers = {names[address].split(":")[1].split("/")[0]: sample for address, sample in client.run(seen).items()}
    return {"client": seen(), "scheduler": client.run_on_scheduler(seen), **dict(sorted(workers.items()))}


def slope(samples: Sequence[float], each: float) -> float:
    """Return the slope of a straight line through the last third of the samples, by least squares.

    each: the distance between two samples.
    """
    last = samples[-max(2, len(samples) // 3) :]
    middle, mean = (len(last) - 1) / 2, sum(last) / len(last)
    up = sum((x - middle) * (y - mean) for x, y in enumerate(last))
    return up / sum((x - middle) ** 2 for x in range(len(last))) / each


def row(what: str, process: str, samples: Sequence[Seen], count: int) -> list[str]:
    """Make a line of the table."""
    each = count / len(samples) / 1000
    kilobytes = slope([sample.rss / 1e3 for sample in samples], each)
    blocks = slope([sample.blocks for sample in samples], each)
    step = max(1, (len(samples) - 1) // (SHOWN - 1))
    shown = [samples[0], *samples[-1:0:-step][::-1]]
    curve = ", ".join(f"{sample.rss / 1e6:.1f}" for sample in shown)
    first, *_, last = samples
    counts = [f"{getattr(first, name):,} to {getattr(last, name):,}" for name in COUNTED]
    return [what, process, f"**{kilobytes:,.1f}**", f"{blocks:,.0f}", curve, *counts]


COUNTED = ("descriptors", "threads", "ours")
HEADER = ["", "process", "KB per 1,000", "blocks per 1,000", "MB", "descriptors", "threads", "objects of dflow"]


def main() -> None:
    parser = command_line(__doc__)
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count, help=f"{count:,} by default; 0 leaves them out")
    asked = parser.parse_args()
    counts = {kind: getattr(asked, kind) for kind in COUNTS if getattr(asked, kind)}
    lines = [HEADER, ["---", "---", "---:", "---:", "---", "---", "---", "---"]]
    for measure, where in ((on_a_cluster, "on a cluster"), (in_one_process, "in one process")):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            found = fresh.submit(measure, counts).result()
        for kind, curves in found.items():
            for number, (process, samples) in enumerate(curves.items()):
                what = "" if number else f"{counts[kind]:,} {kind}, {where}"
                lines.append(row(what, process, samples, counts[kind]))
    title, _, text = __doc__.partition("\n")
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    print(f"## {title}\n\n{text.strip()}\n\n{table}")


if __name__ == "__main__":
    main()

"""Walks through the code: which calls dflow makes for one run of a warm program.

    .venv/bin/python -m tests.architecture.walks                    # all walks, a line each
    .venv/bin/python -m tests.architecture.walks hot-fetch --list   # one, with its calls
    .venv/bin/python -m tests.architecture.walks --dflow ../before  # of the dflow in another checkout

`recorder.py` says what is counted.  Each walk is recorded several times, as threads do not meet in the same way each
time; a cell of the table is the median, with the least and the most.  The scheduler and the workers of a cluster are
threads of this process.  The programs use public names only, so that they run on older checkouts, too.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.architecture.imports import ROOT
from tests.architecture.recorder import FIGURES, Call, Figures, Heights, Recorder, figures, listing

PS, WORKER = "/job:ps/task:0", "/job:worker/task:0"
RECORDS = 40
WARM = 5  # runs before the first one that is recorded
TIMES = 5


@dataclass(frozen=True)
class Scene:
    """Where a program is made: the `dflow` that is looked at, a session and its graph, a folder for files."""

    df: Any
    session: Any
    folder: Path
    worker: str | None  # the device to compute on; None in a local session


@dataclass(frozen=True)
class Program:
    """What is recorded, and what is done before it each time."""

    operation: Callable[[], object]
    before: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Walk:
    title: str
    program: Callable[[Scene], Program]
    on_cluster: bool = False


def fetch(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    with df.device(scene.worker):
        value = df.Variable(2.0)
        result = value * 3.0 + 1.0
    session.run(value.initializer)
    return Program(lambda: session.run(result))


def dequeue(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    queue = df.FIFOQueue(10, [df.float32], shapes=[[]])
    put, result = queue.enqueue(2.0), queue.dequeue() * 3.0
    return Program(lambda: session.run(result), before=lambda: session.run(put))


def from_ps_to_worker(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    with df.device(PS):
        value = df.Variable(2.0)
    with df.device(WORKER):
        result = value * 3.0
    session.run(value.initializer)
    return Program(lambda: session.run(result))


def enqueue(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    with df.device(PS):
        queue = df.FIFOQueue(10, [df.float32], shapes=[[]])
        take = queue.dequeue()
    with df.device(WORKER):
        value = df.Variable(2.0)
        put = queue.enqueue(value * 3.0)
    session.run(value.initializer)
    session.run(put)
    return Program(lambda: session.run(put), before=lambda: session.run(take))


def dequeue_many(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    with df.device(PS):
        queue = df.FIFOQueue(10, [df.float32], shapes=[[]])
        put, batch = queue.enqueue_many([[1.0, 2.0, 3.0]]), queue.dequeue_many(3)
    with df.device(WORKER):
        result = batch * 3.0
    return Program(lambda: session.run(result), before=lambda: session.run(put))


def batched_loop(scene: Scene) -> Program:
    """From the start of the loop to its end: it opens a file and reads all of it."""
    df, session, path = scene.df, scene.session, scene.folder / "records.csv"
    path.write_text("".join(f"{i},0.5\n" for i in range(RECORDS)))
    names = df.FIFOQueue(10, [df.string], shapes=[[]])
    queue = df.FIFOQueue(RECORDS, [df.int32, df.float32], shapes=[[], []])
    _, line = df.TextLineReader().read(names)
    put = queue.enqueue(df.decode_csv(line, [[0], [0.0]]))
    name, size, take = names.enqueue([str(path)]), queue.size(), queue.dequeue_many(RECORDS)

    def before() -> None:
        session.run(name)
        if session.run(size):
            session.run(take)

    return Program(lambda: session.repeat(put, RECORDS).join(), before)


def kernel_error(scene: Scene) -> Program:
    df, session = scene.df, scene.session
    with df.device(scene.worker):
        index = df.Variable(5)
        result = df.gather(df.constant([1.0, 2.0]), index)
    session.run(index.initializer)

    def fails() -> None:
        try:
            session.run(result)
        except df.errors.InvalidArgumentError:
            return
        raise AssertionError("the kernel gave no error")

    return Program(fails)


WALKS = {  # the local ones first: a cluster's threads are in this process until its end
    "fetch": Walk("local: fetch of one segment", fetch),
    "dequeue": Walk("local: dequeue, then multiply", dequeue),
    "error": Walk("local: error of a kernel", kernel_error),
    "batched-loop": Walk(f"local: batched loop over {RECORDS} CSV records", batched_loop),
    "hot-fetch": Walk("cluster: fetch of one device", fetch, on_cluster=True),
    "ps-to-worker": Walk("cluster: value of the ps, used on the worker", from_ps_to_worker, on_cluster=True),
    "enqueue": Walk("cluster: enqueue on the worker, queue on the ps", enqueue, on_cluster=True),
    "dequeue-many": Walk("cluster: dequeue_many on the ps, used on the worker", dequeue_many, on_cluster=True),
    "error-on-worker": Walk("cluster: error of a kernel on the worker", kernel_error, on_cluster=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.walks", description="Walks through the code.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of a walk: {', '.join(WALKS)}; by default all")
    parser.add_argument("--dflow", type=Path, default=ROOT, help="the checkout of the project to look at; this one")
    parser.add_argument(
        "--list", action="store_true", help="print the calls, too: thread, -> a move, ^^ one up, function"
    )
    parser.add_argument("--times", type=int, default=TIMES, help=f"how often each walk is recorded; {TIMES}")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in WALKS]:
        parser.error(f"there is no walk {unknown[0]!r}; there are {', '.join(WALKS)}")
    root = options.dflow.resolve()
    recorder, heights = Recorder(root), Heights(root)
    width = max(len(walk.title) for walk in WALKS.values())
    print(f"{'walk':{width}}", *(f"{figure:>15}" for figure in FIGURES))
    names = [name for name in WALKS if name in options.names or not options.names]
    for name, calls in recorded(names, recorder, root, options.times):
        found = [figures(one, heights) for one in calls]
        print(f"{WALKS[name].title:{width}}", *(f"{_cell(found, figure):>15}" for figure in FIGURES), flush=True)
        if options.list:
            print(*listing(calls[_middle(found)], heights), sep="\n")
    return 0


def recorded(
    names: Sequence[str], recorder: Recorder, root: Path, times: int
) -> Iterator[tuple[str, list[list[Call]]]]:
    """For each walk its recordings, with the dflow of `root`, which must not have been imported before."""
    sys.path.insert(0, str(root))
    import dflow as df

    assert Path(df.__file__).is_relative_to(root), f"dflow was imported from {df.__file__}"
    for logger in ("dflow", "distributed"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(recorder.installed())  # before dflow and Dask start threads
        folder, address = Path(stack.enter_context(tempfile.TemporaryDirectory())), ""
        for name in names:
            walk = WALKS[name]
            if walk.on_cluster and not address:
                address = stack.enter_context(_cluster())
            target, worker = (address, WORKER) if walk.on_cluster else ("", None)
            with df.Graph().as_default(), df.container(name), df.Session(target) as session:
                program = walk.program(Scene(df, session, folder, worker))
                for _ in range(WARM):
                    program.before()
                    program.operation()
                yield name, [_once(program, recorder) for _ in range(times)]


def _once(program: Program, recorder: Recorder) -> list[Call]:
    program.before()
    recorder.record(lambda: None)  # until nothing is left of what was before
    return recorder.record(program.operation)


@contextmanager
def _cluster() -> Iterator[str]:
    """The address of a scheduler with a ps and a worker, all of them in this process and with ports."""
    from distributed import LocalCluster, Worker

    async def start() -> list[Worker]:
        found = [await Worker(cluster.scheduler_address, name=name, nthreads=1) for name in (PS, WORKER)]
        for worker in found:
            worker.periodic_callbacks["heartbeat"].stop()  # it reports on the devices, at any time
        return found

    async def stop() -> None:
        for worker in workers:
            await worker.close()

    with LocalCluster(
        n_workers=0,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
        silence_logs=False,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
    ) as cluster:
        workers = cluster.sync(start)
        yield cluster.scheduler_address
        cluster.sync(stop)


def _cell(found: Sequence[Figures], figure: str) -> str:
    """`27 (25..31)`, or `27` if it is the same each time."""
    numbers = [getattr(one, figure) for one in found]
    median = round(statistics.median(numbers))
    return f"{median}" if min(numbers) == max(numbers) else f"{median} ({min(numbers)}..{max(numbers)})"


def _middle(found: Sequence[Figures]) -> int:
    """Which recording has the median of the moves."""
    return sorted(range(len(found)), key=lambda i: found[i].moves)[len(found) // 2]


if __name__ == "__main__":
    sys.exit(main())

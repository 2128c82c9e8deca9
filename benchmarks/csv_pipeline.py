"""How many records a second come out of the CSV pipeline?

The pipeline: a queue of file names feeds a `TextLineReader`. `decode_csv` decodes columns of floats, and in some cases
an integer label. A `QueueRunner` enqueues the records into a `RandomShuffleQueue`. The program takes batches of 128
with `dequeue_many`, as fast as it can.

* **A sample** takes one second, after the records that had gathered in the queue are gone. Before the next case is
  measured, the queue is full again and all loops wait.
* **One process**: dflow and TensorFlow 1 run the same program on the same files.
* **1 ps + 2 workers**: TensorFlow 1 runs the program as its users did, with a process and a session on each worker.
  dflow runs one program, whose loops are on the workers.
* **The best that a user can write** shuffles among 4,096 records. All of these take 32 batches at once, which the
  program splits, and may use all cores.
  * dflow: `CSVReader.read_block`, with blocks of 16,384 rows
  * TensorFlow 1: `read_up_to`, in two loops
  * `tf.data`: shuffles lines and parses batches
  * Ray Data: `read_csv` with a local shuffle buffer
  * torch: a `DataLoader` whose dataset reads parts of files with `np.loadtxt`
* **The best on two workers**: each worker has a queue, a loop that fills the queue, and a loop (`Session.repeat`) that
  dequeues its batches.
* **By hand**: one thread of one process reads blocks with `pyarrow.csv` into a NumPy shuffle buffer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from competitors import Competitor, Fact, Here, Peer
from measure import RECORDS, Sample, rounds_asked, seconds_once, size
from programs import PS, WORKERS
from programs.csv import (
    AT_ONCE,
    BEST,
    BEST_QUEUE,
    CLUSTER,
    COLUMNS,
    FIVE_LOOPS,
    LISTINGS,
    MANY,
    ONE_LOOP,
    SHUFFLED,
    TWO_WORKERS,
    WIDE,
    WIDE_BEST,
    WIDE_FIVE_LOOPS,
    WIDE_LISTINGS,
    WIDE_ONE_LOOP,
    queue_name,
)  # fmt: skip
from programs.listing import BATCH, CHECKED, Listing, Running, measured, numbers, rate, samples
from tables import BY_HAND, Target, report

import dflow as df

FILES, LINES = 4, size(20_000, 2_000)
TARGETS = {
    ONE_LOOP: [Target(60, "TF1")],
    FIVE_LOOPS: [Target(30, "TF1")],
    WIDE_ONE_LOOP: [Target(12, "TF1")],
    WIDE_FIVE_LOOPS: [Target(12, "TF1")],
    BEST: [Target(4), Target(0.7, BY_HAND)],
    WIDE_BEST: [Target(0.7, BY_HAND)],
    TWO_WORKERS: [Target(1, BY_HAND)],
}
Arrays = tuple[np.ndarray[Any, Any], ...]  # the components of records: floats, and in some cases a label


def write_file(path: Path, lines: int, columns: int, label: bool, seed: int) -> str:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(lines, columns + label))
    values[:, columns:] = rng.integers(0, 10, size=(lines, int(label)))
    np.savetxt(path, values, fmt=["%.6g"] * columns + ["%d"] * label, delimiter=",")
    return str(path)


def write_files(folder: Path, columns: int, label: bool) -> tuple[list[str], str]:
    """Write the files.  Returns their names, and that of the file for the facts."""
    files = [write_file(folder / f"{columns}-{i}.csv", LINES, columns, label, i) for i in range(FILES)]
    return files, write_file(folder / f"{columns}-checked.csv", CHECKED, columns, label, FILES)


def dflow_best(columns: int = COLUMNS, label: bool = False) -> Listing:
    floats, labels = [f"f{i}" for i in range(columns)], ["label"] * label

    def read(tf: Any, names: Any) -> list[Any]:
        types = dict.fromkeys(floats, tf.float32) | dict.fromkeys(labels, tf.int32)
        block = tf.CSVReader(types, block=16 * MANY, names=[*types]).read_block(names)
        return [tf.stack([block[name] for name in floats], axis=-1), *[block[name] for name in labels]]

    shapes, dtypes = [(columns,), ()][: 1 + label], ["float32", "int32"][: 1 + label]
    return Listing(read, shapes, dtypes, many=True, **BEST_QUEUE)


class OnWorkers:
    """The best pipeline on each worker of a cluster.  It never ends."""

    def __init__(self, target: str, files: Sequence[str]) -> None:
        graph = df.Graph()
        with graph.as_default():
            self._batches = [dflow_best().build(df, files, worker, [worker])[0] for worker in WORKERS]
            self._coord = df.train.Coordinator()
            self._sess = df.Session(target, graph=graph)
            self._threads = df.train.start_queue_runners(self._sess, self._coord)
        self._take(size(30, 2))

    def sample(self) -> float:
        """Return records a second.  A sample takes some seconds, so the records already in the queues do not matter."""
        steps = size(250, 2)
        return len(WORKERS) * steps * AT_ONCE * BATCH / seconds_once(lambda: self._take(steps))

    def _take(self, steps: int) -> None:
        for loop in [self._sess.repeat(batch, steps, every=steps) for batch in self._batches]:
            loop.join()

    def close(self) -> None:
        self._coord.request_stop()
        self._coord.join(self._threads)
        self._sess.close()


def arrow_blocks(files: Iterable[str], columns: int = COLUMNS, label: bool = False) -> Iterator[Arrays]:
    """Read blocks of records with pyarrow, file by file."""
    types = dict.fromkeys([f"f{i}" for i in range(columns)], pyarrow.float32())
    types |= dict.fromkeys(["label"] * label, pyarrow.int32())
    read = pyarrow.csv.ReadOptions(use_threads=False, column_names=[*types])
    convert = pyarrow.csv.ConvertOptions(column_types=types)
    for file in files:
        for block in pyarrow.csv.open_csv(file, read_options=read, convert_options=convert):
            arrays = [column.to_numpy() for column in block.columns]
            yield (np.stack(arrays[:columns], axis=1), *arrays[columns:])


def mixed(blocks: Iterator[Arrays]) -> Iterator[Arrays]:
    """Yield batches from a shuffle buffer: random parts of its records, and at the end the rest."""
    rng = np.random.default_rng()
    kept: Arrays = ()
    for block in blocks:
        kept = tuple(np.concatenate(parts) for parts in zip(kept, block, strict=True)) if kept else block
        order = rng.permutation(len(kept[0]))
        taken = max(0, len(order) - SHUFFLED) // BATCH * BATCH
        for start in range(0, taken, BATCH):
            yield tuple(part[order[start : start + BATCH]] for part in kept)
        kept = tuple(part[order[taken:]] for part in kept)
    for start in range(0, len(kept[0]), BATCH):
        yield tuple(part[start : start + BATCH] for part in kept)


def ours(stack: ExitStack, narrow: tuple[list[str], str], wide: tuple[list[str], str]) -> Here:
    running, facts = measured(df, LISTINGS | {BEST: dflow_best()}, *narrow)
    wide_running, wide_facts = measured(df, WIDE_LISTINGS | {WIDE_BEST: dflow_best(WIDE, True)}, *wide)
    target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
    running |= wide_running | {
        name: Running(df, listing, narrow[0], PS, WORKERS, target, shared=queue_name(name))
        for name, listing in CLUSTER.items()
    }
    on_workers = OnWorkers(target, narrow[0])
    for pipeline in [*running.values(), on_workers]:
        stack.callback(pipeline.close)
    return Here("dflow", samples(running) | {TWO_WORKERS: on_workers.sample}, facts | wide_facts)


def by_hand(narrow: tuple[list[str], str], wide: tuple[list[str], str]) -> Here:
    cases: dict[str, Sample] = {}
    facts: dict[str, Fact] = {}
    for name, (files, checked), columns in ((BEST, narrow, (COLUMNS, False)), (WIDE_BEST, wide, (WIDE, True))):
        batches = mixed(arrow_blocks(cycle(files), *columns))
        cases[name] = partial(rate, batches)
        facts[name] = partial(one_pass, checked, *columns)
    return Here(BY_HAND, cases | {TWO_WORKERS: cases[BEST]}, facts)


def one_pass(file: str, columns: int, label: bool) -> list[float]:
    return numbers(mixed(arrow_blocks([file], columns, label)))


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        narrow, wide = write_files(folder, COLUMNS, False), write_files(folder, WIDE, True)
        arguments = [narrow[1], *narrow[0]]
        competitors: list[Competitor] = [
            ours(stack, narrow, wide),
            Peer("TF1", "tensorflow", "tf1_csv_pipeline.py", wide[1], *wide[0], *arguments),
            Peer("tf.data", "tensorflow", "tfdata_csv_pipeline.py", *arguments),
            Peer("Ray Data", "ray", "ray_csv_pipeline.py", *arguments),
            Peer("torch", "torch", "torch_csv_pipeline.py", *arguments),
            by_hand(narrow, wide),
        ]
        print(report(__doc__, RECORDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

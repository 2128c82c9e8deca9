"""How many records a second come out of the CSV pipeline?

The pipeline: a queue of file names, `TextLineReader`, `decode_csv` of float columns (and an integer label),
`RandomShuffleQueue.enqueue` by a `QueueRunner`.  The program takes batches of 128 with `dequeue_many`, as fast as it
can, for a second a sample, after what had gathered in the queue; the queue is full again, and all stands still, before
the next one is measured.  dflow and TensorFlow 1 run the same program on the same files.  On the cluster TensorFlow 1
runs it as its users did, a process with a session of its own on each worker; dflow runs one program, whose loops are on
the workers.
The best that a user can write, with 4,096 records to mix: dflow's `CSVReader.read_block`, 4,096 rows a block;
TensorFlow 1's `read_up_to`, in two loops; `tf.data`, which shuffles lines and parses batches; Ray Data's `read_csv`
with a local shuffle buffer; a torch `DataLoader`, whose dataset reads parts of files with `np.loadtxt`.  These may use
all cores.
By hand, in one process and one thread: `pyarrow.csv`, a block at a time, into a NumPy shuffle buffer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from competitors import Competitor, Here, Peer
from measure import RECORDS, rounds_asked, size
from programs import PS, WORKERS
from programs.csv import (
    BEST,
    CLUSTER,
    COLUMNS,
    FIVE_LOOPS,
    LISTINGS,
    MANY,
    ONE_LOOP,
    SHUFFLED,
    WIDE,
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
}


def write_file(path: Path, lines: int, columns: int, label: bool, seed: int) -> str:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(lines, columns + label))
    values[:, columns:] = rng.integers(0, 10, size=(lines, int(label)))
    np.savetxt(path, values, fmt=["%.6g"] * columns + ["%d"] * label, delimiter=",")
    return str(path)


def write_files(folder: Path, columns: int, label: bool) -> tuple[list[str], str]:
    """The files, and the one that facts are about."""
    files = [write_file(folder / f"{columns}-{i}.csv", LINES, columns, label, i) for i in range(FILES)]
    return files, write_file(folder / f"{columns}-checked.csv", CHECKED, columns, label, FILES)


def dflow_best() -> Listing:
    def read(tf: Any, names: Any) -> list[Any]:
        columns = [f"f{i}" for i in range(COLUMNS)]
        block = tf.CSVReader(dict.fromkeys(columns, tf.float32), block=4 * MANY, names=columns).read_block(names)
        return [tf.stack([block[name] for name in columns], axis=-1)]

    return Listing(read, [(COLUMNS,)], ["float32"], many=True, capacity=2 * SHUFFLED, reserve=SHUFFLED)


def arrow_blocks(files: Iterable[str]) -> Iterator[np.ndarray[Any, Any]]:
    """Blocks of records, file by file, with pyarrow."""
    names = [f"f{i}" for i in range(COLUMNS)]
    read = pyarrow.csv.ReadOptions(use_threads=False, column_names=names)
    convert = pyarrow.csv.ConvertOptions(column_types={name: pyarrow.float32() for name in names})
    for file in files:
        for block in pyarrow.csv.open_csv(file, read_options=read, convert_options=convert):
            yield np.stack([column.to_numpy() for column in block.columns], axis=1)


def mixed(blocks: Iterator[np.ndarray[Any, Any]]) -> Iterator[tuple[np.ndarray[Any, Any]]]:
    """Batches out of a shuffle buffer: each a random part of all that is kept; the rest at the end."""
    rng = np.random.default_rng()
    kept = np.empty((0, COLUMNS), np.float32)
    for block in blocks:
        kept = np.concatenate([kept, block])
        order = rng.permutation(len(kept))
        taken = max(0, len(kept) - SHUFFLED) // BATCH * BATCH
        for start in range(0, taken, BATCH):
            yield (kept[order[start : start + BATCH]],)
        kept = kept[order[taken:]]
    for start in range(0, len(kept), BATCH):
        yield (kept[start : start + BATCH],)


def ours(stack: ExitStack, narrow: tuple[list[str], str], wide: tuple[list[str], str]) -> Here:
    running, facts = measured(df, LISTINGS | {BEST: dflow_best()}, *narrow)
    wide_running, wide_facts = measured(df, WIDE_LISTINGS, *wide)
    target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
    running |= wide_running | {
        name: Running(df, listing, narrow[0], PS, WORKERS, target, shared=queue_name(name))
        for name, listing in CLUSTER.items()
    }
    for pipeline in running.values():
        stack.callback(pipeline.close)
    return Here("dflow", samples(running), facts | wide_facts)


def by_hand(files: Sequence[str], checked: str) -> Here:
    batches = mixed(arrow_blocks(cycle(files)))
    return Here(BY_HAND, {BEST: lambda: rate(batches)}, {BEST: lambda: numbers(mixed(arrow_blocks([checked])))})


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
            by_hand(*narrow),
        ]
        print(report(__doc__, RECORDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

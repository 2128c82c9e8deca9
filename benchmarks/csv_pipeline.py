"""How many records a second come out of the CSV pipeline?

The pipeline: a queue of file names, `TextLineReader`, `decode_csv` of 5 float columns, `RandomShuffleQueue.enqueue`,
or `read_up_to(128)` and `enqueue_many`, by a `QueueRunner`. The program takes batches of 128 with `dequeue_many`, as
fast as it can, for a second a sample, after what had gathered in the queue; the queue is full again, and all stands
still, before the next one is measured.
Both systems run the same program on the same files. On the cluster TensorFlow 1 runs it as its users did, a process
with a session of its own on each worker; dflow runs one program, whose loops are on the workers.
By hand, in one process and one thread: for one record a step, Python's `split` and `float` into a list that a batch is
taken from at random; for 128 records, `pyarrow.csv` a file at a time, and shuffled batches of NumPy arrays.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from measure import RECORDS, Peer, Sample, report, rounds_asked, seconds_a_call
from programs import BATCH, CAPACITY, COLUMNS, CSV_CLUSTER, CSV_LOCAL, PS, WORKERS, CsvPipeline, csv_local

import dflow as df

FILES, LINES = 4, 20_000


def write_files(folder: Path) -> list[str]:
    values = np.random.default_rng(1).normal(size=(FILES, LINES, COLUMNS))
    paths = [folder / f"records-{i}.csv" for i in range(FILES)]
    for path, rows in zip(paths, values, strict=True):
        np.savetxt(path, rows, fmt="%.6g", delimiter=",")
    return [str(path) for path in paths]


def python_batches(files: Sequence[str]) -> Iterator[np.ndarray[Any, Any]]:
    """Record by record, in plain Python."""
    kept: list[list[float]] = []
    for file in itertools.cycle(files):
        with open(file) as lines:
            for line in lines:
                kept.append([float(field) for field in line.split(",")])
                if len(kept) == CAPACITY:
                    batch = []
                    for _ in range(BATCH):
                        i = random.randrange(len(kept))
                        kept[i], kept[-1] = kept[-1], kept[i]
                        batch.append(kept.pop())
                    yield np.array(batch, np.float32)


def arrow_batches(files: Sequence[str]) -> Iterator[np.ndarray[Any, Any]]:
    """File by file, with pyarrow; a batch is a random part of all that is kept."""
    options = {
        "read_options": pyarrow.csv.ReadOptions(use_threads=False, autogenerate_column_names=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types={f"f{i}": pyarrow.float32() for i in range(COLUMNS)}
        ),
    }
    rng = np.random.default_rng()
    for file in itertools.cycle(files):
        columns = pyarrow.csv.read_csv(file, **options)
        records = np.stack([column.to_numpy() for column in columns], axis=1)
        order = rng.permutation(len(records))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield records[order[start : start + BATCH]]


def rate(batches: Iterator[np.ndarray[Any, Any]]) -> Sample:
    return lambda: BATCH / seconds_a_call(lambda: next(batches), seconds=0.5)


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        files = write_files(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
        ours = csv_local(df, files)
        for name, step in CSV_CLUSTER.items():
            ours[name] = CsvPipeline(df, files, step, PS, WORKERS, target)
        for pipeline in ours.values():
            stack.callback(pipeline.close)
        steps = {name: step for name, (step, _) in CSV_LOCAL.items()} | CSV_CLUSTER
        by_hand = {
            name: rate(python_batches(files) if step == 1 else arrow_batches(files)) for name, step in steps.items()
        }
        samples = {name: pipeline.sample for name, pipeline in ours.items()}
        print(report(__doc__, RECORDS, samples, by_hand, Peer.start("tf1_csv_pipeline.py", *files), rounds))


if __name__ == "__main__":
    main()
